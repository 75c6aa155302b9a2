"""The pipeline answers alike whatever form the records come in, and says what is wrong with those it cannot code."""

import pytest
import torch
from datasets import Dataset
from tiny import GROUPS, LEAVES, tiny_records
from transformers import AutoConfig

import occ_autocoder
from occ_autocoder.model.configuration_occupation import OccupationConfig
from occ_autocoder.model.features_occupation import collate, record_features
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification

RECORDS = [
    {"job_title": "staff nurse", "job_duties": ""},
    {"job_title": "cook", "job_duties": "Prepares meals in a kitchen " * 5},
    {"job_title": "", "job_duties": "Drives a city bus"},
    *({name: row[name] for name in ("job_title", "job_duties")} for row in tiny_records()),
]


@pytest.fixture(scope="module")
def coder(model_folder):
    return occ_autocoder.load(model_folder)


@pytest.fixture(scope="module")
def expected(coder):
    """Every record coded alone."""
    return [coder(record, top_k=None) for record in RECORDS]


def assert_alike(found, expected):
    """The same codes in the same order, and scores equal to 1e-5."""
    for rows, others in zip(found, expected, strict=True):
        assert rows[0]["label"] == others[0]["label"]
        assert scores(rows) == pytest.approx(scores(others), abs=1e-5)


def scores(rows) -> dict[str, float]:
    return {row["label"]: row["score"] for row in rows}


def test_a_string_is_a_title(coder):
    rows = coder("staff nurse")
    assert rows == coder({"job_title": "staff nurse"}) == coder({"job_title": "staff nurse", "job_duties": None})
    assert rows[0]["label"] == "2221"
    assert rows[0]["title"] == "Nurses"


def test_codes_keep_their_leading_zero(coder):
    assert coder("army officer")[0]["label"] == "0110"


@pytest.mark.parametrize(
    "form",
    [list, iter, lambda rows: (row for row in rows), Dataset.from_list],
    ids=["list", "iterator", "generator", "dataset"],
)
def test_many_records_are_coded_as_each_alone(coder, expected, form):
    assert_alike(list(coder(form(RECORDS), top_k=None)), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_change_nothing(coder, expected, batch_size):
    assert_alike(coder(RECORDS, top_k=None, batch_size=batch_size), expected)


def test_no_records_give_no_answers(coder):
    assert coder([]) == []


def test_top_k_is_how_many_codes(coder):
    every = coder("cook", top_k=None)
    assert sorted(row["label"] for row in every) == [code for code, *_ in LEAVES]
    assert [row["score"] for row in every] == sorted((row["score"] for row in every), reverse=True)
    assert coder("cook", top_k=2) == every[:2]
    assert coder("cook") == every[:5]
    assert coder("cook", top_k=100) == every


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_scores_the_sum_of_the_codes_below(coder, level):
    for record in RECORDS[:6]:
        sums = {}
        for row in coder(record, top_k=None):
            code = row["label"][: (1, 2, 4)[level - 1]]
            sums[code] = sums.get(code, 0.0) + row["score"]
        rows = coder(record, top_k=None, level=level)
        assert scores(rows) == pytest.approx(sums, abs=1e-9)
        titles = {code: title for code, title, *_ in (*GROUPS, *LEAVES)}
        assert [row["title"] for row in rows] == [titles[row["label"]] for row in rows]


def test_scores_are_the_models_probabilities_unrounded(coder, expected):
    for record, rows in zip(RECORDS, expected, strict=True):
        features = record_features(record["job_title"], record["job_duties"], coder.tokenizer, coder.model.config)
        with torch.no_grad():
            logits = coder.model(**collate([features], coder.tokenizer.pad_token_id)).logits[0].double()
        probabilities = dict(zip(coder.model.config.label2id, logits.softmax(-1).tolist(), strict=True))
        assert scores(rows) == pytest.approx(probabilities, rel=1e-9)
        assert all(0.0 <= row["score"] <= 1.0 for row in rows)
        assert sum(row["score"] for row in rows) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "a record is a NoneType; allowed: a string"),
        (8, "a record is a int; allowed: a string"),
        (("cook", "meals"), "a record is a tuple"),
        ({"job_title": 5}, "job_title is a int; allowed: a string"),
        ({"job_title": "cook", "job_duties": float("nan")}, "job_duties is a float; allowed: a string"),
        ("", "needs a job_title or job_duties: both are empty"),
        ({}, "both are empty"),
        ({"job_title": " \t", "job_duties": "\u200b"}, "both are empty"),
    ],
)
def test_what_is_no_record_is_refused(coder, record, message):
    with pytest.raises(ValueError, match=message):
        coder(record)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 9}, "level is 9; allowed: 1, 2, 3, the levels of tiny"),
        ({"level": 0}, "level is 0; allowed: 1, 2, 3"),
        ({"level": "2"}, "level is '2'; allowed: 1, 2, 3"),
        ({"top_k": 0}, "top_k is 0; allowed: a whole number from 1, or None"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"top_k": "3"}, "top_k is '3'"),
    ],
)
def test_arguments_out_of_range_are_refused(coder, arguments, message):
    with pytest.raises(ValueError, match=message):
        coder("cook", **arguments)


