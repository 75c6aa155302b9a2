"""What is measured of a coder on the test split: three forms of a record, at the leaf codes and at every level."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas

from occ_autocoder.evaluation.classes import class_table, macro_scores
from occ_autocoder.evaluation.levels import level_table, taxonomy_levels
from occ_autocoder.evaluation.metrics import label_ranks
from occ_autocoder.model.text_occupation import FORMS
from occ_autocoder.taxonomy import Taxonomy

Predict = Callable[[Sequence[str], Sequence[str]], np.ndarray]


def test_forms(test: pandas.DataFrame) -> dict[str, pandas.DataFrame]:
    """The rows of each form: those with both fields; each different title and code; each different duties and code."""
    titled, described = test["job_title"] != "", test["job_duties"] != ""
    frames = (
        test[titled & described],
        test[titled].assign(job_duties=""),
        test[described].assign(job_title=""),
    )
    return {form: frame.drop_duplicates().reset_index(drop=True) for form, frame in zip(FORMS, frames, strict=True)}


def measure(
    predict: Predict, test: pandas.DataFrame, taxonomy: Taxonomy, codes: Sequence[str], probabilities: bool
) -> dict[str, dict]:
    """form -> the measures of `predict` (titles, duties -> scores [n, C]) there, with the seconds it took."""
    measured = {}
    for form, rows in test_forms(test).items():
        if len(rows):
            start = time.perf_counter()
            scores = predict(rows["job_title"].tolist(), rows["job_duties"].tolist())
            seconds = time.perf_counter() - start
            labels = rows["code"].map({code: label for label, code in enumerate(codes)}).to_numpy()
            measured[form] = measures(scores, labels, taxonomy_levels(taxonomy, codes)[0], probabilities)
            measured[form] |= {"rows": len(rows), "predict_seconds": seconds}
    return measured


def measures(
    scores: np.ndarray, labels: np.ndarray, ancestors: Mapping[int, Sequence[int]], probabilities: bool
) -> dict:
    """Shares from 0 to 1: `top_1`, `top_5`, `macro_recall`, and `level_<L>`, the accuracy at each level.

    With `probabilities`, the answer at a level is the group with the largest sum of them; scores of another kind do not
    add up, and the answer is the group of the first code.
    """
    if np.isnan(scores).any():
        raise ValueError(f"scores of row {np.isnan(scores).any(axis=1).argmax()} are not numbers")
    ranks, answers = label_ranks(scores, labels), scores.argmax(axis=1)
    sums = scores if probabilities else softmax(scores)
    column = "accuracy" if probabilities else "accuracy_of_top_code"
    return {
        "top_1": float((ranks == 0).mean()),
        "top_5": float((ranks < 5).mean()),
        "macro_recall": macro_scores(class_table(answers, labels, range(scores.shape[1])))["macro_recall"],
        **{f"level_{row['level']}": row[column] for row in level_table(sums, labels, ancestors)},
    }


def softmax(scores: np.ndarray) -> np.ndarray:
    """[n, C], rows that sum to 1 in the order of the scores; at least one score of a row is finite."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
