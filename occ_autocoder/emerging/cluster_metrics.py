"""Whether hidden occupations come back as clusters: V-measure, purity, codes with a cluster of their own, F1."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import homogeneity_completeness_v_measure

HALF = 0.5


def cluster_metrics(clusters: Sequence[str], codes: Sequence[str]) -> dict[str, float | int]:
    """How well clusters agree with the codes that were hidden from the coder.

    - `homogeneity`, `completeness`, `v_measure` (Rosenberg and Hirschberg 2007) over the records with a hidden code;
      those in no cluster count as one more cluster;
    - `purity`: of the records in clusters, the share that has its cluster's most frequent hidden code;
    - `dominated`: share of hidden codes with one dominant cluster, which has more than half of the code's records and
      of whose records more than half have the code;
    - `f1`: F1 of cluster-to-code formation. Each code is matched with one cluster at most, so that the sum of F1 of
      the pairs is the largest (Kuhn 1955); the mean over all hidden codes, 0 for one without a cluster. `weighted_f1`
      weighs codes by their records;
    - `clustered`: share of the records with a hidden code that are in a cluster; and `records`, `codes`, `clusters`.

    Args:
        clusters: each record's cluster, "" for none.
        codes: each record's hidden code, "" for a record that has none: a false alarm, which is never right.
    Raises:
        ValueError: the two are not of one length, or no record has a hidden code.
    """
    if len(clusters) != len(codes):
        raise ValueError(f"{len(clusters)} clusters and {len(codes)} codes; allowed: one of each for every record")
    hidden = [row for row, code in enumerate(codes) if code]
    if not hidden:
        raise ValueError("no record has a hidden code; allowed: one or more")
    own, found = [codes[row] for row in hidden], [clusters[row] for row in hidden]
    agreement = homogeneity_completeness_v_measure(own, found)
    counts, code_sizes, cluster_sizes = contingency(clusters, codes)
    pairs = pair_f1(counts, code_sizes, cluster_sizes)
    matched = match(pairs)
    return {
        **dict(zip(("homogeneity", "completeness", "v_measure"), map(float, agreement))),
        "purity": float(counts.max(axis=0, initial=0).sum() / max(1, cluster_sizes.sum())),
        "dominated": float(dominated(counts, code_sizes, cluster_sizes).mean()),
        "f1": float(matched.mean()),
        "weighted_f1": float(np.average(matched, weights=code_sizes)),
        "clustered": sum(map(bool, found)) / len(found),
        "records": len(codes),
        "codes": len(code_sizes),
        "clusters": len(cluster_sizes),
    }


def contingency(clusters: Sequence[str], codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records by hidden code and cluster [C, k], by code [C], and by cluster [k], false alarms among them."""
    rows = {code: place for place, code in enumerate(sorted({code for code in codes if code}))}
    columns = {name: place for place, name in enumerate(sorted({name for name in clusters if name}))}
    counts, sizes = np.zeros((len(rows), len(columns)), dtype=int), np.zeros(len(columns), dtype=int)
    of_code = np.zeros(len(rows), dtype=int)
    for name, code in zip(clusters, codes, strict=True):
        if name:
            sizes[columns[name]] += 1
        if code:
            of_code[rows[code]] += 1
        if name and code:
            counts[rows[code], columns[name]] += 1
    return counts, of_code, sizes


def pair_f1(counts: np.ndarray, code_sizes: np.ndarray, cluster_sizes: np.ndarray) -> np.ndarray:
    """F1 [C, k] of every cluster taken for every code."""
    return 2 * counts / (code_sizes[:, None] + cluster_sizes[None])


def match(scores: np.ndarray) -> np.ndarray:
    """The score of each row [C] with the column it is matched with, 0 without one."""
    rows, columns = linear_sum_assignment(scores, maximize=True)
    found = np.zeros(len(scores))
    found[rows] = scores[rows, columns]
    return found


def dominated(counts: np.ndarray, code_sizes: np.ndarray, cluster_sizes: np.ndarray) -> np.ndarray:
    """Whether each code [C] has a cluster with most of its records, most of whose records are of the code."""
    return ((counts > HALF * code_sizes[:, None]) & (counts > HALF * cluster_sizes[None])).any(axis=1)
