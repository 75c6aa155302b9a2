"""Why a record got its code: the log-odds add up, words that are left out matter, the known texts are the model's."""

import json
import math
import re

import pytest
from tiny import tiny_records, tiny_taxonomy

import occ_autocoder
from occ_autocoder.model.explain_occupation import MOST_PIECES, pieces_of
from occ_autocoder.model.head_occupation import EVIDENCE
from occ_autocoder.serving import code_records

RECORD = {"job_title": "bus driver", "job_duties": "drives a bus through the town"}


@pytest.fixture(scope="module")
def coder(model_folder):
    coder = occ_autocoder.load(model_folder)
    coder.model.config.doubt = 0.0  # the log-odds of the evidence are those before the doubt
    return coder


def test_the_evidence_adds_up_to_the_log_odds_to_the_rival(coder):
    codes = coder(RECORD, top_k=3)
    explained = coder.explain(RECORD)
    assert [item["label"] for item in explained] == [code["label"] for code in codes]
    assert [item["rival"]["label"] for item in explained] == [codes[1]["label"], codes[0]["label"], codes[0]["label"]]
    for item, code in zip(explained, codes, strict=True):
        rival = item["rival"]
        assert item["score"] == pytest.approx(code["score"], rel=1e-4) and set(rival["evidence"]) == set(EVIDENCE)
        assert sum(rival["evidence"].values()) == pytest.approx(math.log(item["score"] / rival["score"]), abs=1e-3)


def test_a_words_weight_is_what_the_log_odds_lose_without_it(coder):
    explained = coder.explain(RECORD, top_k=1)[0]
    word = next(word for word in explained["words"] if (word["field"], word["text"]) == ("job_title", "bus"))

    def log_odds(record):
        score = next(code["score"] for code in coder(record, top_k=None) if code["label"] == "8331")
        return math.log(score / (1 - score))

    lost = log_odds(RECORD) - log_odds({**RECORD, "job_title": "driver"})
    assert explained["label"] == "8331" and word["weight"] == pytest.approx(lost, abs=1e-3) and lost > 0
    weights = [abs(word["weight"]) for word in explained["words"]]
    assert weights == sorted(weights, reverse=True)


def test_the_nearest_texts_are_known_texts_of_the_code(coder):
    def bare(text: str) -> str:
        return re.sub(r"[\W_]+", "", text.lower())

    for item in coder.explain("bus drivers", top_k=6):
        occupation = tiny_taxonomy()[item["label"]]
        records = [row for row in tiny_records() if row["code"] == item["label"]]
        titles = {
            bare(text) for text in (occupation.title, *occupation.examples, *(row["job_title"] for row in records))
        }
        assert bare(item["nearest_title"]["text"]) in titles
        about = (occupation.title + occupation.definition, occupation.title + "".join(occupation.tasks))
        texts = [bare(text) for text in (*about, *(row["job_duties"] for row in records))]
        assert any(bare(item["nearest_definition"]["text"]) in text for text in texts)
        assert -1 <= item["nearest_definition"]["similarity"] <= 1.0001
    assert "bus" in coder.explain("bus drivers", top_k=1)[0]["nearest_title"]["text"]


def test_a_single_word_is_weighed_against_chance(coder):
    explained = coder.explain("cook", top_k=1)[0]
    assert [word["text"] for word in explained["words"]] == ["cook"]
    assert explained["words"][0]["weight"] == pytest.approx(
        math.log(explained["score"] / (1 - explained["score"])) - math.log(1 / 5), abs=1e-3
    )


def test_a_long_record_is_left_out_in_runs_of_words(coder):
    fields = ("", " ".join(f"w{n}" for n in range(500)))
    pieces = list(pieces_of(fields))
    assert len(pieces) <= MOST_PIECES and " ".join(piece.text for piece in pieces) == fields[1]
    assert all(len(piece.rest[1].split()) + len(piece.text.split()) == 500 for piece in pieces)
    assert coder.explain({"job_duties": fields[1]}, top_k=1)[0]["words"]


def test_a_file_is_coded_with_its_evidence(coder, tmp_path):
    source = tmp_path / "records.csv"
    source.write_text("job_title,job_duties\nbus driver,drives a bus\n,\ncook,\n")
    code_records(coder, source, tmp_path / "coded.csv", top_k=2, evidence=True)
    code_records(coder, source, tmp_path / "coded.jsonl", top_k=2, evidence=True)
    lines = (tmp_path / "coded.csv").read_text().splitlines()
    assert lines[0].endswith(
        "truncated,nearest_title,nearest_definition,words,rival,rival_title,rival_confidence,words_against_rival"
    )
    assert len(lines) == 3 and "bus +" in lines[1]
    rows = [json.loads(line) for line in (tmp_path / "coded.jsonl").read_text().splitlines()]
    assert [len(row["occupations"]) for row in rows] == [2, 2]
    assert all(code["evidence"]["rival"]["label"] != code["code"] for row in rows for code in row["occupations"])
    with pytest.raises(ValueError, match="evidence with level 1; allowed: evidence of the model's own codes"):
        code_records(coder, source, tmp_path / "coded.csv", level=1, evidence=True)


def test_an_empty_record_is_refused(coder):
    with pytest.raises(ValueError, match="needs a job_title or job_duties"):
        coder.explain({"job_title": " "})
