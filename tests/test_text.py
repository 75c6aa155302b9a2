"""The text that the model reads of a record: the same for the same words, whatever hides between them."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ_autocoder.model.ngrams_occupation import bucket, character_ngrams, text_ngrams, title_ngrams, word_ngrams
from occ_autocoder.model.text_occupation import FORMS, MAX_CHARACTERS, form_of, normalize, read_title, render

ANY_TEXT = st.text(st.characters())  # surrogates too
INVISIBLE = (
    "\x00",
    "\x07",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u2066",
    "\U000e0041",
    "\ud800",
    "\ue000",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ｎｕｒｓｅ", "Nurse"),
        ("ﬁtter", "fitter"),
        ("cafe\u0301 owner", "café owner"),
        ("①", "1"),
        (" a\tb\u3000 c\r\n", "a b c"),
        ("厨师", "厨师"),
        ("", ""),
        ("\u200b \x00", ""),
    ],
)
def test_texts_are_brought_to_one_form(text, expected):
    assert normalize(text) == expected


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_what_cannot_be_seen_is_removed(character):
    assert normalize(f"{character}nur{character}se{character}") == "nurse"


def test_letters_that_meet_by_a_removal_are_composed():
    assert normalize("caf\u0065\u200b\u0301") == "café"


@given(ANY_TEXT, st.integers(1, 12))
def test_normalising_twice_is_normalising_once(text, max_characters):
    for limit in (max_characters, MAX_CHARACTERS):
        once = normalize(text, limit)
        assert normalize(once, limit) == once
        assert len(once) <= limit


@given(ANY_TEXT)
def test_nothing_but_words_and_single_blanks_is_left(text):
    found = normalize(text)
    assert found == " ".join(found.split()) == unicodedata.normalize("NFKC", found)
    assert not {"Cc", "Cf", "Cs", "Co", "Cn"} & {unicodedata.category(character) for character in found}
    found.encode("utf-8")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Nurse (m/f).", "nurse"),
        ("f/m/d Koch (m/w/d)", "koch"),
        ("Registered nurse, female", "registered nurse"),
        ("WAITRESS", "waiter"),
        ("Saleswoman", "salesman"),
        ("Chairpersons", "chairmen"),
        ("landladies", "landlords"),
        ("Driver's mate", "drivers mate"),
        ("Co-ordinator", "co ordinator"),
        ("C++ / C# / ASP.NET developer", "c++ c# asp.net developer"),
        ("R&D engineer", "r&d engineer"),
        ("F/X artist", "f x artist"),
        ("midwife", "midwife"),
        ("malt house operator", "malt house operator"),
        ("Nurse - $3,000 per month", "nurse"),
        ("Plumber £30k-£40k pa, full-time", "plumber"),
        ("Cook (urgently hiring), 5 days a week; ref. 48213", "cook"),
        ("Urgent care nurse", "urgent care nurse"),
        ("Reference librarian", "reference librarian"),
        ("Full (ref. 1) time cook", "cook"),
        ("#HiringToday C# developer", "c# developer"),
        ("Asst. Mgr, HR", "assistant manager human resources"),
        ("part-time", "part-time"),
        ("(m/f)", "(m/f)"),
        ("???", "???"),
    ],
)
def test_a_title_is_read_without_what_says_nothing_of_the_work(title, expected):
    assert read_title(title) == expected


@given(ANY_TEXT)
def test_reading_twice_is_reading_once_and_leaves_something(text):
    once = read_title(normalize(text))
    assert read_title(once) == once and bool(once) == bool(normalize(text))


LONG = {"a": "a", "expander": "\ufdfa", "blank": " ", "zero width": "\u200b", "marks": "\u0316\u0300"}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG)
def test_long_text_is_cut_and_takes_no_longer_than_the_limit(piece):
    start = time.process_time()
    found = normalize(piece * 1_000_000)
    assert time.process_time() - start < 3
    assert len(found) <= MAX_CHARACTERS
    assert found == normalize(piece * MAX_CHARACTERS)


def test_the_limit_keeps_the_beginning():
    assert normalize("abcdef", 3) == "abc"
    assert len(normalize("\ufdfa" * 5, 6)) <= 6
    assert len(normalize("a" * 30_000)) == MAX_CHARACTERS == 20_000


@pytest.mark.parametrize(
    ("title", "duties", "form", "text"),
    [
        ("cook", "fries {fish}", "title_and_duties", "job_title=cook job_duties=fries {fish}"),
        ("cook {job_duties}", "", "title", "job_title=cook {job_duties}"),
        ("", "fries fish", "duties", "job_duties=fries fish"),
    ],
)
def test_a_record_is_written_by_the_fields_it_has(title, duties, form, text):
    assert form_of(title, duties) == form
    assert render(title, duties) == text


def test_the_order_of_the_forms_is_that_of_published_weights():
    assert FORMS == ("title_and_duties", "title", "duties")


@pytest.mark.parametrize("call", [form_of, render])
def test_a_record_without_text_is_refused(call):
    with pytest.raises(ValueError, match="needs a job_title or job_duties: both are empty"):
        call("", "")


def test_ngrams_stay_within_words_and_know_their_ends():
    assert set(character_ngrams("it-ok")) == {
        " i",
        "it",
        "t ",
        " it",
        "it ",
        " it ",
        " o",
        "ok",
        "k ",
        " ok",
        "ok ",
        " ok ",
    }
    assert max(map(len, character_ngrams("teacher"))) == 5
    assert list(word_ngrams("bus driver, city")) == ["bus", "driver", "city", "bus driver", "driver city"]


def word_buckets(*ngrams):
    return [2048 + bucket(ngram, 2048) for ngram in ngrams]


def test_hashes_are_those_of_published_weights():
    assert (bucket("a b", 32768), bucket("é", 32768)) == (23763, 3390)
    ids = [91, 350, 695, 849, 863, 876, 1108, 1351, 1618, 1727, 1776, 1786, 1963, 1994]
    assert title_ngrams("Cook", 2048) == (ids, [1.0] * 14)
    once = [2049, 2457, 2475, 2515, 3112, 3351, 3618, 3709, 3740, 3818, 3916, 3917, 4035, 4047, 4095]
    twice = [2743, 2897, 2911, 2924, 3156, 3583, 3824, 3834, 4011, 4042]
    found = dict(zip(*text_ngrams("Cook", "cook meals", 2048)))
    assert list(found) == sorted(found)
    assert set(word_buckets("^cook", "^meals", "^cook cook", "^cook meals")) < set(found)
    assert found == pytest.approx(dict.fromkeys(once, 1.0) | dict.fromkeys(twice, 1.6931471805599454))
    assert title_ngrams("", 2048) == text_ngrams("", "", 2048) == ([], [])
