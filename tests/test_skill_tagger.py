"""A tagger learns invented sentences, and finds their spans wherever they stand; layers may overlap."""

import json

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_encoder

from occ_autocoder.emerging import skill_tagger
from occ_autocoder.emerging.skill_extraction import SkillExtractor, sentence_words, task_sentences
from occ_autocoder.emerging.skill_tagger import TaggerArguments, best_tags, spans_of, train_tagger
from occ_autocoder.emerging.spans import Span, sentences_at

VERBS, THINGS = ("drive", "prepare", "teach", "give", "count", "take"), ("bus", "meals", "reading", "medicine", "fares")
COLUMNS = ("tokens", "tags_skill", "tags_knowledge")


def sentences():
    """ "must VERB the THING": a skill from the verb on, whose thing is knowledge; and sentences without either."""
    rows = [
        (["must", verb, "the", thing, "."], ["O", "B", "I", "I", "O"], ["O", "O", "O", "B", "O"])
        for verb in VERBS
        for thing in THINGS
    ]
    rows += [(["the", "hospital", "of", thing], ["O"] * 4, ["O"] * 4) for thing in ("children", "patients", "soldiers")]
    return Dataset.from_dict(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))


@pytest.fixture(scope="module")
def settings_of(tmp_path_factory):
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return lambda **changes: TaggerArguments(
        **{"encoder": encoder, "epochs": 12, "learning_rate": 5e-3, "batch_size": 8, **changes}
    )


@pytest.fixture(scope="module")
def tagger(settings_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taggers") / "tagger"
    train_tagger(sentences(), sentences(), settings_of(), folder)
    return folder


@pytest.fixture(scope="module")
def extractor(tagger):
    return SkillExtractor(tagger)


def found(extractor, text):
    [spans] = extractor([text])
    return [(span.kind, span.text) for span in spans]


def test_it_learns_both_layers_and_the_best_epoch_is_told(tagger, extractor):
    about = json.loads((tagger / "training.json").read_text())
    assert about["layers"] == ["skill", "knowledge"] and len(about["history"]) == 12
    assert max(entry["f1"] for entry in about["history"]) > 0.9
    assert found(extractor, "must teach the meals.") == [("skill", "teach the meals"), ("knowledge", "meals")]
    assert found(extractor, "the hospital of children") == []


def test_a_sentence_has_the_same_spans_wherever_it_stands(extractor):
    text = "the hospital of patients\n" * 40 + "must drive the bus." + " the hospital of soldiers." * 60
    [spans] = extractor([text])
    assert {(span.kind, span.text) for span in spans} == {("skill", "drive the bus"), ("knowledge", "bus")}
    assert all(text[span.start : span.end] == span.text and 0 < span.confidence <= 1 for span in spans)
    assert sentences_at(text, spans) == ["must drive the bus."] * 2


def test_a_sentence_longer_than_a_window_is_read_to_its_end(extractor):
    text = " the hospital of patients" * 40 + " must drive the bus"
    [spans] = extractor([text])
    assert spans[-1].end == len(text) and spans[-1].start > len(text) - 20


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("must drive the bus.\n•—🚌é ", max_size=60), max_size=4))
def test_spans_are_verbatim_and_every_text_has_its_own(extractor, texts):
    spans = list(extractor(texts))
    assert len(spans) == len(texts)
    for text, own in zip(texts, spans):
        assert all(text[span.start : span.end] == span.text for span in own)


def test_many_texts_come_back_in_their_order(extractor):
    texts = [f"must {VERBS[place % 6]} the bus." if place % 3 else "" for place in range(150)]
    first = [spans[0].text.split()[0] if spans else "" for spans in extractor(iter(texts))]
    assert first == [VERBS[place % 6] if place % 3 else "" for place in range(150)]


def test_hostile_texts_are_read(extractor):
    hostile = ["", " \n ", "...", "\u200b", "x" * 100_000, "a " * 20_000, "<script>alert(1)</script>", "\ud83d"]
    assert len(list(extractor(hostile))) == len(hostile)


def test_tasks_are_the_sentences_that_are_mostly_skills(extractor):
    text = "the hospital of children. must drive the bus. the hospital of soldiers"
    [spans] = extractor([text])
    assert task_sentences(text, spans) == [Span("task", "must drive the bus.", 26, 45)]
    text = "Mends old pumps, slowly here. Mends pumps. Where pumps are, so far away."
    spans = [
        Span("skill", "Mends old pumps", 0, 15),
        Span("skill", "Mends pumps", 30, 41),
        Span("skill", "pumps", 49, 54),
    ]
    assert [span.text for span in task_sentences(text, spans)] == ["Mends old pumps, slowly here."]


def test_words_have_no_blanks_and_keep_their_places():
    [first, second] = sentence_words("Knows C++, R&D.\n• 3-D")
    assert ["Knows C++, R&D.\n• 3-D"[slice(*word)] for word in first] == ["Knows", "C++", ",", "R", "&", "D", "."]
    assert ["Knows C++, R&D.\n• 3-D"[slice(*word)] for word in second] == ["3-D"]


def test_an_i_after_an_o_begins_a_span():
    tags = np.array([[1], [2], [1], [0], [0], [1]])  # I O I B B I
    assert spans_of(tags, ["skill"]) == [("skill", 0, 1), ("skill", 2, 3), ("skill", 3, 4), ("skill", 4, 6)]


def test_the_likeliest_tags_have_no_i_on_its_own():
    scores = np.array([[[0.35, 0.4, 0.25]], [[0.4, 0.5, 0.1]], [[0.05, 0.9, 0.05]], [[0.0, 0.4, 0.6]]])  # B, I, O
    assert best_tags(scores)[:, 0].tolist() == [0, 1, 1, 2] and scores.argmax(-1)[0] == 1
    assert best_tags(np.zeros((0, 2, 3))).shape == (0, 2)


def test_the_same_seed_gives_the_same_tagger(settings_of, tmp_path):
    for name in "ab":
        train_tagger(sentences(), sentences(), settings_of(epochs=2), tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_a_run_that_ended_early_leaves_no_folder_and_is_begun_again(settings_of, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(skill_tagger, "strict_f1", stop)
        with pytest.raises(KeyboardInterrupt):
            train_tagger(sentences(), sentences(), settings_of(epochs=2), tmp_path / "tagger")
    assert not (tmp_path / "tagger").exists()
    train_tagger(sentences(), sentences(), settings_of(epochs=2), tmp_path / "tagger")
    assert SkillExtractor(tmp_path / "tagger") and not (tmp_path / "tagger.unfinished").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is 0; allowed: a whole number from 1"),
        ({"max_length": 4}, "max_length is 4; allowed: a whole number from 8"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"mixed_precision": "half"}, "allowed: no, bf16, fp16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TaggerArguments(**changes)


def test_other_columns_and_folders_are_refused(settings_of, tmp_path, model_folder):
    with pytest.raises(ValueError, match=r"validation has the tags \['tags_skill'\]; allowed: those of training"):
        train_tagger(sentences(), sentences().remove_columns("tags_knowledge"), settings_of(), tmp_path / "x")
    tmp_path.joinpath("y").mkdir()
    with pytest.raises(ValueError, match="there already; allowed: a new folder"):
        train_tagger(sentences(), sentences(), settings_of(), tmp_path / "y")
    with pytest.raises(ValueError, match="allowed: a folder that train-skills wrote"):
        SkillExtractor(tmp_path / "y")
