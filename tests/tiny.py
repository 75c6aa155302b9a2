"""A tiny encoder with random weights, a tiny taxonomy, and a model trained on both in seconds: for tests that run one.

The codes and titles are those of the good rows in `hostile.py`, so that its files can be coded with the tiny model.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.taxonomy import Occupation, Taxonomy
from occ_autocoder.training.arguments import TrainingArguments
from occ_autocoder.training.train import train

GROUPS = (
    ("0", "Armed forces", None),
    ("2", "Professionals", None),
    ("5", "Service workers", None),
    ("8", "Drivers and machine operators", None),
    ("01", "Officers of the armed forces", "0"),
    ("22", "Health professionals", "2"),
    ("23", "Teachers", "2"),
    ("51", "Workers in kitchens and dining rooms", "5"),
    ("83", "Drivers", "8"),
)
LEAVES = (
    ("0110", "Army officers", "01", "Lead soldiers and plan what they do", ("Commands a company of soldiers",)),
    ("2221", "Nurses", "22", "Care for the sick and give them their medicine", ("Gives medicine to patients",)),
    ("2341", "Primary teachers", "23", "Teach children to read and to count", ("Teaches reading and sums",)),
    ("5120", "Cooks", "51", "Prepare meals and keep the kitchen in order", ("Prepares meals in a kitchen",)),
    ("8322", "Taxi drivers", "83", "Drive passengers in a car where they want to go", ("Takes fares in a taxi",)),
    ("8331", "Bus drivers", "83", "Drive a bus on its route by the timetable", ("Drives a city bus",)),
)
TITLES = {
    "0110": ("army officer", "captain", "colonel of infantry", "platoon leader", "major", "lieutenant"),
    "2221": ("staff nurse", "ward nurse", "hospital nurse", "registered nurse", "night nurse", "clinic nurse"),
    "2341": (
        "primary school teacher",
        "class teacher",
        "teacher of infants",
        "form teacher",
        "teacher",
        "junior teacher",
    ),
    "5120": ("cook", "hospital cook", "grill cook", "canteen cook", "school cook", "breakfast cook"),
    "8322": (
        "taxi driver",
        "cab driver",
        "night taxi driver",
        "airport taxi driver",
        "hire car driver",
        "minicab driver",
    ),
    "8331": (
        "bus driver",
        "city bus driver",
        "school bus driver",
        "coach driver",
        "tour bus driver",
        "trolley bus driver",
    ),
}


def tiny_taxonomy() -> Taxonomy:
    """Six leaves under five groups under four, with texts of their own; one code starts with a zero."""
    groups = [Occupation(code, title, len(code), parent) for code, title, parent in GROUPS]
    leaves = [
        Occupation(code, title, 3, parent, definition, tasks, examples=TITLES[code][:2])
        for code, title, parent, definition, tasks in LEAVES
    ]
    return Taxonomy([*groups, *leaves], scheme="tiny", version="1")


def tiny_records() -> list[dict[str, str]]:
    """Six records a leaf, every other one with duties."""
    duties = {code: tasks[0] for code, _, _, _, tasks in LEAVES}
    return [
        {
            "id": f"{code}-{number}",
            "job_title": title,
            "job_duties": f"{duties[code]}, {title}" if number % 2 else "",
            "code": code,
            "source": "tiny",
        }
        for code, titles in TITLES.items()
        for number, title in enumerate(titles)
    ]


def tiny_encoder(folder: str | Path) -> Path:
    """Save a BERT of two layers with random weights, and a WordPiece tokenizer of the texts above, in `folder`."""
    folder = Path(folder)
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A lower-casing WordPiece tokenizer of the words of the taxonomy and the records, and of their letters.

    Listed, not trained: the library's trainer breaks ties otherwise in every process, and all that follows differs.
    """
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    texts = [f"job_title={row['job_title']} job_duties={row['job_duties']}" for row in tiny_records()]
    texts += [item.definition for item in tiny_taxonomy()]
    words = {word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    letters = {letter for word in words for letter in word}
    pieces = [*special.values(), *sorted(words | letters), *sorted(f"##{letter}" for letter in letters)]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def tiny_arguments(encoder: str | Path, **changes) -> TrainingArguments:
    """Settings of a run of seconds on the encoder in a folder; `changes` are other values of its fields."""
    small = {
        "max_seq_length": 64,
        "contrastive_epochs": 0,
        "epochs": 8,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "head_hidden_size": 32,
        "ngram_buckets": 2048,
        "ngram_dim": 16,
        "checkpoint_steps": 0,
    }
    return TrainingArguments(encoder=str(encoder), **{**small, **changes})


def tiny_model(folder: str | Path, encoder: str | Path | None = None) -> Path:
    """Train the tiny model in `folder`, on the encoder in `encoder` or one made beside it; returns `folder`."""
    folder = Path(folder)
    encoder = encoder or tiny_encoder(folder.with_name(f"{folder.name}-encoder"))
    records = Dataset.from_list(tiny_records(), features=RECORD_FEATURES)
    train(tiny_taxonomy(), records, tiny_arguments(encoder), folder, cache=folder.with_name(f"{folder.name}-cache"))
    return folder


def words_encoder(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors [n, 64] of hashed words."""
    found = np.full((len(texts), 64), 1e-3, dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            found[row, sum(word.encode()) % 64] += 1
    return found / np.linalg.norm(found, axis=1, keepdims=True)
