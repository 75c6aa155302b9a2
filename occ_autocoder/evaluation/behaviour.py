"""What a coder makes of a record that is written otherwise: flip rates and limits (CheckList; Ribeiro et al. 2020)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occ_autocoder.markdown import count, interval, markdown_table, percent

from .interval import wilson_interval
from .metrics import label_ranks
from .variants import (
    GENDERED,
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
EXAMPLES = 50


@dataclass(frozen=True)
class Behaviour:
    """How a record is varied; `flips` and `loss` are the limits of a release: of flips, and of accuracy lost."""

    vary: Vary
    flips: float | None = None
    loss: float | None = None


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
    "abbreviation": Behaviour(of_title(replaced(SHORT))),
    "employer, place, offer": Behaviour(of_title(with_noise)),
    "one typo": Behaviour(of_title(mistyped(1)), loss=0.06),
    "two typos": Behaviour(of_title(mistyped(2))),
    "negation": Behaviour(of_title(denied)),
    "title in the duties too": Behaviour(repeated),
    "duties in the title's field": Behaviour(moved),
    "without the duties": Behaviour(without_duties),
}
TWO_JOBS = "two jobs in one"


def behaviour_table(
    predict: Predict,
    job_titles: Sequence[str],
    job_duties: Sequence[str],
    labels: Sequence[int] | None = None,
    *,
    seed: int = 0,
    behaviours: Mapping[str, Behaviour] = BEHAVIOURS,
) -> tuple[list[dict], list[dict]]:
    """A row for each behaviour that applies to any record, and examples of what flipped.

    A row has `behaviour`, `variants` (records that it applies to), `flip_rate` (share whose best code changes) with its
    95 % interval `low` to `high`, `moved` (mean total variation of the probabilities), `accuracy_before` and
    `accuracy_after` (None without labels), `limit` (of flips or of accuracy lost, None without), and `passed`. Of two
    jobs in one, a flip is a best code that is neither job's, and `both_in_five` the share with both in the first five.

    Args:
        labels: the right label of each record, -1 where it is not known.
        seed: of what is random in the variants.
    """
    own = predict(job_titles, job_duties)
    labels = np.full(len(own), -1) if labels is None else np.asarray(labels)
    rows, examples = [], []
    for name, behaviour in behaviours.items():
        places, records = variants(name, behaviour.vary, job_titles, job_duties, seed)
        if not places:
            continue
        found = predict(*zip(*records, strict=True))
        rows.append(row_of(name, own[places], found, labels[places]) | verdict(behaviour))
        rows[-1]["passed"] = passed(rows[-1])
        originals = [(job_titles[place], job_duties[place]) for place in places]
        examples += flips(name, originals, records, own[places].argmax(1), found.argmax(1))
    if (titled := [place for place, title in enumerate(job_titles) if title]) and len(titled) > 1:
        rows += two_jobs(predict, own, job_titles, titled, seed)
    return rows, examples


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
    low, high = wilson_interval(flipped.mean(), len(flipped))
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


def verdict(behaviour: Behaviour) -> dict:
    """The limit of a behaviour, and what it is of."""
    if behaviour.flips is not None:
        return {"limit": behaviour.flips, "limit_of": "flips"}
    return {"limit": behaviour.loss, "limit_of": "accuracy lost" if behaviour.loss is not None else None}


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
    changed = np.flatnonzero(before != after)[:EXAMPLES]
    return [
        {
            "behaviour": name,
            "job_title": records[place][0],
            "job_duties": records[place][1],
            "variant_title": varied[place][0],
            "variant_duties": varied[place][1],
            "before": int(before[place]),
            "after": int(after[place]),
        }
        for place in changed
    ]


def two_jobs(
    predict: Predict, own: np.ndarray, job_titles: Sequence[str], titled: Sequence[int], seed: int
) -> list[dict]:
    """The row of titles joined by "and", of two records with different best codes; none where there are no such two."""
    others = random.Random(f"{seed}/{TWO_JOBS}").sample(titled, len(titled))
    alone = predict([job_titles[place] for place in titled], [""] * len(titled)).argmax(1)
    best = dict(zip(titled, alone.tolist(), strict=True))
    pairs = [(one, other) for one, other in zip(titled, others, strict=True) if best[one] != best[other]]
    if not pairs:
        return []
    found = predict([f"{job_titles[one]} and {job_titles[other]}" for one, other in pairs], [""] * len(pairs))
    wanted = np.array([(best[one], best[other]) for one, other in pairs])
    neither = (found.argmax(1)[:, None] != wanted).all(1)
    both = (np.stack([label_ranks(found, wanted[:, side]) for side in (0, 1)], axis=1) < 5).all(1)
    low, high = wilson_interval(neither.mean(), len(neither))
    row = {"behaviour": TWO_JOBS, "variants": len(pairs), "flip_rate": float(neither.mean()), "low": low, "high": high}
    row |= {"moved": None, "accuracy_before": None, "accuracy_after": None, "limit": None, "limit_of": None}
    return [row | {"passed": None, "both_in_five": float(both.mean())}]


def behaviour_section(rows: Sequence[Mapping]) -> str:
    """The Markdown section of a report."""
    cells = [
        [
            row["behaviour"],
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
    columns = ["Written otherwise", "Records", "Another code (95 %)", "Confidence moved", "Right before", "Right after"]
    both = [row for row in rows if "both_in_five" in row]
    paragraphs = [
        "## Behaviour",
        "The same records, written otherwise: how many get another code.",
        markdown_table([*columns, "Limit", "Passed"], cells),
    ]
    if both:
        share = percent(both[0]["both_in_five"])
        paragraphs.append(
            f"Of two jobs in one title, another code is neither's; both are among the first five in {share}."
        )
    return "\n\n".join(paragraphs)
