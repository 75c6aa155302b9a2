"""Filters: what must not train is set aside with its reason, and nothing else is."""

import numpy as np
import pytest
from datasets import Dataset
from tiny import tiny_taxonomy

from occ_autocoder.data.leakage import duplicates, filter_records, near_texts, protected_meanings
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.data.retrieval import Retriever

DUTIES = "drives a long red bus through the old town and sells the tickets to the passengers at every stop"
OTHER = "peels potatoes, stirs the soup, watches the oven and keeps the kitchen of the hotel clean"


def records(*rows: tuple[str, str, str], prefix: str = "r") -> Dataset:
    """Records of (title, duties, code), with the ids r0, r1, ..."""
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    found = dict(zip(("job_title", "job_duties", "code"), map(list, columns), strict=True))
    ids = [f"{prefix}{place}" for place in range(len(rows))]
    return Dataset.from_dict(found | {"id": ids, "source": [""] * len(rows)}).cast(RECORD_FEATURES)


def reasons(aside: Dataset) -> dict[str, str]:
    return dict(zip(aside["id"], aside["reason"], strict=True))


def letters(texts):
    """Unit vectors of how often each letter stands in a text: an encoder that sees spelling alone."""
    counts = np.array([[text.casefold().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_good_records_pass_as_they_are():
    given = records(("relief driver", DUTIES, "8331"), ("kitchen hand", OTHER, "5120"))
    kept, aside = filter_records(given, tiny_taxonomy(), known=records(), protected=records(), encode=letters)
    assert kept.to_dict() == given.to_dict()
    assert len(aside) == 0 and aside.column_names == [*RECORD_FEATURES, "reason", "evidence"]


@pytest.mark.parametrize(
    ("row", "reason", "evidence"),
    [
        ((" ", DUTIES, "8331"), "no job_title", ""),
        (("driver", "", "8331"), "no job_duties", ""),
        (("BUS  drivers", DUTIES, "8331"), "official title", "8331"),
        (("cooks", DUTIES, "8331"), "official title", "5120"),
        (("driver", f"{DUTIES} (8331)", "8331"), "code in the text", "8331"),
        (("driver 5120", DUTIES, "8331"), "code in the text", "5120"),
        (("driver", f"{DUTIES}, call jane.doe@example.com", "8331"), "personal data", ""),
    ],
)
def test_what_a_record_must_not_say_sets_it_aside(row, reason, evidence):
    fields = ("job_title", "job_duties")
    kept, aside = filter_records(records(row, ("kitchen hand", OTHER, "5120")), tiny_taxonomy(), fields=fields)
    assert kept["id"] == ["r1"] and reasons(aside) == {"r0": reason}
    assert evidence in aside[0]["evidence"] and "jane" not in aside[0]["evidence"]


def test_a_number_that_is_no_code_is_a_number():
    given = records(("driver", f"{DUTIES}, 83 days a year, 83310 stops, route 8-3312", "8331"))
    assert len(filter_records(given, tiny_taxonomy())[0]) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("Night  Driver", OTHER, "8331"), "title of a protected record"),
        (("motorman", DUTIES.upper(), "8331"), "duties of a protected record"),
        (("motorman", f"{DUTIES} twice", "8331"), "near-duplicate of a protected record"),
        (("drivers night", OTHER, "8331"), "cosine to a protected record"),
    ],
)
def test_texts_of_the_protected_set_do_not_pass(row, reason):
    protected = records(("night driver", DUTIES, "8331"), ("", "", "5120"), prefix="test-")
    kept, aside = filter_records(records(row), tiny_taxonomy(), protected=protected, encode=letters)
    assert len(kept) == 0 and reasons(aside) == {"r0": reason}
    assert "test-0" in aside[0]["evidence"] or reason.startswith("cosine")


def test_the_cosine_is_of_titles_and_of_whole_texts_and_none_without_an_encoder():
    protected = records(("", DUTIES, "8331"), prefix="test-")
    given = records(("bus", DUTIES, "8331"), ("zzz", "kkk jjj qqq", "8331"), ("", "", "8331"))
    found = protected_meanings(given, protected, letters)
    assert [fault is not None for fault in found] == [True, False, False]
    assert protected_meanings(given, protected, None) == [None] * 3


def test_within_a_code_the_first_of_like_texts_passes_and_across_codes_none_does():
    given = records(
        ("driver", DUTIES, "8331"),
        ("driver", f"{DUTIES} daily", "8331"),
        ("cook", OTHER, "5120"),
        ("cook", OTHER, "2341"),
        ("waiter of trains", "serves tea and cake in the dining car and counts the money", "5120"),
    )
    kept, aside = filter_records(given, tiny_taxonomy())
    assert kept["id"] == ["r0", "r4"]
    across = "text of another code"
    assert reasons(aside) == {"r1": "near-duplicate within the code", "r2": across, "r3": across}
    assert aside["evidence"] == ["r0", "r3", "r2"]


def test_a_copy_of_a_record_that_is_set_aside_anyway_is_not_the_worse_for_it():
    given = records(("driver", f"{DUTIES} 8331", "8331"), ("driver", DUTIES, "8331"))
    assert filter_records(given, tiny_taxonomy())[0]["id"] == ["r1"]


def test_copies_of_known_records_do_not_pass_and_the_known_are_not_judged():
    known = records(("driver", DUTIES, "8331"), ("cook", OTHER, "2341"), ("driver", DUTIES, "8331"), prefix="known-")
    given = records(("driver", DUTIES, "8331"), ("cook", OTHER, "5120"), ("pilot of a ferry", "steers it", "8331"))
    faults = duplicates(given, known)
    assert [fault and (fault.reason, fault.evidence) for fault in faults] == [
        ("near-duplicate within the code", "known-0"),
        ("text of another code", "known-1"),
        None,
    ]


def test_near_texts_are_those_with_half_of_their_word_runs_in_common():
    near = near_texts([DUTIES, f"{DUTIES} for years", "soup"], [OTHER, DUTIES, "soup", DUTIES])
    assert near == [[1, 3], [1, 3], [2]]
    assert near_texts([DUTIES], []) == [[]]


def test_the_round_trip_keeps_what_is_retrieved_for_its_code_alone():
    retriever = Retriever(tiny_taxonomy(), letters)
    given = records(("bus driver of the city", "Drives a city bus", "8331"), ("school bus driver", "coach", "2221"))
    kept, aside = filter_records(given, tiny_taxonomy(), retriever=FirstOf(retriever, 2))
    assert kept["id"] == ["r0"] and reasons(aside) == {"r1": "round trip"}
    assert aside["evidence"] == ["8331"]


class FirstOf:
    """A retriever that finds `most` codes at the most: the tiny taxonomy has six, and five are looked at."""

    def __init__(self, retriever: Retriever, most: int):
        self.retriever, self.most, self.codes = retriever, most, retriever.codes

    def retrieve(self, job_titles, job_duties, top_k):
        assert top_k == 5
        return [found[: self.most] for found in self.retriever.retrieve(job_titles, job_duties, top_k)]


def test_a_code_that_the_retriever_does_not_know_is_an_error():
    retriever = Retriever(tiny_taxonomy(), letters, codes=["8331"])
    with pytest.raises(ValueError, match="code 5120: not retrieved"):
        filter_records(records(("kitchen hand", OTHER, "5120")), tiny_taxonomy(), retriever=retriever)
