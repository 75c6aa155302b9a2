"""What a coder makes of a record that is written otherwise: flip rates and limits (CheckList; Ribeiro et al. 2020)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter

import numpy as np

from occ_autocoder.markdown import count, interval, markdown_table, percent

from .interval import wilson_interval
from .metrics import label_ranks
from .variants import (
    GENDERED,
    LONG,
    NEUTRAL,
    SHORT,
    Record,
    Vary,
    denied,
    duties_recased,
    in_number,
    marked,
    mistyped,
    moved,
    of_title,
    punctuated,
    ranked,
    recased,
    reordered,
    repeated,
    replaced,
    spaced,
    with_noise,
    without_duties,
)

# Titles and duties -> probabilities [n, C].
Predict = Callable[[Sequence[str], Sequence[str]], np.ndarray]
EXAMPLES, SHOWN = 50, 2


@dataclass(frozen=True)
class Behaviour:
    """How a record is varied; `flips` and `loss` are the limits of a release: of flips, and of accuracy lost."""

    vary: Vary
    flips: float | None = None
    loss: float | None = None
    expected: str = "no change"


BEHAVIOURS: dict[str, Behaviour] = {
    "case": Behaviour(of_title(recased), flips=0.005),
    "case of the duties": Behaviour(duties_recased, flips=0.005),
    "punctuation": Behaviour(of_title(punctuated), flips=0.005),
    "blanks": Behaviour(of_title(spaced), flips=0.005),
    "gendered title": Behaviour(of_title(replaced(GENDERED)), flips=0.01),
    "neutral title": Behaviour(of_title(replaced(NEUTRAL)), flips=0.01),
    "sex named": Behaviour(of_title(marked), flips=0.01),
    "plural or singular": Behaviour(of_title(in_number)),
    "word order": Behaviour(of_title(reordered)),
    "seniority": Behaviour(of_title(ranked)),
    "abbreviation": Behaviour(of_title(replaced(SHORT, LONG))),
    "employer, place, offer": Behaviour(of_title(with_noise)),
    "one typo": Behaviour(of_title(mistyped(1)), loss=0.06),
    "two typos": Behaviour(of_title(mistyped(2))),
    "negation": Behaviour(of_title(denied)),
    "title in the duties too": Behaviour(repeated),
    "duties in the title's field": Behaviour(moved),
    "without the duties": Behaviour(without_duties, expected="may change"),
}
TWO_JOBS = "two jobs in one"


def behaviour_table(
    predict: Predict,
    job_titles: Sequence[str],
    job_duties: Sequence[str],
    labels: Sequence[int] | None = None,
    *,
    seed: int = 0,
    behaviours: Mapping[str, Behaviour] | None = None,
) -> tuple[list[dict], list[dict]]:
    """A row for each behaviour that applies to any record, and examples of what flipped.

    A row has `behaviour`, `expected` ("no change" or "may change"), `variants` (records that it applies to),
    `flip_rate` (share whose best code changes) with its 95 % interval `low` to `high`, `moved` (mean total variation of
    the probabilities), `accuracy_before` and `accuracy_after` (None without labels), `limit` (of flips or of accuracy
    lost, None without) and `passed`. Of two jobs in one, see `two_jobs`.

    Args:
        labels: the right label of each record, -1 where it is not known.
        seed: of what is random in the variants.
        behaviours: these alone; None: all of `BEHAVIOURS`, and two jobs in one.

    Raises: ValueError for lists of different lengths.
    """
    labels = np.full(len(job_titles), -1) if labels is None else np.asarray(labels)
    if not len(job_titles) == len(job_duties) == len(labels):
        counts = f"{len(job_titles)} titles, {len(job_duties)} duties and {len(labels)} labels"
        raise ValueError(f"{counts}; allowed: as many of each")
    own = predict(job_titles, job_duties)
    rows, examples = [], []
    for name, behaviour in (BEHAVIOURS if behaviours is None else behaviours).items():
        places, records = variants(name, behaviour.vary, job_titles, job_duties, seed)
        if not places:
            continue
        found = predict(*zip(*records, strict=True))
        rows.append(row_of(name, own[places], found, labels[places]) | judged_by(behaviour))
        rows[-1]["passed"] = passed(rows[-1])
        originals = [(job_titles[place], job_duties[place]) for place in places]
        examples += flips(name, originals, records, own[places].argmax(1), found.argmax(1))
    return rows + (two_jobs(predict, job_titles, labels, seed) if behaviours is None else []), examples


def variants(
    name: str, vary: Vary, job_titles: Sequence[str], job_duties: Sequence[str], seed: int
) -> tuple[list[int], list[Record]]:
    """The places of the records that a behaviour applies to, and how they read then."""
    found = {}
    for place, (title, duties) in enumerate(zip(job_titles, job_duties, strict=True)):
        record = vary(title, duties, random.Random(f"{seed}/{name}/{title}/{duties}"))
        if record is not None:
            found[place] = record
    return list(found), list(found.values())


def row_of(name: str, before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> dict:
    """What is measured of one behaviour, from probabilities [n, C] of the records and of their variants."""
    flipped = before.argmax(1) != after.argmax(1)
    low, high = wilson_interval(float(flipped.mean()), len(flipped))
    known = labels >= 0
    shares = [
        float((found.argmax(1)[known] == labels[known]).mean()) if known.any() else None for found in (before, after)
    ]
    return {
        "behaviour": name,
        "variants": len(flipped),
        "flip_rate": float(flipped.mean()),
        "low": low,
        "high": high,
        "moved": float(np.abs(before - after).sum(1).mean() / 2),
        "accuracy_before": shares[0],
        "accuracy_after": shares[1],
    }


def judged_by(behaviour: Behaviour) -> dict:
    """What is expected of a behaviour, its limit, and what that is of."""
    if behaviour.flips is not None:
        return {"expected": behaviour.expected, "limit": behaviour.flips, "limit_of": "flips"}
    limit_of = None if behaviour.loss is None else "accuracy lost"
    return {"expected": behaviour.expected, "limit": behaviour.loss, "limit_of": limit_of}


def measured(row: Mapping) -> float | None:
    """What the limit of a row is of; None where it has none, or where the accuracy is not known."""
    if row["limit_of"] == "flips":
        return row["flip_rate"]
    if row["limit_of"] is None or row["accuracy_before"] is None:
        return None
    return row["accuracy_before"] - row["accuracy_after"]


def passed(row: Mapping) -> bool | None:
    """Whether the row is within its limit; None where there is nothing to hold to it."""
    value = measured(row)
    return None if value is None else value <= row["limit"]


def flips(name: str, records: Sequence[Record], varied: Sequence[Record], before, after) -> list[dict]:
    """The first records of a behaviour whose best label changes, before and after."""
    names = ("behaviour", "job_title", "job_duties", "variant_title", "variant_duties", "before", "after")
    return [
        dict(zip(names, (name, *records[place], *varied[place], int(before[place]), int(after[place])), strict=True))
        for place in np.flatnonzero(before != after)[:EXAMPLES]
    ]


def two_jobs(predict: Predict, job_titles: Sequence[str], labels: np.ndarray, seed: int) -> list[dict]:
    """The row of titles joined by "and", of two with different best codes; none where there are no such two.

    A flip is a best code that is neither title's own, `both_in_five` the share with both of these among the first five.
    `accuracy_after` is the share with one of the two right codes first, and `accuracy_before` that where one of the two
    titles alone has its right code.
    """
    first = {title: place for place, title in reversed(list(enumerate(job_titles))) if title}
    titles = sorted(first, key=lambda title: (random.Random(f"{seed}/{TWO_JOBS}/{title}").random(), title))
    if len(titles) < 2:
        return []
    best = predict(titles, [""] * len(titles)).argmax(1)
    own, right = (np.stack([each, np.roll(each, -1)], 1) for each in (best, labels[[first[title] for title in titles]]))
    joined = [f"{one} and {other}" for one, other in zip(titles, titles[1:] + titles[:1], strict=True)]
    pairs = np.flatnonzero(own[:, 0] != own[:, 1])
    if not len(pairs):
        return []
    own, right = own[pairs], right[pairs]
    found = predict([joined[pair] for pair in pairs], [""] * len(pairs))
    answers, known = found.argmax(1)[:, None], (right >= 0).all(1)
    neither = (answers != own).all(1)
    both = (np.stack([label_ranks(found, own[:, side]) for side in (0, 1)], axis=1) < 5).all(1)
    low, high = wilson_interval(float(neither.mean()), len(neither))
    row = {"behaviour": TWO_JOBS, "variants": len(pairs), "flip_rate": float(neither.mean()), "low": low, "high": high}
    shares = [float((each == right).any(1)[known].mean()) if known.any() else None for each in (own, answers)]
    row |= {"moved": None, "accuracy_before": shares[0], "accuracy_after": shares[1], "expected": "one of the two"}
    return [row | {"limit": None, "limit_of": None, "passed": None, "both_in_five": float(both.mean())}]


def behaviour_section(rows: Sequence[Mapping], examples: Sequence[Mapping] = ()) -> str:
    """The Markdown section of a report, with the first examples of each behaviour."""
    cells = [
        [
            row["behaviour"],
            row["expected"],
            count(row["variants"]),
            f"{percent(row['flip_rate'])} ({interval(row['low'], row['high'])})",
            percent(row["moved"]),
            percent(row["accuracy_before"]),
            percent(row["accuracy_after"]),
            "" if row["limit"] is None else f"{percent(row['limit'])} {row['limit_of']}",
            {None: "", True: "yes", False: "no"}[row["passed"]],
        ]
        for row in rows
    ]
    columns = ["Written otherwise", "Expected", "Records", "Another code (95 %)", "Confidence moved", "Right before"]
    paragraphs = [
        "## Behaviour",
        "The same records, written otherwise: how many get another code.",
        markdown_table([*columns, "Right after", "Limit", "Passed"], cells),
        *(
            f"Of two jobs in one title, another code is neither's; both are among the first five in "
            f"{percent(row['both_in_five'])}."
            for row in rows
            if "both_in_five" in row
        ),
    ]
    if examples:
        paragraphs += ["### Records that got another code", example_table(examples)]
    return "\n\n".join(paragraphs)


def example_table(examples: Sequence[Mapping]) -> str:
    """The first examples of each behaviour, as Markdown."""
    groups = groupby(examples, key=itemgetter("behaviour"))
    names = ("behaviour", "job_title", "variant_title", "before", "after")
    cells = [[row[name] for name in names] for _, found in groups for row in islice(found, SHOWN)]
    return markdown_table(["Written otherwise", "Title", "As varied", "Code", "Code then"], cells)
