"""Filling the memory of known texts, and codes that are added to a trained model from their texts alone."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch.nn import functional as F

from .features_occupation import pad, tokenize
from .memory_occupation import Memory
from .ngrams_occupation import text_ngrams, title_ngrams
from .spelling_occupation import words
from .text_occupation import normalize, read_title, render

KnownText = tuple[str, int]
Embed = Callable[[list[torch.Tensor]], torch.Tensor]


class Kind(NamedTuple):
    """How a known text is taken: as which n-grams, and in which template."""

    ngrams: Callable[[str, int], tuple[list[int], list[float]]]
    render: Callable[[str], str]


TITLE = Kind(title_ngrams, render)
DUTIES = Kind(partial(text_ngrams, ""), partial(render, ""))


def remember(
    model, tokenizer, titles: Sequence[KnownText], definitions: Sequence[KnownText], embed: Embed | None = None
) -> None:
    """Put known texts, (text, label) pairs, into the model's memories in place of what is there.

    The n-grams' weights, log((1 + texts) / (1 + texts with it)) + 1 as scikit-learn's, are counted on these texts.
    `embed` gives the embeddings of tokenised texts, where somebody has them already; the encoder's own where None.
    """
    titles, definitions = cleaned(titles, read_title), cleaned(definitions, str.casefold)
    know_words(model.config, titles, definitions)
    weights = inverse_frequencies(titles, definitions, model.config.ngram_buckets)
    model.ngram_weights = weights.to(model.ngram_weights)
    model.titles = filled(model, tokenizer, titles, TITLE)
    model.definitions = filled(model, tokenizer, definitions, DUTIES)
    embed_memory(model, tokenizer.pad_token_id or 0, embed)
    set_sizes(model)


def add_occupations(model, tokenizer, occupations: Sequence[Mapping]) -> None:
    """Make codes that the model has never been trained on labels of it, from their titles and definitions alone.

    The head has no opinion on them, so the memory decides; training the model further gives it one.

    Args:
        occupations: dicts with `code`, `title`, `parent`, `level`, and `definition`, `tasks`, `examples` if known.
    Raises:
        ValueError: for a code that is a label already, a parent that the classification lacks, or none at all.
    """
    check_new(model.config, occupations)
    first = model.config.num_labels
    titles, definitions = [], []
    for label, occupation in enumerate(occupations, start=first):
        own_titles, about = occupation_texts(occupation)
        titles += [(text, label) for text in own_titles]
        definitions += [(text, label) for text in about]
    titles, definitions = cleaned(titles, read_title), cleaned(definitions, str.casefold)
    add_labels(model, occupations)
    know_words(model.config, titles, definitions, Counter(model.config.title_words), {*model.config.text_words})
    weigh_new_ngrams(model, titles, definitions)
    model.titles = joined(model, model.titles, filled(model, tokenizer, titles, TITLE), tokenizer)
    model.definitions = joined(model, model.definitions, filled(model, tokenizer, definitions, DUTIES), tokenizer)
    set_sizes(model)


def check_new(config, occupations: Sequence[Mapping]) -> None:
    """ValueError unless every occupation can be added."""
    new = [occupation["code"] for occupation in occupations]
    for occupation in occupations:
        code, parent = occupation["code"], occupation["parent"]
        if code in config.label2id or new.count(code) > 1:
            raise ValueError(f"code {code!r} is there already; allowed: codes that are no labels yet, each once")
        if parent is not None and parent not in config.occupations:
            raise ValueError(f"code {code!r}: parent {parent!r} is not in {config.scheme}; allowed: one of its codes")


def add_labels(model, occupations: Sequence[Mapping]) -> None:
    """Room for the codes in the configuration and the head; their rows in the head are 0: it has no opinion."""
    config = model.config
    codes = [*(config.id2label[label] for label in range(config.num_labels)), *(item["code"] for item in occupations)]
    config.id2label, config.label2id = dict(enumerate(codes)), {code: label for label, code in enumerate(codes)}
    fields = ("title", "parent", "level")
    added = {item["code"]: {name: item[name] for name in fields} for item in occupations}
    config.occupations = {**config.occupations, **added}
    model.head.add_labels(len(occupations))
    model.num_labels = len(codes)


def weigh_new_ngrams(model, titles: Sequence[KnownText], definitions: Sequence[KnownText]) -> None:
    """N-grams that no remembered text had weigh as much as the rarest that one had."""
    buckets = model.config.ngram_buckets
    for text, ngrams in [*((text, TITLE) for text, _ in titles), *((text, DUTIES) for text, _ in definitions)]:
        ids, _ = ngrams.ngrams(text, buckets)
        half = slice(0, buckets) if ngrams is TITLE else slice(buckets, 2 * buckets)
        fresh = [number for number in ids if model.ngram_weights[number] == 0]
        model.ngram_weights[fresh] = model.ngram_weights[half].max()


def know_words(
    config,
    titles: Sequence[KnownText],
    definitions: Sequence[KnownText],
    counts: Counter | None = None,
    others: set[str] | None = None,
) -> None:
    """Put the words of known texts into the configuration, beside the `counts` and `others` that are known already."""
    counts, others = counts or Counter(), others or set()
    counts.update(word for text, _ in titles for word in words(text))
    others.update(word for text, _ in definitions for word in words(text))
    config.title_words = dict(sorted(counts.items()))
    config.text_words = sorted(others - {*counts})


def set_sizes(model) -> None:
    """Tell the configuration how large the memories are, so that a saved model has room for them when it is loaded."""
    model.config.title_memory, model.config.definition_memory = model.titles.sizes(), model.definitions.sizes()


def cleaned(texts: Sequence[KnownText], read: Callable[[str], str]) -> list[KnownText]:
    """The texts as a record's are read, each once a label, empty ones left out, in the order of the labels."""
    found = dict.fromkeys((read(normalize(text)), label) for text, label in texts)
    return sorted((pair for pair in found if pair[0]), key=lambda pair: pair[1])


