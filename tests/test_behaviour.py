"""Records written otherwise: the variants, their limits, and what a real model makes of them."""

import json
import random

import numpy as np
import pytest
from commands import run, succeed
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.evaluation.behaviour import BEHAVIOURS, TWO_JOBS, behaviour_section, behaviour_table, variants
from occ_autocoder.evaluation.variants import (
    GENDERED,
    LONG,
    NEUTRAL,
    SHORT,
    denied,
    in_number,
    marked,
    mistyped,
    punctuated,
    reordered,
    replaced,
)
from occ_autocoder.serving import predict_probabilities

DRAW = random.Random(0)
TITLES = ["ward nurse", "Sales Manager", "bus driver", "teacher", ""]
DUTIES = ["cares for the sick", "", "drives", "teaches", "counts"]


@pytest.mark.parametrize(
    ("change", "title", "expected"),
    [
        (reordered, "ward nurse", "nurse, ward"),
        (reordered, "manager of sales", "sales manager"),
        (reordered, "nurse, ward", "ward nurse"),
        (reordered, "nurse", None),
        (in_number, "bus driver", "bus drivers"),
        (in_number, "bus drivers", "bus driver"),
        (in_number, "secretary", "secretaries"),
        (in_number, "Secretaries", "Secretary"),
        (in_number, "salesman", "salesmen"),
        (in_number, "coach", "coaches"),
        (in_number, "coaches", "coach"),
        (in_number, "Waitress", "Waitresses"),
        (in_number, "firemen", "fireman"),
        (in_number, "MANAGER", "MANAGERS"),
        (in_number, "manager of sales", "managers of sales"),
        (in_number, "nurse (nights)", "nurses (nights)"),
        (in_number, "curriculum and instruction adviser", "curriculum and instruction advisers"),
        (in_number, "nursing", None),
        (in_number, "sales", None),
        (replaced(GENDERED), "Head Waitress", "Head Waiter"),
        (replaced(GENDERED), "policeman", "policewoman"),
        (replaced(GENDERED), "bar staff and waitresses", "bar staff and waiters"),
        (replaced(GENDERED), "co-host", "co-host"),
        (replaced(NEUTRAL), "Salesperson", "Salesman"),
        (replaced(SHORT, LONG), "Senior Engineer", "Snr Eng"),
        (replaced(SHORT, LONG), "sales mgr", "sales manager"),
        (replaced(SHORT, LONG), "business dev", "business dev"),
        (replaced(SHORT, LONG), "HR Manager", "Human resources Mgr"),
        (replaced(SHORT, LONG), "registered nurse", "RN"),
    ],
)
def test_variants_by_hand(change, title, expected):
    assert change(title, DRAW) == expected


