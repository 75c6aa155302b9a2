"""Near-duplicate ads -> one ad: a vacancy that is posted ten times is no sign of ten."""

from collections.abc import Sequence

from datasets import Dataset, Features, Value
from datasets import List as ListOf

from occ_autocoder.data.diversity import SHINGLE, word_runs
from occ_autocoder.data.records import record_texts
from occ_autocoder.data.splits import near_duplicate_groups

from .candidates import CANDIDATE_FEATURES

JACCARD = 0.7
SHORTEST = 4 * SHINGLE  # words; of two shorter texts, as two titles, one odd word decides
AD_FEATURES = Features(
    {
        **{name: Value("string") for name in ("id", "job_title", "job_duties")},
        "copies": Value("int64"),
        "rows": ListOf(Value("int64")),
        **{name: ListOf(Value("string")) for name in ("ids", "dates", "employers", "places")},
    }
)


def merge_duplicates(candidates: Dataset, threshold: float = JACCARD, seed: int = 0) -> Dataset:
    """The candidates with near-duplicates as one row of `AD_FEATURES`, in the order of the first of each.

    An ad is the earliest of its copies, then come the others: `rows` are their places among the candidates and `ids`
    their ids, itself included; `copies` is how many they are; `dates`, `employers` and `places` are the different ones.

    Args:
        candidates: with the columns of `candidates.CANDIDATE_FEATURES`.
        threshold: Jaccard similarity of the three-word runs of title and duties from which on ads are near-duplicates
            (MinHash, see `data.splits.near_duplicate_groups`). Texts of fewer than 12 words have to be the same. Most
            of the words of the shorter title have to stand in the other: two jobs may share an employer's template.
    """
    texts = [text.casefold() for text in record_texts(candidates["job_title"], candidates["job_duties"])]
    columns = {name: list(candidates[name]) for name in CANDIDATE_FEATURES}
    copies: dict[int, list[int]] = {}
    for row, group in enumerate(duplicate_groups(texts, threshold, seed)):
        copies.setdefault(group, []).append(row)
    # "" sorts before every date, and an ad without one must not stand for those that have one.
    ordered = [sorted(rows, key=lambda row: (columns["date"][row] or "~", row)) for rows in copies.values()]
    ads = sorted((ad for rows in ordered for ad in by_title(rows, columns["job_title"])), key=min)
    return Dataset.from_list([merged(rows, columns) for rows in ads], features=AD_FEATURES)


def duplicate_groups(texts: Sequence[str], threshold: float, seed: int) -> list[int]:
    """Each text's group, as the place of one of its texts."""
    groups = list(range(len(texts)))
    long = [place for place, text in enumerate(texts) if len(word_runs(text, 1)) >= SHORTEST]
    for place, group in zip(long, near_duplicate_groups([texts[place] for place in long], threshold, seed)):
        groups[place] = long[group]
    first: dict[str, int] = {}
    return [first.setdefault(text, group) if text else group for text, group in zip(texts, groups, strict=True)]


def by_title(rows: Sequence[int], titles: Sequence[str]) -> list[list[int]]:
    """The rows of near-duplicates apart by title: each goes to the first whose title is like its own."""
    ads: list[list[int]] = []
    for row in rows:
        ad = next((ad for ad in ads if like_titles(titles[row], titles[ad[0]])), None)
        if ad is None:
            ads.append([row])
        else:
            ad.append(row)
    return ads


def like_titles(title: str, other: str) -> bool:
    """Whether most of the words of the shorter title stand in the other; no title is like any."""
    words, others = (set(word_runs(text, 1)) for text in (title, other))
    fewest = min(len(words), len(others))
    return not fewest or 2 * len(words & others) > fewest


def merged(rows: Sequence[int], columns: dict[str, list[str]]) -> dict:
    """The rows of one ad as a row of `AD_FEATURES`."""
    parts = {"dates": "date", "employers": "employer", "places": "place"}
    return {
        **{name: columns[name][rows[0]] for name in ("id", "job_title", "job_duties")},
        "copies": len(rows),
        "rows": list(rows),
        "ids": [columns["id"][row] for row in rows],
        **{many: list(dict.fromkeys(filter(None, (columns[one][row] for row in rows)))) for many, one in parts.items()},
    }
