"""The other coders: one interface, each does what it says, and what cannot be fitted says why."""

import numpy as np
import pytest
from tiny import LEAVES, TITLES

pytest.importorskip("sklearn")
pytest.importorskip("setfit")

from sklearn.svm import LinearSVC

from occ_autocoder.baselines import tfidf_svm
from occ_autocoder.baselines.fusion import UntrainedFusion
from occ_autocoder.baselines.logistic import LogisticCoder
from occ_autocoder.baselines.nearest import NearestNeighbours
from occ_autocoder.baselines.setfit_coder import SetFitCoder
from occ_autocoder.baselines.texts import example_texts
from occ_autocoder.baselines.tfidf_svm import TfidfSVM
from occ_autocoder.data.encoder import cached, sentence_encoder
from occ_autocoder.data.records import record_texts
from occ_autocoder.training.examples import Example

CODES = list(TITLES)
TASKS = {code: tasks[0] for code, _, _, _, tasks in LEAVES}
UNSEEN = len(CODES)  # a code without an example, the last of the columns


def examples() -> list[Example]:
    """Five titles a code, its task, and one title with the task."""
    found = []
    for label, code in enumerate(CODES):
        found += [Example(title, "", label, "record") for title in TITLES[code][:5]]
        found += [Example("", TASKS[code], label, "taxonomy"), Example(TITLES[code][0], TASKS[code], label, "record")]
    return found


def words_encoder(texts) -> np.ndarray:
    """Unit vectors of the words' first letters: texts of the same words are the same."""
    counts = np.zeros((len(texts), 128), dtype=np.float32)
    for place, text in enumerate(texts):
        for word in text.lower().split():
            counts[place, sum(map(ord, word)) % 127] += 1
        counts[place, 127] = 0.01
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


CODERS = {
    "tfidf_svm": lambda: TfidfSVM(n_jobs=1),
    "nearest": lambda: NearestNeighbours(words_encoder),
    "logistic": lambda: LogisticCoder(words_encoder),
    "fusion": lambda: UntrainedFusion(words_encoder),
}


@pytest.mark.parametrize("name", CODERS)
def test_every_coder_finds_known_titles_known_duties_and_both(name):
    coder = CODERS[name]().fit(examples(), len(CODES) + 1)
    titles = [TITLES[code][1] for code in CODES]
    duties = [TASKS[code] for code in CODES]
    blank = [""] * len(CODES)
    for pair in ((titles, blank), (blank, duties), (titles, duties)):
        scores = coder.predict_proba(*pair)
        assert scores.shape == (len(CODES), len(CODES) + 1)
        assert scores.argmax(axis=1).tolist() == list(range(len(CODES)))


@pytest.mark.parametrize("name", CODERS)
def test_a_code_without_examples_never_comes_first(name):
    coder = CODERS[name]().fit(examples(), len(CODES) + 1)
    scores = coder.predict_proba(["zzz", TITLES["5120"][0]], ["", "qqq"])
    assert not np.isnan(scores).any()
    assert (scores[:, UNSEEN] <= scores[:, :UNSEEN].max(axis=1)).all()
    assert UNSEEN not in scores.argmax(axis=1)


@pytest.mark.parametrize("name", CODERS)
def test_the_two_fields_must_be_of_one_length_and_there_must_be_examples(name):
    with pytest.raises(ValueError, match="no examples"):
        CODERS[name]().fit([], 3)
    coder = CODERS[name]().fit(examples(), len(CODES))
    with pytest.raises(ValueError):
        coder.predict_proba(["cook", "nurse"], ["cooks"])


def test_a_record_is_one_text_without_its_empty_fields():
    assert record_texts(["Cook", "", " Bus  driver "], ["Cooks.", "Drives.", ""]) == [
        "Cook Cooks.",
        "Drives.",
        "Bus driver",
    ]