def edits(one: str, other: str) -> int:
    """Letters to leave out, put in, replace or swap with the next to make one text of the other."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        rows.append([i])
        for j, wanted in enumerate(other, 1):
            least = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                least = min(least, rows[i - 2][j - 2] + 1)
            rows[i].append(least)
    return rows[-1][-1]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("title", ["aide to a registered nurse", "waitress", "BOOKKEEPER"])
def test_typos_are_no_more_than_asked_for_and_only_within_long_words(count, title):
    kinds = set()
    for seed in range(300):
        found = mistyped(count)(title, random.Random(seed))
        assert 1 <= edits(title, found) <= count and found[0] == title[0]
        assert found.startswith("aide to a r") or title != "aide to a registered nurse"
        kinds.add(len(found) - len(title))
    assert kinds == set(range(-count, count + 1))
    assert mistyped(count)("cook", DRAW) is None


def test_a_title_that_says_a_sex_is_not_given_the_other_one():
    found = {marked("waitress", random.Random(seed)) for seed in range(50)}
    assert found == {"waitress (m/f)", "waitress (f/m/d)"}
    assert "Male business nurse" in {marked("business nurse", random.Random(seed)) for seed in range(50)}


def test_a_job_is_never_denied_to_be_itself():
    found = {denied("ward nurse", random.Random(seed)) for seed in range(50)}
    assert "Not a cook: ward nurse" in found and "ward nurse (not a driver)" in found
    assert not any("not a nurse" in title.lower() for title in found)


def test_punctuation_changes_no_letter():
    for seed in range(20):
        found = punctuated("ward nurse", random.Random(seed))
        assert found != "ward nurse" and "".join(filter(str.isalpha, found)) == "wardnurse"


def test_a_record_is_varied_alike_whatever_stands_beside_it():
    vary = BEHAVIOURS["one typo"].vary
    places, records = variants("one typo", vary, TITLES, DUTIES, seed=0)
    assert places == [0, 1, 2, 3]
    _, alone = variants("one typo", vary, TITLES[2:3], DUTIES[2:3], seed=0)
    assert alone == [records[2]]
    assert variants("one typo", vary, TITLES, DUTIES, seed=1)[1] != records


def test_as_many_duties_and_labels_as_titles_are_needed():
    with pytest.raises(ValueError, match="2 titles, 1 duties and 2 labels; allowed: as many of each"):
        behaviour_table(by_letters, ["cook", "nurse"], [""])


def by_letters(job_titles, job_duties):
    """Probabilities of three codes by the first character of the title: a small letter, a capital, anything else."""
    kinds = [0 if title[:1].islower() else 1 if title[:1].isupper() else 2 for title in job_titles]
    return np.eye(3)[kinds]


def test_flips_and_limits_of_a_coder_that_looks_at_capitals():
    rows, examples = behaviour_table(by_letters, ["cook"] * 40, [""] * 40, [0] * 40)
    found = {row["behaviour"]: row for row in rows}
    case = found["case"]  # every record is the same one, so all are varied alike
    assert case["variants"] == 40 and case["flip_rate"] == 1.0 and case["passed"] is False and case["moved"] == 1.0
    assert (case["accuracy_before"], case["accuracy_after"]) == (1.0, 0.0)
    assert found["blanks"]["passed"] is False and found["plural or singular"]["flip_rate"] == 0.0
    assert "one typo" not in found and "case of the duties" not in found
    assert found["plural or singular"]["passed"] is None and TWO_JOBS not in found
    first = next(row for row in examples if row["behaviour"] == "case")
    assert (first["job_title"], first["before"], first["after"]) == ("cook", 0, 1)
    text = behaviour_section(rows, examples)
    numbers = "40 | 100.0 % (91.2 to 100.0 %) | 100.0 % | 100.0 % | 0.0 %"
    assert f"| case | no change | {numbers} | 0.5 % flips | no |" in text
    assert text.count("| case | cook | ") == 2 and "Records that got another code" in text


def test_two_jobs_in_one_are_of_one_of_the_two():
    def by_words(job_titles, job_duties):
        words = ("cook", "nurse", "clerk")
        scores = np.array([[title.count(word) + 0.1 for word in words] for title in job_titles])
        return scores / scores.sum(1, keepdims=True)

    def two_jobs(predict, titles, labels=None):
        rows, _ = behaviour_table(predict, titles, [""] * len(titles), labels)
        return next(row for row in rows if row["behaviour"] == TWO_JOBS)

    titles = ["cook", "nurse", "clerk", "head cook"] * 4
    row = two_jobs(by_words, titles)
    assert row["flip_rate"] == 0.0 and row["both_in_five"] == 1.0 and row["passed"] is None
    assert row["accuracy_after"] is None and row == two_jobs(by_words, sorted(titles))
    for right, share in ([0, 2], 1.0), ([2, 2], 0.0):
        row = two_jobs(by_words, ["cook", "nurse"], right)
        assert (row["variants"], row["accuracy_before"], row["accuracy_after"]) == (2, share, share)


def test_accuracy_lost_by_a_typo_is_limited():
    def exact(job_titles, job_duties):
        return np.eye(2)[[0 if title == "registered nurse" else 1 for title in job_titles]]

    rows, _ = behaviour_table(exact, ["registered nurse"] * 3, [""] * 3, [0] * 3)
    found = {row["behaviour"]: row for row in rows}
    assert found["one typo"]["passed"] is False and found["one typo"]["limit_of"] == "accuracy lost"
    rows, _ = behaviour_table(exact, ["registered nurse"] * 3, [""] * 3)
    assert {row["behaviour"]: row for row in rows}["one typo"]["passed"] is None


def test_a_real_model_reads_past_case_punctuation_and_sex(model_folder):
    coder = occ_autocoder.load(model_folder)
    titles, duties = ([row[name] for row in tiny_records()] for name in ("job_title", "job_duties"))

    def predict(job_titles, job_duties):
        return predict_probabilities(coder, job_titles, job_duties)

    rows, _ = behaviour_table(predict, titles, duties)
    found = {row["behaviour"]: row for row in rows}
    for name in ("case", "case of the duties", "punctuation", "blanks", "sex named"):
        assert found[name]["flip_rate"] == 0.0 and found[name]["passed"], name
    assert found["one typo"]["moved"] > 0
    alone = coder({"job_title": titles[0], "job_duties": duties[0]}, top_k=1)[0]
    assert predict(titles, duties)[0].max() == pytest.approx(alone["score"])


def test_the_command_reports_and_enforces(model_folder, tmp_path, monkeypatch):
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in [*tiny_records(), {"id": "empty", "job_title": " "}]))
    asked = ["behave", source, "--model", model_folder, "--output", tmp_path / "out"]
    assert "36 records, 36 with a code that the model gives, 1 rejected" in succeed(*asked)
    assert "## Behaviour" in (tmp_path / "out" / "behaviour.md").read_text()
    assert (tmp_path / "out" / "behaviour.csv").read_text().startswith("behaviour,variants,flip_rate,low,high,")
    assert (tmp_path / "out" / "flips.csv").exists() and "empty" in (tmp_path / "out" / "rejected.csv").read_text()
    for held, code in ((True, 0), (False, 1)):
        monkeypatch.setattr("occ_autocoder.evaluation.behaviour.passed", lambda row, held=held: held)
        assert run(*asked, "--limit", "10", "--enforce").exit_code == code
    assert run(*asked, "--limit", "10").exit_code == 0
