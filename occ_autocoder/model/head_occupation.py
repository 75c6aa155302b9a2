"""The trained part: multilayer heads over a record's embedding and its n-grams, and the weights of the evidence."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .text_occupation import FORMS

# What is known of a record and a code, and its weight in each of `FORMS` before any record has been seen: round figures
# of what was fitted on public classifications.
EVIDENCE = {
    "title_nearest_title": (6.0, 8.0, 1.0),
    "title_central_title": (3.0, 6.0, 1.0),
    "text_nearest_title": (5.0, 1.0, 12.0),
    "text_central_title": (12.0, 1.0, 12.0),
    "text_nearest_definition": (10.0, 1.0, 10.0),
    "text_central_definition": (2.0, 3.0, 2.0),
    "ngrams_nearest_title": (4.0, 4.0, 1.0),
    "ngrams_nearest_definition": (8.0, 5.0, 8.0),
    "semantic_head": (0.5, 0.5, 0.5),
    "lexical_head": (0.5, 0.5, 0.5),
}


class Layers(nn.Module):
    """Two layers, and a straight way past them."""

    def __init__(self, width: int, config):
        super().__init__()
        self.scale = width**0.5  # the entries of a unit vector become about 1 in size, as the layers expect
        self.hidden = nn.Linear(width, config.head_hidden_size)
        self.dropout = nn.Dropout(config.head_dropout)
        self.output = nn.Linear(config.head_hidden_size, config.num_labels)
        self.direct = nn.Linear(width, config.num_labels, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [B, width] -> logits [B, C]."""
        features = self.scale * features
        return self.output(self.dropout(F.gelu(self.hidden(features)))) + self.direct(features)

    def add_labels(self, count: int) -> None:
        """Rows of zeros for `count` labels more."""
        self.output, self.direct = extended(self.output, count), extended(self.direct, count)


class OccupationHead(nn.Module):
    """Two multilayer heads, each with a logit a code: over the embedding of a record's text, and over its n-grams.

    Each is trained with a loss of its own: one head over both leans on the n-grams, which fit its training texts
    sooner than the embedding does, and is worse at texts in other words.
    """

    def __init__(self, config):
        super().__init__()
        self.ngrams = nn.EmbeddingBag(2 * config.ngram_buckets, config.ngram_dim, mode="sum")
        self.semantic = Layers(config.encoder_config.hidden_size, config)
        self.lexical = Layers(config.ngram_dim, config)

    def forward(self, embeddings: torch.Tensor, ngram_ids: torch.Tensor, ngram_values: torch.Tensor) -> torch.Tensor:
        """Embeddings [B, d], n-gram ids and weights [B, L] (weight 0: padding) -> logits [B, 2, C] of the heads."""
        bag = self.bag(ngram_ids, ngram_values).to(embeddings.dtype)
        return torch.stack([self.semantic(embeddings), self.lexical(bag)], dim=1)

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits [B, 2, C] -> log-probabilities among the trained labels; by chance for labels never trained."""
        trained = self.semantic.output.weight.any(dim=1) | self.lexical.output.weight.any(dim=1)
        found = F.log_softmax(logits.masked_fill(~trained, float("-inf")), dim=-1)
        return found.masked_fill(~trained, -math.log(len(trained)))

    def add_labels(self, count: int) -> None:
        """Room for `count` labels more, on which the heads have no opinion until they are trained."""
        self.semantic.add_labels(count)
        self.lexical.add_labels(count)

    def bag(self, ngram_ids: torch.Tensor, ngram_values: torch.Tensor) -> torch.Tensor:
        """The n-grams' vectors, added with their weights: [B, ngram_dim]."""
        present = ngram_values != 0
        starts = F.pad(present.sum(1).cumsum(0), (1, 0))[:-1]
        weights = ngram_values[present].to(self.ngrams.weight.dtype)
        return self.ngrams(ngram_ids[present], starts, per_sample_weights=weights)


def extended(layer: nn.Linear, count: int) -> nn.Linear:
    """The layer with `count` outputs more, whose weights are 0."""
    wider = nn.Linear(layer.in_features, layer.out_features + count, bias=layer.bias is not None)
    wider = wider.to(layer.weight)
    for name, values in layer.named_parameters():
        fresh = torch.zeros_like(getattr(wider, name))
        fresh[: layer.out_features] = values.detach()
        setattr(wider, name, nn.Parameter(fresh))
    return wider


class Fusion(nn.Module):
    """Evidence -> one logit a code: a weighted sum, the weights depending on which fields the record has."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(self.prior())

    @staticmethod
    def prior() -> torch.Tensor:
        """The weights before any record was seen: [forms, evidence]."""
        return torch.tensor(list(EVIDENCE.values())).T.contiguous()

    def forward(self, evidence: torch.Tensor, forms: torch.Tensor) -> torch.Tensor:
        """Evidence [B, C, K] and each record's place in `FORMS` [B] -> logits [B, C]."""
        return torch.einsum("bck,bk->bc", evidence, self.weight[forms].to(evidence.dtype))


assert all(len(weights) == len(FORMS) for weights in EVIDENCE.values())
