"""Simulated reviewers: they know the right code of every record, and err in a share of them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas

from occ_autocoder.feedback.queue import Queue
from occ_autocoder.feedback.reviews import Review, Shown

REVIEWERS = 5
FLIPS = 0.1  # of all answers, and all by one reviewer
MISTAKES = 0.1
TWICE = 0.1  # of the records, seen by a second reviewer


def codes_of(pipeline, labels: np.ndarray) -> list[str]:
    """The codes of labels."""
    return [pipeline.model.config.id2label[label] for label in labels.tolist()]


def reviewed(
    pipeline, rows: pandas.DataFrame, queue: Queue, seed: int, mistakes: Mapping[int, float] | None = None
) -> list[Review]:
    """What the reviewers, in turn, say of rows, a few of them twice.

    Args:
        rows: with job_title, job_duties and the right code, in the order of the queue.
        mistakes: the shares of those who err otherwise than the rest.
    """
    shares = [{**dict.fromkeys(range(REVIEWERS), MISTAKES), **(mistakes or {})}[who] for who in range(REVIEWERS)]
    generator = np.random.default_rng((seed, len(rows)))
    reviews = []
    for number, (row, labels, scores) in enumerate(zip(rows.itertuples(), queue.labels, queue.confidence)):
        seen = [number, number + 1] if generator.random() < TWICE else [number]
        whose = [place % REVIEWERS for place in seen]
        reviews += [simulated(pipeline, row, labels, scores, who, shares[who], generator) for who in whose]
    return reviews


def simulated(pipeline, row, labels, scores, who: int, mistakes: float, generator) -> Review:
    """One reviewer's word on one row: the right code, or by mistake another of those that are shown."""
    codes, said = codes_of(pipeline, labels), row.code
    if generator.random() < mistakes:
        said = str(generator.choice([code for code in codes if code != row.code]))
    shown = tuple(Shown(code, min(1.0, float(score))) for code, score in zip(codes, scores))
    action = "accept" if said == codes[0] else "correct"
    about = (f"pool-{row.Index}", row.job_title, row.job_duties, "base", shown, action, said, f"reviewer {who}")
    return Review(*about, "2026-01-01T00:00:00+00:00", 10.0)


def only_judged(review: Review) -> Review:
    """The same review of a person who accepts or rejects and gives no code."""
    return review if review.action == "accept" else replace(review, action="reject", code="")