def test_the_machines_fitted_in_parts_are_those_of_all_codes_at_once(monkeypatch):
    monkeypatch.setattr(tfidf_svm, "PART", 2)
    coder = TfidfSVM(tol=1e-6, max_iter=10000, n_jobs=1).fit(examples(), len(CODES))
    texts, labels = example_texts(examples())
    whole = LinearSVC(tol=1e-6, max_iter=10000, random_state=0).fit(coder.vectorizer.transform(texts), labels)
    titles = [TITLES[code][5] for code in CODES]
    expected = whole.decision_function(coder.vectorizer.transform(titles))
    np.testing.assert_allclose(coder.predict_proba(titles, [""] * len(titles)), expected, atol=1e-3)


def test_a_machine_needs_two_codes():
    with pytest.raises(ValueError, match="at least two"):
        TfidfSVM(n_jobs=1).fit([Example("cook", "", 0, "record")], 2)


def test_the_score_of_a_code_is_the_cosine_to_its_nearest_text():
    known = [Example("a b", "", 1, "record"), Example("a c", "", 1, "record"), Example("d", "", 0, "record")]
    scores = NearestNeighbours(words_encoder).fit(known, 3).predict_proba(["a b"], [""])
    vectors = words_encoder(["a b", "a c", "d"])
    assert scores[0, 1] == pytest.approx(1.0)
    assert scores[0, 0] == pytest.approx(float(vectors[0] @ vectors[2]))
    assert scores[0, 2] == -np.inf


def test_logistic_regression_gives_probabilities():
    coder = LogisticCoder(words_encoder).fit(examples(), len(CODES) + 1)
    probabilities = coder.predict_proba(["grill cook", ""], ["", "Teaches reading and sums"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (probabilities[:, UNSEEN] == 0).all()


def test_the_fusion_adds_the_scores_of_the_fields_that_a_record_has():
    coder = UntrainedFusion(words_encoder).fit(examples(), len(CODES))
    title, duties = TITLES["5120"][1], TASKS["5120"]
    place = CODES.index("5120")
    alone = coder.predict_proba([title, "", ""], ["", duties, ""])
    assert alone[0, place] == pytest.approx(2.0, abs=1e-5)
    assert alone[1, place] == pytest.approx(2.0, abs=1e-5)
    assert not alone[2].any()
    both = coder.predict_proba([title], [duties])[0, place]
    assert 2.0 < both < 4.0  # the title makes the text another than the known duties


def test_texts_are_encoded_once(tmp_path):
    calls = []

    def encode(texts):
        calls.append(list(texts))
        return words_encoder(texts)

    file = tmp_path / "vectors.sqlite"
    first = cached(encode, file)(["cook", "nurse", "cook"])
    again = cached(encode, file)(["nurse", "cook", "teacher"])
    assert sorted(calls[0]) == ["cook", "nurse"] and calls[1:] == [["teacher"]]
    np.testing.assert_array_equal(first, words_encoder(["cook", "nurse", "cook"]))
    np.testing.assert_array_equal(again, words_encoder(["nurse", "cook", "teacher"]))


def test_a_sentence_encoder_gives_unit_vectors_and_keeps_those_of_each_encoder_apart(tmp_path, encoder_folder):
    encode = sentence_encoder(str(encoder_folder), cache=tmp_path)
    vectors = encode(["staff nurse", "bus driver"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors, sentence_encoder(str(encoder_folder))(["staff nurse", "bus driver"]), atol=1e-6)
    assert len(list(tmp_path.glob("*.sqlite"))) == 1


def test_setfit_learns_a_handful_of_examples(encoder_folder):
    known = [item for item in examples() if item.label in (0, 3)]
    coder = SetFitCoder(str(encoder_folder), max_steps=20, batch_size=8).fit(known, 4)
    probabilities = coder.predict_proba([TITLES["5120"][1], ""], ["", TASKS["0110"]])
    assert probabilities.shape == (2, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert probabilities.argmax(axis=1).tolist() == [3, 0]
    assert not probabilities[:, 1:3].any()


def test_setfit_refuses_more_texts_than_it_can_pair(encoder_folder):
    many = [Example(f"title {number}", "", number % 1000, "record") for number in range(20_000)]
    with pytest.raises(ValueError, match="20000 texts make 200010000, allowed: 2000000"):
        SetFitCoder(str(encoder_folder)).fit(many, 1000)
