"""Filling the memory of known texts, and codes that are added to a trained model from their texts alone."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch.nn import functional as F

from .features_occupation import pad, tokenize
from .memory_occupation import Memory
from .ngrams_occupation import text_ngrams, title_ngrams
from .text_occupation import normalize, render

KnownText = tuple[str, int]


def remember(model, tokenizer, titles: Sequence[KnownText], definitions: Sequence[KnownText]) -> None:
    """Put known texts, (text, label) pairs, into the model's memories in place of what is there.

    The n-grams' weights, log((1 + texts) / (1 + texts with it)) + 1, are counted on these texts.
    """
    titles, definitions = cleaned(titles), cleaned(definitions)
    buckets = model.config.ngram_buckets
    title_grams = [title_ngrams(text, buckets) for text, _ in titles]
    text_grams = [text_ngrams("", text, buckets) for text, _ in definitions]
    word_grams = [text_ngrams(text, "", buckets) for text, _ in titles]
    weights = inverse_frequencies(title_grams, 2 * buckets)
    weights[buckets:] = inverse_frequencies([*text_grams, *word_grams], 2 * buckets)[buckets:]
    model.ngram_weights = weights.to(model.ngram_weights)
    model.titles = filled(model, titles, title_grams, [tokenize(render(text), tokenizer, model.config)[0] for text, _ in titles])
    duties = [tokenize(render("", text), tokenizer, model.config)[0] for text, _ in definitions]
    model.definitions = filled(model, definitions, text_grams, duties)
    model.config.title_memory, model.config.definition_memory = model.titles.sizes(), model.definitions.sizes()
    embed_memory(model, tokenizer.pad_token_id or 0)


def cleaned(texts: Sequence[KnownText]) -> list[KnownText]:
    """The texts normalised, each once a label, empty ones left out, in the order of the labels."""
    found = dict.fromkeys((normalize(text), label) for text, label in texts)
    return sorted((pair for pair in found if pair[0]), key=lambda pair: pair[1])


def inverse_frequencies(ngrams: Sequence[tuple[list[int], list[float]]], buckets: int) -> torch.Tensor:
    """[buckets], the weight of each n-gram by the texts that have it, as scikit-learn's smooth inverse frequency."""
    counts = Counter(number for ids, _ in ngrams for number in ids)
    found = torch.zeros(buckets)
    if counts:
        found[list(counts)] = torch.tensor([float(count) for count in counts.values()])
    return (math.log(1 + len(ngrams)) - torch.log1p(found)) + 1.0


def filled(model, texts: Sequence[KnownText], ngrams: Sequence[tuple], tokens: Sequence[list[int]]) -> Memory:
    """A memory of the texts without their embeddings."""
    memory = Memory(model.config.num_labels, model.config.encoder_config.hidden_size)
    memory.labels = torch.tensor([label for _, label in texts], dtype=torch.long)
    ids = [torch.tensor(numbers, dtype=torch.long) for numbers, _ in ngrams]
    values = [F.normalize(torch.tensor(counts) * model.ngram_weights[i], dim=0) for i, (_, counts) in zip(ids, ngrams)]
    memory.ngram_starts, memory.ngram_ids = ragged(ids)
    memory.ngram_values = torch.cat([*values, torch.zeros(0)])
    memory.token_starts, memory.token_ids = ragged([torch.tensor(row) for row in tokens])
    memory.embeddings = torch.zeros(len(texts), model.config.encoder_config.hidden_size)
    return memory.to(model.device)


def ragged(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of integers, one after the other: where each starts [rows + 1], and their entries."""
    ends = torch.tensor([len(row) for row in rows], dtype=torch.long).cumsum(0)
    return torch.cat([torch.zeros(1, dtype=torch.long), ends]), torch.cat([*rows, torch.zeros(0, dtype=torch.long)]).int()


def embed_memory(model, pad_token_id: int = 0, batch_size: int = 64) -> None:
    """Embed the memory's texts with the encoder as it is now: call it when the encoder was trained."""
    for memory in (model.titles, model.definitions):
        memory.set_embeddings(embed_tokens(model, memory.texts_of(memory.token_starts, memory.token_ids), pad_token_id, batch_size))


@torch.no_grad()
def embed_tokens(model, tokens: Sequence[torch.Tensor], pad_token_id: int, batch_size: int = 64) -> torch.Tensor:
    """Unit vectors [texts, d] of tokenised texts, in their order; batches are of like length."""
    was_training = model.training
    model.eval()
    order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
    found = torch.zeros(len(tokens), model.config.encoder_config.hidden_size, device=model.device)
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        rows = [tokens[place].tolist() for place in places]
        mask = pad([[1] * len(row) for row in rows], 0)
        found[places] = model.encode(pad(rows, pad_token_id).to(model.device), mask.to(model.device)).to(found.dtype)
    model.train(was_training)
    return found


def occupation_texts(occupation: Mapping) -> tuple[list[str], list[str]]:
    """The titles, and the texts about the work, that an occupation (a dict of `Occupation`'s fields) brings along."""
    title = occupation["title"]
    titles = [title, *occupation.get("examples", ())]
    about = [occupation.get("definition", ""), " ".join(occupation.get("tasks", ()))]
    return titles, [f"{title}. {text}" for text in about if text]
