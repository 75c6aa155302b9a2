"""The trained part: a multilayer head over a record's embeddings and n-grams, and the weights of the evidence."""

import torch
from torch import nn
from torch.nn import functional as F

from .text_occupation import FORMS

# What is known of a record and a code, one weight each in every form. Before any record is seen the weights are these,
# found on public classifications; `fit_fusion` starts from them.
EVIDENCE = {
    "title_nearest_title": 6.0,
    "title_central_title": 3.0,
    "text_nearest_title": 6.0,
    "text_central_title": 3.0,
    "text_nearest_definition": 6.0,
    "text_central_definition": 3.0,
    "ngrams_nearest_title": 8.0,
    "ngrams_nearest_definition": 6.0,
    "head": 0.5,
}


class OccupationHead(nn.Module):
    """Two layers, and a straight way past them, from a record's two embeddings and its n-grams to a logit a code."""

    def __init__(self, config):
        super().__init__()
        self.ngrams = nn.Embedding(2 * config.ngram_buckets, config.ngram_dim)
        width = 2 * config.encoder_config.hidden_size + config.ngram_dim
        self.hidden = nn.Linear(width, config.head_hidden_size)
        self.dropout = nn.Dropout(config.head_dropout)
        self.output = nn.Linear(config.head_hidden_size, config.num_labels)
        self.direct = nn.Linear(width, config.num_labels, bias=False)

    def forward(self, embeddings, ngram_ids, ngram_values):
        """Embeddings [B, 2, d], n-gram ids and weights [B, L] (weight 0: padding) -> logits [B, C]."""
        lexical = (self.ngrams(ngram_ids) * ngram_values.unsqueeze(-1).to(embeddings.dtype)).sum(1)
        features = torch.cat([embeddings.flatten(1), lexical], dim=-1)
        return self.output(self.dropout(F.gelu(self.hidden(features)))) + self.direct(features)


class Fusion(nn.Module):
    """Evidence -> one logit a code: a weighted sum, the weights depending on which fields the record has."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(self.prior())

    @staticmethod
    def prior() -> torch.Tensor:
        """The weights before any record was seen: [forms, evidence]."""
        return torch.tensor([list(EVIDENCE.values())] * len(FORMS))

    def forward(self, evidence: torch.Tensor, forms: torch.Tensor) -> torch.Tensor:
        """Evidence [B, C, K] and each record's place in `FORMS` [B] -> logits [B, C]."""
        return torch.einsum("bck,bk->bc", evidence, self.weight[forms])
