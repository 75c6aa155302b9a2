"""Texts whose code is known, kept beside the encoder: how near a record comes to each code's titles and definitions."""

import torch
from torch import nn
from torch.nn import functional as F

SIZES = ("texts", "ngrams", "tokens")


class Memory(nn.Module):
    """`texts` known texts in the order of their labels, as embeddings, n-grams and tokens; all of it buffers.

    Ragged lists are stored one after the other: text i has the entries from `starts[i]` to `starts[i + 1]`.
    """

    def __init__(self, num_labels: int, hidden_size: int, texts: int = 0, ngrams: int = 0, tokens: int = 0):
        super().__init__()
        self.register_buffer("labels", torch.zeros(texts, dtype=torch.long))
        self.register_buffer("embeddings", torch.zeros(texts, hidden_size))
        self.register_buffer("centroids", torch.zeros(num_labels, hidden_size))
        self.register_buffer("ngram_starts", torch.zeros(texts + 1, dtype=torch.long))
        self.register_buffer("ngram_ids", torch.zeros(ngrams, dtype=torch.int32))
        self.register_buffer("ngram_values", torch.zeros(ngrams))
        self.register_buffer("token_starts", torch.zeros(texts + 1, dtype=torch.long))
        self.register_buffer("token_ids", torch.zeros(tokens, dtype=torch.int32))

    def sizes(self) -> dict[str, int]:
        """What the constructor needs to make room for this memory."""
        return dict(zip(SIZES, (len(self.labels), len(self.ngram_ids), len(self.token_ids))))

    def nearest(self, queries: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B, d] -> [B, C]: cosine to the nearest text of each code, 0 for a code without any."""
        return self._best(self.embeddings @ queries.T)

    def central(self, queries: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B, d] -> [B, C]: cosine to the mean of each code's texts, 0 for a code without any."""
        return queries @ self.centroids.T

    def lexical(self, ngrams: torch.Tensor) -> torch.Tensor:
        """N-gram weights [B, buckets], of unit length -> [B, C]: cosine to the nearest text of each code."""
        columns = ngrams.T.contiguous()
        starts, ids = self.ngram_starts[:-1], self.ngram_ids.long()
        scores = F.embedding_bag(
            ids, columns, starts, mode="sum", per_sample_weights=self.ngram_values.to(columns.dtype)
        )
        return self._best(scores)

    def _best(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores [texts, B] -> the largest of each code [B, C]."""
        found = scores.new_full((len(self.centroids), scores.shape[1]), -1.0)
        found = found.scatter_reduce(0, self.labels[:, None].expand_as(scores), scores, "amax")
        return found.masked_fill(found == -1.0, 0.0).T

    @torch.no_grad()
    def set_embeddings(self, embeddings: torch.Tensor) -> None:
        """Unit vectors [texts, d] of the texts, in their order; the means of the codes follow from them."""
        self.embeddings = embeddings
        sums = torch.zeros_like(self.centroids).index_add_(0, self.labels, embeddings.to(self.centroids.dtype))
        self.centroids = F.normalize(sums, dim=-1)

    def texts_of(self, starts: torch.Tensor, values: torch.Tensor) -> list[torch.Tensor]:
        """A ragged list as one tensor a text."""
        return list(torch.split(values, starts.diff().tolist()))
