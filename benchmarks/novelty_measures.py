"""Measures of novelty: of texts, of groups of texts of one occupation, of candidates before and after separation."""

from collections.abc import Sequence

import numpy as np
import pandas
from sklearn.metrics import roc_auc_score

from occ_autocoder.emerging.detection import group_novelty

GROUP, DRAWS = 5, 20
TOGETHER = "combination, of the group together"
Scores = dict[str, np.ndarray]
Best = tuple[np.ndarray, np.ndarray, np.ndarray]  # novelty [n], the best codes and their confidences [n, k]


def judged(scores: Sequence[np.ndarray], drawn: Sequence[list[np.ndarray]]) -> dict[str, float | None]:
    """`auroc` and `fpr95` (known ones among what catches 95 % of the novel), of texts and of groups by their mean.

    None of groups where there are none.
    """
    found = {"auroc": auroc(*scores), "fpr95": fpr(*scores)}
    means = [np.array([own[places].mean() for places in part]) for own, part in zip(scores, drawn, strict=True)]
    return found | of_groups(means)


def judged_together(best: Sequence[Best], drawn: Sequence[list[np.ndarray]]) -> dict[str, float | None]:
    """The measures of groups by `detection.group_novelty`, None of texts."""
    scores = [
        np.array([group_novelty(*(values[places] for values in own)) for places in part])
        for own, part in zip(best, drawn, strict=True)
    ]
    return {"auroc": None, "fpr95": None, **of_groups(scores)}


def of_groups(scores: Sequence[np.ndarray]) -> dict[str, float | None]:
    """The measures of scores of known and of novel groups, None where there are none."""
    if not all(map(len, scores)):
        return {"group_auroc": None, "group_fpr95": None}
    return {"group_auroc": auroc(*scores), "group_fpr95": fpr(*scores)}


def groups(codes: Sequence[str], seed: int) -> list[np.ndarray]:
    """The places of groups of 5 texts of one code, drawn 20 times for each code that has as many."""
    generator = np.random.default_rng(seed)
    places = pandas.Series(range(len(codes))).groupby(list(codes)).apply(list)
    own = [part for part in places if len(part) >= GROUP]
    return [generator.choice(part, GROUP, replace=False) for part in own for _ in range(DRAWS)]


def auroc(known: np.ndarray, novel: np.ndarray) -> float:
    """How often a novel one has the larger score."""
    return float(roc_auc_score(np.repeat([0, 1], [len(known), len(novel)]), np.concatenate([known, novel])))


def fpr(known: np.ndarray, novel: np.ndarray) -> float:
    """The share of the known ones at the threshold that 95 % of the novel ones reach."""
    return float((known >= np.quantile(novel, 0.05)).mean())


def separated(known: Scores, novel: Scores) -> dict[str, float]:
    """Of candidates (confidence up to 0.5): recall of the novel, and their share before and after the separation.

    After it as many candidates are left as half of those before, by the combination.
    """
    candidates = [part["combination"][part["confidence"] <= 0.5] for part in (known, novel)]
    both = np.concatenate(candidates)
    middle = np.median(both) if len(both) else 0.0
    kept = [(part > middle).sum() for part in candidates]
    return {
        "recall": len(candidates[1]) / len(novel["confidence"]),
        "before": len(candidates[1]) / max(1, len(both)),
        "after": float(kept[1] / max(1, sum(kept))),
    }


def cell(values: Sequence[float | None]) -> str:
    """ "71.2 (70.1-72.0)", per cent; "-" where one is None."""
    if None in values:
        return "-"
    low, mean, high = (100 * number for number in (min(values), float(np.mean(values)), max(values)))
    return f"{mean:.1f}" if len(values) == 1 else f"{mean:.1f} ({low:.1f}-{high:.1f})"
