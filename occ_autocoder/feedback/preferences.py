"""Reviews -> what follows from them: the code of each record, pairs and labels to tune on, and how reviewers agree."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from datasets import Dataset, Features, Value
from scipy.stats import fisher_exact, ttest_ind_from_stats

from occ_autocoder.data.retrieval import Candidate
from occ_autocoder.data.selection import NONE, selection_request
from occ_autocoder.data.tuning import accepted, generator_of, selection_answer
from occ_autocoder.llm.request import Request
from occ_autocoder.taxonomy import Taxonomy

from .reviews import GIVE_CODE, Review

PAIR_FEATURES = Features({name: Value("string") for name in ("prompt", "chosen", "rejected", "source_id")})
LABEL_FEATURES = Features(
    {"prompt": Value("string"), "completion": Value("string"), "label": Value("bool"), "source_id": Value("string")}
)
SURE, SIGNIFICANCE, LEAST = 0.9, 0.01, 20
FACTOR, AGREEMENT_FACTOR = 1.5, 1.25


@dataclass(frozen=True)
class Judgement:
    """What the reviews of a record come to: its right `code`, "" where that is not known, and the code that was `shown`
    first ("" for none), with whether it was `accepted`.
    """

    id: str
    job_title: str
    job_duties: str
    code: str
    shown: str
    accepted: bool


def latest(reviews: Iterable[Review]) -> list[Review]:
    """Each reviewer's last word on each record, in the order of the file."""
    return list({(review.id, review.reviewer): review for review in reviews}.values())


def judgements(reviews: Iterable[Review], without: Collection[str] = ()) -> tuple[list[Judgement], list[str]]:
    """What the reviews of each record come to, `without` those of some reviewers; ids of those that say nothing.

    A code that was given has a vote, the first code shown loses one where it was rejected. A record that no code names
    is one whose first code was rejected.
    """
    by_id: dict[str, list[Review]] = {}
    for review in latest(reviews):
        if review.reviewer not in without:
            by_id.setdefault(review.id, []).append(review)
    found = {id: judged(own) for id, own in by_id.items()}
    return [item for item in found.values() if item], [id for id, item in found.items() if item is None]


def judged(reviews: Sequence[Review]) -> Judgement | None:
    """What a record's reviews come to; None without a majority, or where nothing was said of any code."""
    last, votes = reviews[-1], Counter()
    for review in reviews:
        if review.action in GIVE_CODE:
            votes[review.code] += 1
        elif review.first:
            votes[review.first] -= 1
    (best, most), (_, second) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    if most == 0 or most == second > 0:
        return None
    code, shown = (best, last.first) if most > 0 else ("", last.first or best)
    return Judgement(last.id, last.job_title, last.job_duties, code, shown, bool(code) and code == shown)


def preference_pairs(reviews: Iterable[Review], taxonomy: Taxonomy, seed: int = 0) -> Dataset:
    """Questions which of the codes shown is right, with the preferred answer and another (`PAIR_FEATURES`).

    A correction is preferred to the first code shown, an accepted code to the second, "none" to the first where the
    work has no code. The right code takes the last place where it was not shown. The question is that of cleaning; the
    order of the candidates is drawn by `seed`. A rejection says nothing of what is preferred.
    Raises: UnknownCodeError for a code that the taxonomy lacks.
    """
    rows = []
    for review in latest(reviews):
        if pair := preferred(review):
            request, candidates = question(review, taxonomy, seed)
            answers = [answer(code, candidates, request, taxonomy) for code in pair]
            rows.append(dict(zip(PAIR_FEATURES, (request.prompt, *answers, review.id), strict=True)))
    return ordered(rows, PAIR_FEATURES, seed)


def accept_labels(reviews: Iterable[Review], taxonomy: Taxonomy, seed: int = 0) -> Dataset:
    """The same questions with one answer each and whether it was accepted, as KTO takes them (`LABEL_FEATURES`).

    The first code shown, by what was said of it, and each code that was given in its place, as accepted.
    """
    rows = []
    for review in latest(reviews):
        told = {review.first: review.action == "accept"} if review.shown else {}
        if told and review.code:
            told[review.code] = True
        for code, label in told.items():
            request, candidates = question(review, taxonomy, seed)
            text = answer(code, candidates, request, taxonomy)
            rows.append(dict(zip(LABEL_FEATURES, (request.prompt, text, label, review.id), strict=True)))
    return ordered(rows, LABEL_FEATURES, seed)


def preferred(review: Review) -> tuple[str, str] | None:
    """The code that is preferred and the other one, `NONE` for no code; None where a review does not tell."""
    codes = [item.code for item in review.shown]
    if review.action == "accept" and len(codes) > 1:
        return codes[0], codes[1]
    if review.action in ("correct", "merge") and codes and review.code != codes[0]:
        return review.code, codes[0]
    if review.action == "new_occupation" and codes:
        return NONE, codes[0]
    return None


def question(review: Review, taxonomy: Taxonomy, seed: int) -> tuple[Request, list[str]]:
    """The question that a language model is asked about the record, and its candidates in their order."""
    codes = [item.code for item in review.shown]
    if review.code and review.code not in codes:
        codes = [*codes[: max(1, len(codes) - 1)], review.code]
    codes = [codes[place] for place in generator_of(review.id, seed).permutation(len(codes))]
    record = {"id": review.id, "job_title": review.job_title, "job_duties": review.job_duties}
    return selection_request(record, [Candidate(code, 0.0) for code in codes], taxonomy), codes


def answer(code: str, candidates: Sequence[str], request: Request, taxonomy: Taxonomy) -> str:
    """The answer that chooses a code, or `NONE`, as the question wants it."""
    if code == NONE:
        reason = "No candidate is right for this work."
        return accepted({"relevance": [0.0] * len(candidates), "code": NONE, "reason": reason}, request)
    return accepted(selection_answer(code, candidates, taxonomy), request)


