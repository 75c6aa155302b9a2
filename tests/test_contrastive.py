"""Contrastive training of the encoder: which pairs, that texts of one code come nearer, and that it is done once."""

import dataclasses
import json
import random
from collections import Counter

import pytest
import torch
from datasets import Dataset
from tiny import tiny_arguments, tiny_records, tiny_taxonomy

pytest.importorskip("sentence_transformers")

from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.training.contrastive import ABOUT, SiblingBatches, contrastive_encoder, read, text_pairs
from occ_autocoder.training.examples import label_codes, record_examples, taxonomy_texts
from occ_autocoder.training.initial import new_model
from occ_autocoder.training.train import train

TAXONOMY = tiny_taxonomy()
CODES = label_codes(TAXONOMY)
TEXTS = taxonomy_texts(TAXONOMY, CODES)
EXAMPLES = record_examples(tiny_records(), {code: label for label, code in enumerate(CODES)})


def arguments(encoder, **changes):
    given = {"contrastive_epochs": 8, "contrastive_batch_size": 16, "contrastive_learning_rate": 1e-3}
    return dataclasses.replace(tiny_arguments(encoder), **{**given, **changes})


def test_both_texts_of_a_pair_are_of_one_code_and_rare_codes_have_as_many(encoder_folder):
    settings = arguments(encoder_folder, contrastive_titles=3)
    kinds = text_pairs(TEXTS, EXAMPLES, settings)
    titles = {(read(text), label) for text, label in TEXTS.titles}
    titles |= {(read(item.job_title), item.label) for item in EXAMPLES if item.job_title}
    texts = {(read("", text), label) for text, label in TEXTS.definitions}
    texts |= {(read("", item.job_duties), item.label) for item in EXAMPLES if item.job_duties}
    assert list(kinds) == ["titles", "mixed", "texts"]
    for kind, (anchors, positives) in {
        "titles": (titles, titles),
        "mixed": (titles, texts),
        "texts": (texts,) * 2,
    }.items():
        assert all((pair.anchor, pair.label) in anchors for pair in kinds[kind])
        assert all((pair.positive, pair.label) in positives and pair.anchor != pair.positive for pair in kinds[kind])
        assert {pair.label for pair in kinds[kind]} == set(range(len(CODES)))
        assert max(Counter(pair.label for pair in kinds[kind]).values()) <= 3
    assert text_pairs(TEXTS, EXAMPLES, settings) == kinds
    assert text_pairs(TEXTS, EXAMPLES, dataclasses.replace(settings, seed=1)) != kinds


def test_a_batch_has_a_code_once_and_every_other_pass_keeps_siblings_together():
    labels = [label for label in range(40) for _ in range(1 + label % 3)]
    random.Random(0).shuffle(labels)
    sampler = SiblingBatches(Dataset.from_dict({"label": labels}), batch_size=8, drop_last=False, seed=3)
    batches = list(sampler)
    assert len(batches) == len(sampler) and sorted(place for batch in batches for place in batch) == [
        *range(len(labels))
    ]
    assert list(sampler) == batches
    sampler.set_epoch(1)
    assert list(sampler) != batches
    near = 0
    for batch in batches:
        own = [labels[place] for place in batch]
        assert len(set(own)) == len(own) <= 8
        near += max(own) - min(own) < 8
    assert near == 5  # the first pass: 40 labels, eight by eight


def accuracy_of_nearest(settings) -> float:
    """How often the definition nearest to a record's title is its code's, by the encoder of the settings."""
    from occ_autocoder.model.features_occupation import tokenize
    from occ_autocoder.model.remember_occupation import embed_tokens

    model, tokenizer = new_model(TAXONOMY, CODES, settings)
    titles = [item for item in EXAMPLES if not item.job_duties]

    def encode(texts):
        return embed_tokens(model, [torch.tensor(tokenize(text, tokenizer, model.config)[0]) for text in texts], 0)

    nearest = (
        encode([read(item.job_title) for item in titles]) @ encode([read("", text) for text, _ in TEXTS.definitions]).T
    )
    labels = torch.tensor([label for _, label in TEXTS.definitions])
    return (labels[nearest.argmax(1)] == torch.tensor([item.label for item in titles])).float().mean().item()


def test_titles_come_nearer_to_the_texts_of_their_code_and_it_is_done_once(encoder_folder, tmp_path):
    settings = arguments(encoder_folder)
    folder = contrastive_encoder(TEXTS, EXAMPLES, settings, tmp_path / "encoder")
    after = dataclasses.replace(settings, encoder=str(folder))
    assert accuracy_of_nearest(after) > accuracy_of_nearest(settings) + 0.1
    assert json.loads((folder / ABOUT).read_text())["contrastive_epochs"] == 8
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    contrastive_encoder(TEXTS, EXAMPLES, settings, tmp_path / "encoder")
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    contrastive_encoder(TEXTS, EXAMPLES, dataclasses.replace(settings, contrastive_epochs=1), tmp_path / "encoder")
    assert (folder / "model.safetensors").stat().st_mtime_ns != stamp
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_a_model_is_trained_on_the_encoder(encoder_folder, tmp_path):
    records = Dataset.from_list(tiny_records(), features=RECORD_FEATURES)
    settings = arguments(encoder_folder, contrastive_epochs=1, epochs=1)
    model = train(TAXONOMY, records, settings, tmp_path / "model", cache=tmp_path / "cache")
    encoder = torch.nn.utils.parameters_to_vector(model.encoder.parameters())
    plain, _ = new_model(TAXONOMY, CODES, settings)
    tuned, _ = new_model(TAXONOMY, CODES, dataclasses.replace(settings, encoder=str(tmp_path / "model" / "encoder")))
    assert torch.equal(encoder, torch.nn.utils.parameters_to_vector(tuned.encoder.parameters()))
    assert not torch.equal(encoder, torch.nn.utils.parameters_to_vector(plain.encoder.parameters()))
    about = json.loads((tmp_path / "model" / "training.json").read_text())
    assert about["arguments"]["encoder"] == str(encoder_folder)


def test_what_cannot_be_trained_is_left_or_refused(encoder_folder, tmp_path):
    known = type(TEXTS)([("cook", 0)], [])
    assert contrastive_encoder(known, [], arguments(encoder_folder), tmp_path / "encoder") is None
    assert not (tmp_path / "encoder").exists()
    with pytest.raises(ValueError, match="contrastive epochs, titles and batch size are"):
        arguments(encoder_folder, contrastive_batch_size=1)
