"""Why a record got its code: the known texts that it is nearest to, the words that mattered, and the rival code."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from .configuration_occupation import by_form
from .features_occupation import TEXT_FIELDS, collate, record_features, tokenize
from .head_occupation import EVIDENCE
from .memory_occupation import Memory
from .remember_occupation import DUTIES, embed_tokens
from .text_occupation import normalize

MOST_PIECES = 48
SHOWN_WORDS = 8
BATCH = 16
_FIELD = re.compile(r"^.*?job\s*_\s*(title|duties)\s*=\s*", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.;])\s+")


class Piece(NamedTuple):
    """A word of a record, or a few in a row of a long one: the field it stands in, its text, the record without it."""

    field: str
    text: str
    rest: tuple[str, str]


def explain(model, tokenizer, job_title: str, job_duties: str, top_k: int = 3) -> list[dict]:
    """The evidence for each of the `top_k` most probable codes of a record, the most probable first.

    Every item is a dict:
        label, title, score: as the pipeline gives them.
        nearest_title, nearest_definition: {"text", "similarity"} of the code's known title that is nearest to the
            record's title (or text), and of the sentence of its nearest known text about the work; None without any.
        words: {"field", "text", "weight"} of the words without which the code's log-odds, before the model's doubt,
            change most (nats, above 0 where the word speaks for the code), found by leaving each out in turn
            (occlusion; Li, Monroe and Jurafsky 2016, "Understanding neural networks through representation erasure").
        rival: the most probable other code: {"label", "title", "score", "words", "evidence"}. Its `words` are those
            that speak most for the code and against the rival, in nats of log-odds; `evidence` is the log-odds, before
            the model's doubt, as a sum over its kinds of evidence.
    Raises: ValueError for a record with neither title nor duties.
    """
    fields = normalize(job_title), normalize(job_duties)
    record = outputs(model, tokenizer, [fields])
    scores = record["scores"][0]
    order = scores.argsort(descending=True).tolist()
    pieces = list(pieces_of(fields))
    whole, without = record["log_probabilities"][0], left_out(model, tokenizer, len(scores), pieces)

    def about(label: int) -> dict:
        rivals = [other for other in order[:2] if other != label]
        against = [rival_of(model, record, scores, pieces, whole - without, label, rival) for rival in rivals[:1]]
        return {
            **named(model.config, label, scores),
            "nearest_title": nearest_title(model, tokenizer, record["embeddings"][0], label),
            "nearest_definition": nearest_definition(model, tokenizer, record["embeddings"][0, 0], label),
            "words": strongest(pieces, log_odds(whole[label]) - log_odds(without[:, label])),
            "rival": against[0] if against else None,
        }

    return [about(label) for label in order[:top_k]]


def rival_of(model, record: dict, scores, pieces: Sequence[Piece], weights, label: int, rival: int) -> dict:
    """What speaks for a label and against its rival."""
    evidence, form = record["evidence"][0], int(record["form"][0])
    return {
        **named(model.config, rival, scores),
        "words": strongest(pieces, weights[:, label] - weights[:, rival]),
        "evidence": evidence_against(model, evidence, form, label, rival),
    }


@torch.no_grad()
def outputs(model, tokenizer, records: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """What the model makes of records (title, duties): scores [n, C], log-probabilities, evidence, embeddings, forms.

    The log-probabilities are those before the doubt, which hides what makes a sure record surer.
    """
    temperatures = torch.tensor(by_form(model.config.softmax_temperature), device=model.device)
    model.eval()
    parts = []
    for start in range(0, len(records), BATCH):
        part = records[start : start + BATCH]
        features = [record_features(*fields, tokenizer, model.config, model.spelling()) for fields in part]
        batch = collate(features, tokenizer.pad_token_id or 0)
        batch = {name: value.to(model.device) for name, value in batch.items()}
        found = model(**batch, output_evidence=True)
        known = model.fusion(found.evidence, batch["form"]) / temperatures[batch["form"]].unsqueeze(-1)
        scores, before = found.logits.double().softmax(-1), known.double().log_softmax(-1)
        parts.append((scores, before, found.evidence, found.embeddings, batch["form"]))
    names = ("scores", "log_probabilities", "evidence", "embeddings", "form")
    return {name: torch.cat(values).cpu() for name, values in zip(names, zip(*parts))}


def pieces_of(fields: tuple[str, str]) -> Iterator[Piece]:
    """The words of both fields, or of a long record at most about `MOST_PIECES` runs of words."""
    words = [text.split(" ") if text else [] for text in fields]
    size = -(-sum(map(len, words)) // MOST_PIECES)
    for place, own in enumerate(words):
        for start in range(0, len(own), size):
            rest = [*fields]
            rest[place] = " ".join([*own[:start], *own[start + size :]])
            yield Piece(TEXT_FIELDS[place], " ".join(own[start : start + size]), tuple(rest))


def left_out(model, tokenizer, classes: int, pieces: Sequence[Piece]) -> torch.Tensor:
    """[pieces, C], the log-probabilities of the record without each piece; by chance where nothing is left."""
    rest = [piece.rest for piece in pieces if any(piece.rest)]
    known = iter(outputs(model, tokenizer, rest)["log_probabilities"] if rest else ())
    chance = torch.full((classes,), 1 / classes, dtype=torch.double).log()
    return torch.stack([next(known) if any(piece.rest) else chance for piece in pieces])


def strongest(pieces: Sequence[Piece], weights: torch.Tensor) -> list[dict]:
    """The pieces with the largest weights [pieces], whatever their sign."""
    best = weights.abs().argsort(descending=True)[:SHOWN_WORDS].tolist()
    return [{"field": pieces[i].field, "text": pieces[i].text, "weight": weights[i].item()} for i in best]


def named(config, label: int, scores: torch.Tensor) -> dict:
    """A label as the pipeline shows it."""
    code = config.id2label[label]
    title = config.occupations.get(code, {}).get("title", "")
    return {"label": code, "title": title, "score": scores[label].item()}


def log_odds(log_probabilities: torch.Tensor) -> torch.Tensor:
    """Of log-probabilities, kept a little below 0."""
    probabilities = log_probabilities.exp().clamp(max=1 - 1e-12)
    return log_probabilities - torch.log1p(-probabilities)


def evidence_against(model, evidence: torch.Tensor, form: int, label: int, rival: int) -> dict[str, float]:
    """Kind of evidence -> its part of the log-odds of a label to its rival before the doubt; they sum to it."""
    temperature = by_form(model.config.softmax_temperature)[form]
    weights = model.fusion.weight[form].detach().cpu().double() / temperature
    parts = weights * (evidence[label] - evidence[rival]).double()
    return dict(zip(EVIDENCE, parts.tolist()))


def nearest_title(model, tokenizer, embeddings: torch.Tensor, label: int) -> dict | None:
    """The code's known title that is nearest to the record's title, or to its text where it has no title."""
    query = embeddings[1] if embeddings[1].any() else embeddings[0]
    place, similarity = nearest(model.titles, query, label)
    return place if place is None else {"text": known_text(model.titles, tokenizer, place), "similarity": similarity}


def nearest_definition(model, tokenizer, query: torch.Tensor, label: int) -> dict | None:
    """The sentence nearest to the record's text in the code's known text about the work that is nearest to it."""
    place, similarity = nearest(model.definitions, query, label)
    if place is None:
        return None
    sentences = [text for text in _SENTENCE.split(known_text(model.definitions, tokenizer, place)) if text]
    if len(sentences) > 1:
        tokens = [torch.tensor(tokenize(DUTIES.render(text), tokenizer, model.config)[0]) for text in sentences]
        similarities = embed_tokens(model, tokens, tokenizer.pad_token_id or 0).cpu() @ query
        best = int(similarities.argmax())
        return {"text": sentences[best], "similarity": similarities[best].item()}
    return {"text": " ".join(sentences), "similarity": similarity}


def nearest(memory: Memory, query: torch.Tensor, label: int) -> tuple[int | None, float]:
    """The place in the memory of a label's text that is nearest to a unit vector [d], and the cosine."""
    places = (memory.labels == label).nonzero().squeeze(-1)
    if not len(places):
        return None, 0.0
    similarities = memory.embeddings[places] @ query.to(memory.embeddings)
    best = int(similarities.argmax())
    return int(places[best]), similarities[best].item()


def known_text(memory: Memory, tokenizer, place: int) -> str:
    """A text of the memory as its tokens tell it, without the template; in small letters where the encoder has none."""
    start, end = memory.token_starts[place : place + 2].tolist()
    text = tokenizer.decode(memory.token_ids[start:end].tolist(), skip_special_tokens=True)
    return _FIELD.sub("", text, count=1).strip()
