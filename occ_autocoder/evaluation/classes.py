"""Which occupations are coded well: recall and precision per code, by number of training records, confusions."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .interval import wilson_interval


def class_table(
    predicted: np.ndarray, labels: np.ndarray, codes: Sequence[str], train_counts: Sequence[int] | None = None
) -> list[dict]:
    """One row per code: `code`, `support`, `predicted`, `recall`, `precision`, `f1`, and `train_count` when known.

    Args:
        predicted, labels: [n], indices into `codes`.
        train_counts: [C], number of training records of every code.
    Recall without support and precision without predictions are None; F1 is None only when both are missing.
    """
    count = len(codes)
    support, given = np.bincount(labels, minlength=count), np.bincount(predicted, minlength=count)
    right = np.bincount(labels[predicted == labels], minlength=count)
    rows = [
        {
            "code": codes[i],
            "support": int(support[i]),
            "predicted": int(given[i]),
            "recall": ratio(right[i], support[i]),
            "precision": ratio(right[i], given[i]),
            "f1": ratio(2 * right[i], support[i] + given[i]),
        }
        for i in range(count)
    ]
    if train_counts is not None:
        rows = [row | {"train_count": int(n)} for row, n in zip(rows, train_counts, strict=True)]
    return rows


def ratio(part: float, whole: float) -> float | None:
    """part / whole; None when there is no whole."""
    return float(part / whole) if whole else None


def macro_scores(table: Sequence[dict]) -> dict[str, float]:
    """`macro_recall` and `macro_f1`: means over the codes with support, every code counting the same."""
    seen = [row for row in table if row["support"]]
    return {f"macro_{name}": float(np.mean([row[name] for row in seen])) for name in ("recall", "f1")}


def support_bands(
    ranks: np.ndarray, labels: np.ndarray, train_counts: Sequence[int], bands: Sequence[int] = (0, 10, 100), k: int = 5
) -> list[dict]:
    """Accuracy by how many training records a code had, one row per band that has a record.

    Columns: `band` ("10 to 99"), `codes` (of the references), `records`, `accuracy`, `low`, `high` (its 95 % interval),
    `top_<k>_accuracy`, `macro_recall`.

    Args:
        ranks: [n], the place of the right code in the ranking, 0 the best (`metrics.label_ranks`).
        bands: the lower bounds, the first 0, rising; ValueError otherwise.
    """
    bounds = list(bands)
    if not bounds or bounds[0] != 0 or bounds != sorted(set(bounds)):
        raise ValueError(f"bands are lower bounds that begin with 0 and rise, not {bounds}")
    record_band = np.searchsorted(bounds, np.asarray(train_counts)[labels], side="right") - 1
    names = [band_name(low, above - 1) for low, above in pairwise(bounds)] + [f"{bounds[-1]} or more"]
    return [
        {"band": names[b]} | band_row(ranks[record_band == b], labels[record_band == b], k)
        for b in np.unique(record_band)
    ]


def band_name(low: int, high: int) -> str:
    """The band in words, as "10 to 99": spreadsheets turn "0-9" into a date."""
    return f"{low} to {high}" if high > low else str(low)


def band_row(ranks: np.ndarray, labels: np.ndarray, k: int) -> dict:
    """Counts and accuracies of the records of one band."""
    support = np.bincount(labels)
    right = np.bincount(labels[ranks == 0], minlength=len(support))
    seen = support > 0
    accuracy = float(np.mean(ranks == 0))
    low, high = wilson_interval(accuracy, len(labels))
    return {
        "codes": int(seen.sum()),
        "records": len(labels),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        f"top_{k}_accuracy": float(np.mean(ranks < k)),
        "macro_recall": float(np.mean(right[seen] / support[seen])),
    }


def confusions(predicted: np.ndarray, labels: np.ndarray, codes: Sequence[str]) -> list[dict]:
    """Every pair of right and wrongly given code, the most frequent first.

    Columns: `reference`, `predicted`, `records`, `share` (of the records of that reference, 0 to 1).
    """
    support = np.bincount(labels, minlength=len(codes))
    wrong = predicted != labels
    pairs = Counter(zip(labels[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    return [
        {"reference": codes[r], "predicted": codes[p], "records": n, "share": float(n / support[r])}
        for (r, p), n in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