@pytest.mark.parametrize("text", ["nurse [SEP] [PAD] [CLS]", "[PAD]", "[CLS][SEP]nurse"])
def test_no_text_of_a_user_becomes_a_special_token(coder, text):
    features = record_features(text, text, coder.tokenizer, coder.model.config)
    special = {coder.tokenizer.pad_token_id, coder.tokenizer.cls_token_id, coder.tokenizer.sep_token_id}
    for name in ("input_ids", "title_input_ids"):
        assert (features[name][0], features[name][-1]) == (coder.tokenizer.cls_token_id, coder.tokenizer.sep_token_id)
        assert not special & set(features[name][1:-1])


def test_what_does_not_fit_is_said_and_takes_nothing_from_the_title(coder):
    short = {"job_title": "cook", "job_duties": "Prepares meals"}
    long = {"job_title": "cook", "job_duties": "Prepares meals in a kitchen " * 200}
    found = coder([short, long], return_truncated=True, top_k=None)
    assert [row["truncated"] for row in found] == [False, True]
    assert found[0]["occupations"] == coder(short, top_k=None)
    title, cut = (title_evidence(coder, record) for record in (short, long))
    assert torch.equal(title, cut)
    assert cut.argmax() == coder.model.config.label2id["5120"]


def test_more_characters_than_are_read_count_as_cut(coder):
    """Blanks are no tokens, and yet a word behind too many of them is not read."""
    assert coder({"job_title": "cook", "job_duties": " " * 20_001 + "meals"}, return_truncated=True)["truncated"]
    assert not coder({"job_title": "cook", "job_duties": " " * 19_000 + "meals"}, return_truncated=True)["truncated"]


def title_evidence(coder, record) -> torch.Tensor:
    """How near the title's n-grams come to each code's titles, [C]."""
    features = record_features(record["job_title"], record["job_duties"], coder.tokenizer, coder.model.config)
    batch = collate([features], coder.tokenizer.pad_token_id)
    ids, values = coder.model.weigh(batch["title_ngram_ids"], batch["title_ngram_values"], torch.zeros(1))
    return coder.model.titles.lexical(coder.model.dense(ids, values))[0]


@pytest.mark.parametrize(
    "text",
    [
        "cook\ud800",
        "\udfff\ud800cook",
        "co\x00ok",
        "cook " * 200_000,
        "\ufdfa" * 1_000_000,
        "c" * 1_000_000,
        "\u202ecook",
    ],
    ids=["surrogate", "surrogates", "nul", "million", "expanding", "one word", "bidirectional"],
)
def test_hostile_text_is_coded(coder, text):
    for record in (text, {"job_title": "cook", "job_duties": text}):
        assert sum(row["score"] for row in coder(record, top_k=None)) == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["cook\ud800", "co\x00ok", "\u202ecook", "ｃｏｏｋ", " cook\u200b\n"])
def test_what_cannot_be_seen_changes_no_score(coder, text):
    assert coder(text) == coder("cook")


ENCODERS = {
    "roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "mpnet": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "modernbert": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "pad_token_id": 0,
        "cls_token_id": 1,
        "sep_token_id": 2,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_other_encoders_than_bert_save_and_load(encoder, pooling, tmp_path):
    config = OccupationConfig(
        AutoConfig.for_model(encoder, vocab_size=64, **ENCODERS[encoder]),
        occupations={code: {"title": code, "parent": None, "level": 1} for code in "abc"},
        id2label=dict(enumerate("abc")),
        label2id={code: label for label, code in enumerate("abc")},
        pooling=pooling,
        head_hidden_size=16,
        ngram_buckets=64,
        ngram_dim=8,
    )
    torch.manual_seed(0)
    model = OccupationForSequenceClassification(config).eval()
    for weight in model.head.parameters():
        torch.nn.init.normal_(weight)
    model.save_pretrained(tmp_path)
    again = OccupationForSequenceClassification.from_pretrained(tmp_path)
    assert not again.training
    with torch.no_grad():
        expected, found = (one(**two_records()) for one in (model, again))
    assert torch.equal(found.logits, expected.logits)
    assert not torch.equal(found.embeddings[0], found.embeddings[1])
    assert found.logits.isfinite().all() and found.logits.shape == (2, 3)


def two_records() -> dict[str, torch.Tensor]:
    """Features of two records of different length: title and duties, and a title."""
    ids = {"input_ids": [1, 9, 8, 7, 6, 2], "title_input_ids": [1, 9, 8, 2]}
    ngrams = {"title_ngram_ids": [3, 5], "title_ngram_values": [1.0, 1.0]}
    more = {"text_ngram_ids": [70], "text_ngram_values": [1.0]}
    first = {**ids, **ngrams, **more, "form": 0}
    second = {**first, "input_ids": [1, 11, 2], "title_input_ids": [1, 11, 2], "form": 1}
    return collate([first, second], 0)