def inverse_frequencies(titles: Sequence[KnownText], definitions: Sequence[KnownText], buckets: int) -> torch.Tensor:
    """[2 * buckets], the weight of each n-gram by the texts that have it; 0 for one that none has."""
    weights = torch.zeros(2 * buckets)
    kinds = ([TITLE.ngrams(text, buckets)[0] for text, _ in titles], word_buckets(titles, definitions, buckets))
    for texts in kinds:
        for number, count in Counter(number for ids in texts for number in ids).items():
            weights[number] = math.log((1 + len(texts)) / (1 + count)) + 1
    return weights


def word_buckets(titles: Sequence[KnownText], definitions: Sequence[KnownText], buckets: int) -> list[list[int]]:
    """The buckets of the word n-grams of every text."""
    return [DUTIES.ngrams(text, buckets)[0] for text, _ in [*titles, *definitions]]


def filled(model, tokenizer, texts: Sequence[KnownText], kind: Kind) -> Memory:
    """A memory of the texts, their embeddings still 0."""
    config = model.config
    memory = Memory(config.num_labels, config.encoder_config.hidden_size, len(texts))
    memory.labels = torch.tensor([label for _, label in texts], dtype=torch.long)
    found = [kind.ngrams(text, config.ngram_buckets) for text, _ in texts]
    ids = [torch.tensor(numbers, dtype=torch.long) for numbers, _ in found]
    weights = model.ngram_weights.cpu()
    values = [F.normalize(torch.tensor(counts) * weights[i], dim=0) for i, (_, counts) in zip(ids, found)]
    memory.ngram_starts, memory.ngram_ids = ragged(ids)
    memory.ngram_values = torch.cat([*values, torch.zeros(0)])
    tokens = [torch.tensor(tokenize(kind.render(text), tokenizer, config)[0]) for text, _ in texts]
    memory.token_starts, memory.token_ids = ragged(tokens)
    return memory.to(model.device)


def joined(model, memory: Memory, more: Memory, tokenizer) -> Memory:
    """The texts of both memories, of which the second's labels are the higher ones; the second's are embedded now."""
    tokens = more.texts_of(more.token_starts, more.token_ids)
    more.embeddings = embed_tokens(model, tokens, tokenizer.pad_token_id or 0).to(memory.embeddings)
    both = Memory(len(more.centroids), more.centroids.shape[1])
    for name in ("labels", "embeddings", "ngram_ids", "ngram_values", "token_ids"):
        setattr(both, name, torch.cat([getattr(memory, name), getattr(more, name)]))
    for name in ("ngram_starts", "token_starts"):
        first, second = getattr(memory, name), getattr(more, name)
        setattr(both, name, torch.cat([first, second[1:] + first[-1]]))
    both = both.to(memory.labels.device)
    both.set_embeddings(both.embeddings)
    return both


def ragged(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of integers, one after the other: where each starts [rows + 1], and their entries."""
    ends = torch.tensor([len(row) for row in rows], dtype=torch.long).cumsum(0)
    return torch.cat([torch.zeros(1, dtype=torch.long), ends]), torch.cat(
        [*rows, torch.zeros(0, dtype=torch.long)]
    ).int()


def embed_memory(model, pad_token_id: int = 0, embed: Embed | None = None) -> None:
    """Embed the memory's texts, with the encoder as it is now: call it when the encoder was trained."""
    for memory in (model.titles, model.definitions):
        tokens = memory.texts_of(memory.token_starts, memory.token_ids)
        found = embed(tokens) if embed else embed_tokens(model, tokens, pad_token_id)
        memory.set_embeddings(found.to(memory.centroids))


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
