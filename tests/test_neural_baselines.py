"""RNN, LSTM, BERT and fastText-style coders: each learns, says the same with the same seed, and knows what it saw."""

import numpy as np
import pytest
from tiny import tiny_records, tiny_taxonomy

pytest.importorskip("setfit")

from occ_autocoder.baselines.neural import KINDS, NeuralCoder
from occ_autocoder.training.examples import label_codes, record_examples

CODES = label_codes(tiny_taxonomy())
EXAMPLES = record_examples(tiny_records(), {code: label for label, code in enumerate(CODES)})
SETTINGS = {
    "rnn": {"epochs": 25, "batch_size": 16, "learning_rate": 3e-3},
    "lstm": {"epochs": 25, "batch_size": 16, "learning_rate": 5e-3},
    "bert": {"epochs": 25, "batch_size": 16, "encoder_learning_rate": 2e-3},
    "fasttext": {"epochs": 25, "batch_size": 16, "learning_rate": 2e-2, "buckets": 2**12},
}
TITLES = [item.job_title for item in EXAMPLES]
DUTIES = [item.job_duties for item in EXAMPLES]


def fitted(kind, encoder, examples=EXAMPLES, classes=6, **changes):
    return NeuralCoder(kind, encoder=str(encoder), **{**SETTINGS[kind], **changes}).fit(examples, classes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_coder_learns_its_examples(kind, encoder_folder):
    coder = fitted(kind, encoder_folder)
    found = coder.predict_proba(TITLES, DUTIES)
    assert found.shape == (len(EXAMPLES), len(CODES)) and np.allclose(found.sum(1), 1)
    assert (found.argmax(1) == [item.label for item in EXAMPLES]).mean() > 0.9
    backwards = coder.predict_proba(TITLES[::-1], DUTIES[::-1])
    assert np.allclose(found, backwards[::-1], atol=1e-5)  # whatever stands in the same batch


@pytest.mark.parametrize("kind", ["lstm", "fasttext"])
def test_the_seed_decides(kind, encoder_folder):
    one, same, other = (
        fitted(kind, encoder_folder, seed=seed, epochs=2).predict_proba(TITLES, DUTIES) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same) and not np.allclose(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_never_seen_is_impossible_and_unknown_words_are_no_error(kind, encoder_folder):
    coder = fitted(kind, encoder_folder, classes=len(CODES) + 1, epochs=1)
    found = coder.predict_proba(["zzqx", "厨师", "?"], ["", "", ""])
    assert not found[:, -1].any() and np.allclose(found.sum(1), 1)


def test_fewer_examples_can_be_asked_for(encoder_folder):
    coder = fitted("fasttext", encoder_folder, max_examples=5, epochs=1)
    assert 1 <= int(coder.seen.sum()) <= 5


def test_a_loss_can_be_chosen(encoder_folder):
    plain, adjusted = (
        fitted("fasttext", encoder_folder, epochs=3, loss=loss).predict_proba(TITLES, DUTIES)
        for loss in ("cross_entropy", "focal")
    )
    assert not np.allclose(plain, adjusted)


def test_what_is_no_kind_and_no_examples_are_refused(encoder_folder):
    with pytest.raises(ValueError, match="kind is 'gru'; allowed: rnn, lstm, bert, fasttext"):
        NeuralCoder("gru")
    with pytest.raises(ValueError, match="no examples to fit on"):
        fitted("rnn", encoder_folder, examples=[])
