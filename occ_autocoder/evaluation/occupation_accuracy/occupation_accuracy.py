"""An `evaluate` metric for hierarchical occupation codes; it loads alone: `evaluate.load("<this folder>")`."""

from collections import Counter
from itertools import pairwise

import datasets
import evaluate

_CITATION = ""

_DESCRIPTION = """\
Accuracy of occupation codes at every level of the classification, in the top k, averaged over codes (macro recall and
macro F1), and by how many training records a code had.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: per record the codes, best first (list of strings), or one code (string). An empty list, "" or None is
        a record left uncoded: it counts as wrong everywhere.
    references: per record the right code (string).
    parents: dict code -> code of its parent, "" or None at the root. Goes together with `levels`.
    levels: dict code -> level, 1 the coarsest. With it come the accuracies per level.
    top_k: the k of the top-k accuracies.
    supports: dict code -> number of training records. With it come the accuracies by support; a missing code has 0.
    bands: the lower bounds of the support bands, the first 0, rising.
Returns: a flat dict of floats between 0 and 1
    accuracy: share of records whose first code is the reference.
    coded: share of records with a first code (with `levels`: a first code that the classification has).
    accuracy_level_L: share whose first code and reference have the same ancestor at level L. A code that skips L stands
        under its next coarser ancestor there. A reference coarser than L is left out; a level without any is left out.
    top_K_accuracy: share with the reference among the first K codes.
    macro_recall, macro_f1: mean over the codes that occur in the references; 0 for a code never predicted.
    accuracy_support_A_B (A_up for the last band): accuracy of the records whose reference had A to B training records;
        a band without records is left out.
Raises: ValueError for no records, a reference that is empty or not in `levels`, `parents` in a circle, bad `bands`.
Examples:
    >>> metric = evaluate.load("occ_autocoder/evaluation/occupation_accuracy")
    >>> parents, levels = {"1": "", "11": "1", "12": "1"}, {"1": 1, "11": 2, "12": 2}
    >>> scores = metric.compute(predictions=[["12", "11"]], references=["11"], parents=parents, levels=levels)
    >>> scores["accuracy_level_1"], scores["accuracy_level_2"], scores["top_3_accuracy"]
    (1.0, 0.0, 1.0)
"""


class OccupationAccuracy(evaluate.Metric):
    """Accuracy per level, in the top k, by code and by support, for codes in a tree."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {"predictions": [datasets.Value("string")], "references": datasets.Value("string")}
            ),
        )

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Add records: `predictions` are ranked lists of codes or single codes, `references` single codes."""
        predictions = [as_ranked(codes) for codes in predictions]
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def add(self, *, prediction=None, reference=None, **kwargs):
        """Add one record."""
        super().add(prediction=as_ranked(prediction), reference=reference, **kwargs)

    def _compute(
        self, predictions, references, parents=None, levels=None, top_k=(1, 3, 5), supports=None, bands=(0, 10, 100)
    ):
        if (parents is None) != (levels is None):
            raise ValueError("`parents` and `levels` go together: give both or neither")
        check_references(references, levels)
        first = [codes[0] if codes and codes[0] else None for codes in predictions]
        hits = [code == reference for code, reference in zip(first, references, strict=True)]
        coded = [code is not None and (levels is None or code in levels) for code in first]
        scores = {"accuracy": mean(hits), "coded": mean(coded)}
        if levels is not None:
            scores |= level_accuracies(first, references, parents, levels)
        ranked = list(zip(predictions, references, strict=True))
        scores |= {f"top_{k}_accuracy": mean([code in codes[:k] for codes, code in ranked]) for k in top_k}
        scores |= macro_scores(first, references)
        if supports is not None:
            scores |= support_accuracies(hits, references, supports, bands)
        return scores


def as_ranked(codes):
    """One code, a ranked list of codes or None -> a ranked list of codes."""
    return [codes] if isinstance(codes, str) else [] if codes is None else list(codes)


def mean(values):
    """Mean of a non-empty list of numbers or booleans, as a float."""
    return sum(values) / len(values)


def check_references(references, levels):
    """Raise ValueError, naming the row, for no records, an empty reference, or one that the classification lacks."""
    if not len(references):
        raise ValueError("no records: `references` is empty")
    for row, code in enumerate(references):
        if not code:
            raise ValueError(f"references[{row}] is empty: every record needs its right code")
        if levels is not None and code not in levels:
            raise ValueError(f"references[{row}] is {code!r}, which is not in `levels`")


def path_to_root(code, parents):
    """The code, its parent, and so on up to the root. Raises ValueError when the chain runs in a circle."""
    path = []
    while code:
        if code in path:
            raise ValueError(f"`parents` runs in a circle at code {code!r}")
        path.append(code)
        code = parents.get(code)
    return path


def ancestor_at(path, level, levels):
    """The first code of a path to the root that is at `level` or coarser; None when there is none."""
    return next((code for code in path if levels.get(code, level + 1) <= level), None)


def level_accuracies(first, references, parents, levels):
    """`accuracy_level_L` for every level that has a reference at L or finer."""
    paths = {code: path_to_root(code, parents) for code in {*first, *references}}
    scores = {}
    for level in sorted(set(levels.values())):
        pairs = [
            (ancestor_at(paths[code], level, levels), ancestor_at(paths[reference], level, levels))
            for code, reference in zip(first, references, strict=True)
            if levels[reference] >= level
        ]
        # A reference without any ancestor here has None, which must not equal a prediction without one.
        judged = [(predicted, wanted) for predicted, wanted in pairs if wanted is not None]
        if judged:
            scores[f"accuracy_level_{level}"] = mean([predicted == wanted for predicted, wanted in judged])
    return scores


def macro_scores(first, references):
    """Macro recall and macro F1 over the codes in the references, as scikit-learn's with `labels=set(references)`."""
    wanted, given = Counter(references), Counter(first)
    right = Counter(reference for code, reference in zip(first, references, strict=True) if code == reference)
    recalls = [right[code] / wanted[code] for code in wanted]
    f1s = [2 * right[code] / (wanted[code] + given[code]) for code in wanted]
    return {"macro_recall": mean(recalls), "macro_f1": mean(f1s)}


def support_accuracies(hits, references, supports, bands):
    """`accuracy_support_A_B` for every band of training records that has a record."""
    bands = list(bands)
    if not bands or bands[0] != 0 or bands != sorted(set(bands)):
        raise ValueError(f"`bands` are lower bounds that begin with 0 and rise, not {bands}")
    scores = {}
    for low, above in pairwise([*bands, float("inf")]):
        inside = [hit for hit, code in zip(hits, references, strict=True) if low <= supports.get(code, 0) < above]
        name = f"{low}_up" if above == float("inf") else f"{low}_{above - 1}"
        if inside:
            scores[f"accuracy_support_{name}"] = mean(inside)
    return scores
