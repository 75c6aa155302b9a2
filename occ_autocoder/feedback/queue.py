"""Which records a person should see first: those whose code is in doubt, rare, and unlike what is before them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from occ_autocoder.model.features_occupation import collate, record_features

CONSIDERED = 10  # times as many records as are wanted are compared with each other


@dataclass(frozen=True)
class Queue:
    """What is known of n records: the probabilities' `entropy` and `margin` [n], the first codes' `labels` [n, k] and
    `confidence` [n, k], the first code's `rarity` [n], and the texts' `embeddings` [n, d], unit vectors.
    """

    entropy: np.ndarray
    margin: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    rarity: np.ndarray
    embeddings: np.ndarray


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities [n, C] -> how far spread they are: 0 for one sure code, 1 for all alike."""
    clipped = np.clip(probabilities, 1e-12, 1)
    return -(probabilities * np.log(clipped)).sum(axis=1) / np.log(probabilities.shape[1])


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities [n, C] -> the best less the second best."""
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0]


def rarity(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Labels [n] and how many texts of each code are known [C] -> 1 / sqrt(1 + count), from 0 to 1."""
    return 1 / np.sqrt(1 + counts[labels])


def random_order(queue: Queue, size: int, seed: int) -> np.ndarray:
    """Any records: what a better order is measured against, and what an unbiased estimate of the accuracy needs."""
    return np.random.default_rng(seed).permutation(len(queue.entropy))[:size]


def uncertain_order(queue: Queue, size: int, seed: int) -> np.ndarray:
    """The largest entropy first."""
    return np.argsort(-queue.entropy, kind="stable")[:size]


def margin_order(queue: Queue, size: int, seed: int) -> np.ndarray:
    """The two best codes closest to each other first."""
    return np.argsort(queue.margin, kind="stable")[:size]


def active_order(queue: Queue, size: int, seed: int) -> np.ndarray:
    """The largest value first: doubt and rarity, times the distance to the nearest record before it.

    Greedy k-centre (Sener and Savarese 2018, "core-set") weighted by the value, among the most valuable records.
    """
    worth = value(queue)
    places = np.argsort(-worth, kind="stable")[: CONSIDERED * size]
    return places[diverse(queue.embeddings[places], worth[places], size)]


def value(queue: Queue) -> np.ndarray:
    """What a review is worth by itself, [n]: the doubt, up to twice as much where the code is rare."""
    return (1 - queue.margin) * (1 + queue.rarity)


def diverse(vectors: np.ndarray, worth: np.ndarray, size: int) -> list[int]:
    """The record with the largest worth [n] times cosine distance to the nearest chosen one, again and again."""
    nearest, left, chosen = np.zeros(len(worth)), np.ones(len(worth), dtype=bool), []
    for _ in range(min(size, len(worth))):
        best = int(np.where(left, worth * (1 - nearest), -np.inf).argmax())
        left[best] = False
        chosen.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen


ORDERS: dict[str, Callable[[Queue, int, int], np.ndarray]] = {
    "active": active_order,
    "entropy": uncertain_order,
    "margin": margin_order,
    "random": random_order,
}


def review_order(
    queue: Queue, size: int, order: str = "active", audit: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Places [size] of the records to review, the most worthwhile first, and which of them [size] were drawn at random.

    A share `audit` is drawn, spread over the queue: what is chosen for its doubt says nothing of how often the model is
    right. ValueError for an unknown order, a size below 1 or a share outside 0 to 1.
    """
    if order not in ORDERS:
        raise ValueError(f"order is {order!r}; allowed: {', '.join(ORDERS)}")
    if size < 1 or not 0 <= audit <= 1:
        raise ValueError(f"size is {size} and audit {audit}; allowed: from 1, from 0 to 1")
    size, generator = min(size, len(queue.entropy)), np.random.default_rng(seed)
    drawn = random_order(queue, round(audit * size), seed)
    chosen = ORDERS[order](queue, size, seed)
    chosen = chosen[~np.isin(chosen, drawn)][: size - len(drawn)]
    is_drawn = np.zeros(size, dtype=bool)
    is_drawn[generator.permutation(size)[: len(drawn)]] = True
    places = np.empty(size, dtype=int)
    places[is_drawn], places[~is_drawn] = drawn, chosen
    return places, is_drawn


def queue_of(
    pipeline, job_titles: Sequence[str], job_duties: Sequence[str], top_k: int = 5, batch_size: int = 64
) -> Queue:
    """What a model knows of records, in their order; ValueError for a record without any text."""
    tokenizer, model = pipeline.tokenizer, pipeline.model

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        for start in range(0, len(job_titles), batch_size):
            texts = zip(job_titles[start : start + batch_size], job_duties[start : start + batch_size], strict=True)
            rows = [record_features(*pair, tokenizer, model.config, model.spelling()) for pair in texts]
            yield collate(rows, tokenizer.pad_token_id or 0)

    return queue_of_batches(model, batches(), top_k)


@torch.no_grad()
def queue_of_batches(model: torch.nn.Module, batches: Iterable[Mapping[str, torch.Tensor]], top_k: int = 5) -> Queue:
    """`queue_of` for records as the model's own inputs."""
    model.eval()
    counts = torch.bincount(model.titles.labels, minlength=model.config.num_labels).cpu().numpy()
    parts = []
    for batch in batches:
        output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        parts.append(summary(output.logits.double().softmax(-1).cpu().numpy(), output.embeddings[:, 0], counts, top_k))
    return Queue(*(np.concatenate(column) for column in zip(*parts)))


def summary(probabilities: np.ndarray, embeddings: torch.Tensor, counts: np.ndarray, top_k: int) -> tuple:
    """The fields of a `Queue` for one batch."""
    labels = np.argsort(-probabilities, axis=1)[:, :top_k]
    confidence = np.take_along_axis(probabilities, labels, axis=1)
    doubt = entropy(probabilities), margin(probabilities)
    return *doubt, labels, confidence, rarity(labels[:, 0], counts), embeddings.float().cpu().numpy()
