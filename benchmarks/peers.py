"""The other coders of a comparison, each fitted on the texts that our model is trained on."""

import inspect
import io
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occ_autocoder.baselines.fusion import UntrainedFusion
from occ_autocoder.baselines.logistic import LogisticCoder
from occ_autocoder.baselines.nearest import NearestNeighbours
from occ_autocoder.baselines.neural import NeuralCoder
from occ_autocoder.baselines.setfit_coder import SetFitCoder
from occ_autocoder.baselines.tfidf_svm import TfidfSVM
from occ_autocoder.data.encoder import Encode
from occ_autocoder.model.features_occupation import tokenize
from occ_autocoder.training.arguments import TrainingArguments
from occ_autocoder.training.embeddings import cached_embeddings
from occ_autocoder.training.examples import (
    Example,
    label_codes,
    limit_pairs,
    record_examples,
    taxonomy_examples,
    taxonomy_texts,
)
from occ_autocoder.training.initial import new_model

from .measures import measure
from .records import Benchmark


@dataclass(frozen=True)
class Peer:
    """How a coder is made, from the encoder and the seed; whether the seed matters; whether it gives probabilities."""

    build: Callable
    seeded: bool = False
    probabilities: bool = False


def neural(name: str) -> Peer:
    """A coder of `baselines.neural` with its usual settings."""
    return Peer(lambda encode, seed: NeuralCoder(name, seed=seed), seeded=True, probabilities=True)


PEERS = {
    "tfidf_svm": Peer(lambda encode, seed: TfidfSVM()),
    "nearest": Peer(lambda encode, seed: NearestNeighbours(encode)),
    "logistic": Peer(lambda encode, seed: LogisticCoder(encode), probabilities=True),
    "fusion": Peer(lambda encode, seed: UntrainedFusion(encode)),
    **{name: neural(name) for name in ("fasttext", "rnn", "lstm", "bert")},
    "setfit": Peer(lambda encode, seed: SetFitCoder(seed=seed), seeded=True, probabilities=True),
}
USUAL = ("tfidf_svm", "nearest", "logistic", "fusion")


def benchmark_examples(benchmark: Benchmark, arguments: TrainingArguments) -> tuple[list[Example], list[str]]:
    """What our model trains on with these arguments: records in three forms, the taxonomy's texts; and the codes."""
    codes = label_codes(benchmark.taxonomy)
    records = benchmark.splits["train"].assign(id=lambda frame: frame.index.astype(str)).to_dict("records")
    examples = record_examples(records, {code: label for label, code in enumerate(codes)})
    examples = limit_pairs(examples, arguments.pairs, arguments.seed)
    return examples + taxonomy_examples(taxonomy_texts(benchmark.taxonomy, codes), codes), codes


def shared_encoder(benchmark: Benchmark, codes: Sequence[str], arguments: TrainingArguments, cache: Path) -> Encode:
    """Texts -> unit vectors [n, d] by our model's own frozen encoder, from the same cache: nothing is encoded twice."""
    model, tokenizer = new_model(benchmark.taxonomy, codes, arguments)
    model.eval()

    def encode(texts: Sequence[str]) -> np.ndarray:
        tokens = [tokenize(text, tokenizer, model.config)[0] for text in texts]
        return cached_embeddings(model, tokens, cache, tokenizer.pad_token_id).numpy()

    return encode


def run_peer(
    name: str, benchmark: Benchmark, examples: Sequence[Example], codes: Sequence[str], encode: Encode, seed: int
):
    """The result of one peer: `fit_seconds` and `forms`; or `refused`, the reason why it could not be fitted."""
    peer = PEERS[name]
    start = time.perf_counter()
    try:
        coder = peer.build(encode, seed).fit(examples, len(codes))
    except ValueError as error:
        return {"refused": str(error)}
    seconds = time.perf_counter() - start
    forms = measure(coder.predict_proba, benchmark.splits["test"], benchmark.taxonomy, codes, peer.probabilities)
    return {"fit_seconds": seconds, "megabytes": megabytes(coder), "forms": forms}


class Sized(pickle.Pickler):
    """Pickles what a coder holds, but for the functions that it was given: the shared encoder is not its own."""

    def persistent_id(self, value):
        return "function" if inspect.isfunction(value) else None


def megabytes(coder) -> float:
    """How much room a fitted coder takes, in 10^6 bytes, without the shared encoder."""
    buffer = io.BytesIO()
    Sized(buffer).dump(vars(coder))
    return buffer.tell() / 1e6