def ordered(rows: Iterable[dict], features: Features, seed: int) -> Dataset:
    """The rows, each once, in an order drawn by `seed` that does not depend on the order in which they come."""
    texts = sorted({json.dumps(row) for row in rows}, key=lambda text: sha256(f"{seed}{text}".encode()).digest())
    found = [json.loads(text) for text in texts]
    return Dataset.from_dict({name: [row[name] for row in found] for name in features}, features)


def reviewer_table(reviews: Iterable[Review], sure: float = SURE) -> list[dict]:
    """A row for each reviewer, in their order: how often they disagree, and whether far more than the rest.

    `reviews`; `agreement`, how probable the codes that they gave are by the model, over how probable right ones are
    (about 1 for a person without mistakes); `compared` (pairs of a review and another person's of the same record) and
    `disagreed` (share with another answer); `sure` (reviews of records of whose first code the model was at least
    `sure`) and `overturned` (share not accepted).

    `flagged` says which of the three stands out, "" for none: it is that much worse than the others', agreement 1.25
    times and the shares 1.5 times, and significantly so, at 0.01 over all tests (Welch's for the agreement, Fisher's
    exact one for the shares). Plausible mistakes show where records are coded twice, hardly beside a weak model. A
    person who is flagged may be the one who is right: someone has to look.
    """
    reviews = latest(reviews)
    names = list(dict.fromkeys(review.reviewer for review in reviews))
    counts = {name: {"sure": [0, 0], "compared": [0, 0]} for name in names}
    likely = {name: [likelihood(review) for review in reviews if is_likely(review, name)] for name in names}
    for review in reviews:
        if review.shown and review.shown[0].confidence >= sure:
            tally(counts[review.reviewer]["sure"], review.action != "accept")
    for review, other in pairs_of(reviews):
        tally(counts[review.reviewer]["compared"], said(review) != said(other))
    sizes = Counter(review.reviewer for review in reviews)
    return [reviewer_row(name, sizes[name], counts, likely) for name in names]


def is_likely(review: Review, name: str) -> bool:
    """Whether it is one of the person's that says how probable the code is that they gave."""
    return review.reviewer == name and bool(review.shown and review.code)


def likelihood(review: Review) -> tuple[float, float]:
    """How probable the code is that was given, 0 where it was not shown, and how probable a right one is on average."""
    shown = {item.code: item.confidence for item in review.shown}
    return shown.get(review.code, 0.0), sum(confidence**2 for confidence in shown.values())


def tally(pair: list[int], hit: bool) -> None:
    """Count one more, and one more hit where it is one."""
    pair[0] += 1
    pair[1] += hit


def pairs_of(reviews: Iterable[Review]) -> Iterator[tuple[Review, Review]]:
    """Every review with every other person's of the same record."""
    by_id: dict[str, list[Review]] = {}
    for review in reviews:
        by_id.setdefault(review.id, []).append(review)
    return ((one, other) for own in by_id.values() for one in own for other in own if one is not other)


def said(review: Review) -> str:
    """What a review says of a record: a code, or what was done without one."""
    return review.code or review.action


def reviewer_row(name: str, size: int, counts: dict[str, dict[str, list[int]]], likely: dict[str, list]) -> dict:
    """One row of `reviewer_table`."""
    level, own = SIGNIFICANCE / (3 * len(counts)), counts[name]
    others = [pair for who, found in likely.items() if who != name for pair in found]
    row = {"reviewer": name, "reviews": size, "agreement": agreement(likely[name])}
    flags = ["agreement"] if is_unlikely(likely[name], others, level) else []
    for kind, hits in (("compared", "disagreed"), ("sure", "overturned")):
        rest = [sum(found[kind][place] for who, found in counts.items() if who != name) for place in (0, 1)]
        row |= {kind: own[kind][0], hits: share(own[kind])}
        if is_outlier(own[kind], rest, level):
            flags.append(hits)
    return row | {"flagged": ", ".join(flags)}


def agreement(likely: Sequence[tuple[float, float]]) -> float | None:
    """How probable what was said is, over how probable right codes are; None of nothing."""
    said, expected = map(sum, zip(*likely)) if likely else (0.0, 0.0)
    return said / expected if expected else None


def is_unlikely(own: Sequence[tuple[float, float]], rest: Sequence[tuple[float, float]], level: float) -> bool:
    """Whether the codes said are far less probable, and significantly so, than those of the rest."""
    if min(len(own), len(rest)) < LEAST or agreement(own) is None or agreement(rest) is None:
        return False
    if AGREEMENT_FACTOR * agreement(own) >= agreement(rest):
        return False
    gaps = [np.subtract(*np.transpose(likely)) for likely in (own, rest)]
    figures = [figure for gap in gaps for figure in (gap.mean(), gap.std(ddof=1), len(gap))]
    return bool(ttest_ind_from_stats(*figures, equal_var=False, alternative="less").pvalue < level)


def share(pair: Sequence[int]) -> float | None:
    """Hits by number, None of none."""
    return pair[1] / pair[0] if pair[0] else None


def is_outlier(own: Sequence[int], rest: Sequence[int], level: float) -> bool:
    """Whether a share is far above, and significantly more than, that of the rest; (number, hits) of each."""
    if not own[0] or not rest[0] or share(own) < FACTOR * share(rest):
        return False
    table = [[pair[1], pair[0] - pair[1]] for pair in (own, rest)]
    return bool(fisher_exact(table, alternative="greater").pvalue < level)


def flagged(rows: Iterable[dict]) -> list[str]:
    """The reviewers of a table that are flagged."""
    return [row["reviewer"] for row in rows if row["flagged"]]
