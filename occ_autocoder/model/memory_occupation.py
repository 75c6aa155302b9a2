"""Texts whose code is known, kept beside the encoder: how near a record comes to each code's titles and definitions."""

import torch
from torch import nn
from torch.nn import functional as F

SIZES = ("texts", "ngrams", "tokens")


class Memory(nn.Module):
    """`texts` known texts in the order of their labels, as embeddings, n-grams and tokens; all of it buffers.

    Ragged lists are stored one after the other: text i has the tokens from `token_starts[i]` to `token_starts[i + 1]`.
    The n-grams are an inverted index: the texts that have the n-gram of a bucket, and its weight in each.
    """

    def __init__(
        self, num_labels: int, hidden_size: int, buckets: int, texts: int = 0, ngrams: int = 0, tokens: int = 0
    ):
        super().__init__()
        self.register_buffer("labels", torch.zeros(texts, dtype=torch.long))
        self.register_buffer("embeddings", torch.zeros(texts, hidden_size))
        self.register_buffer("centroids", torch.zeros(num_labels, hidden_size))
        self.register_buffer("ngram_starts", torch.zeros(buckets + 1, dtype=torch.long))
        self.register_buffer("ngram_texts", torch.zeros(ngrams, dtype=torch.int32))
        self.register_buffer("ngram_values", torch.zeros(ngrams))
        self.register_buffer("token_starts", torch.zeros(texts + 1, dtype=torch.long))
        self.register_buffer("token_ids", torch.zeros(tokens, dtype=torch.int32))

    def sizes(self) -> dict[str, int]:
        """What the constructor needs to make room for this memory."""
        return dict(zip(SIZES, (len(self.labels), len(self.ngram_texts), len(self.token_ids))))

    def nearest(self, queries: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B, d] -> [B, C]: cosine to the nearest text of each code, 0 for a code without any."""
        return self._best(self.embeddings @ queries.T)

    def central(self, queries: torch.Tensor) -> torch.Tensor:
        """Unit vectors [B, d] -> [B, C]: cosine to the mean of each code's texts, 0 for a code without any."""
        return queries @ self.centroids.T

    def lexical(self, ids: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """N-grams and their weights [B, L], of unit length -> [B, C]: cosine to the nearest text of each code."""
        rows, columns = values.nonzero(as_tuple=True)
        buckets = ids[rows, columns]
        starts, counts = self.ngram_starts[buckets], self.ngram_starts[buckets + 1] - self.ngram_starts[buckets]
        which = torch.arange(len(buckets), device=ids.device).repeat_interleave(counts)
        first = counts.cumsum(0) - counts
        entries = torch.arange(len(which), device=ids.device) - first[which] + starts[which]
        products = values[rows, columns][which] * self.ngram_values[entries].to(values.dtype)
        scores = values.new_zeros(len(ids) * len(self.labels))
        scores.index_add_(0, rows[which] * len(self.labels) + self.ngram_texts[entries], products)
        return self._best(scores.view(len(ids), len(self.labels)).T)

    @torch.no_grad()
    def set_ngrams(self, texts: torch.Tensor, ids: torch.Tensor, values: torch.Tensor) -> None:
        """Make the index of n-grams from one entry [E] a text and n-gram: which text, which bucket, its weight."""
        order = torch.argsort(ids, stable=True)
        counts = torch.bincount(ids, minlength=len(self.ngram_starts) - 1)
        self.ngram_starts = F.pad(counts.cumsum(0), (1, 0))
        self.ngram_texts, self.ngram_values = texts[order].int(), values[order]

    def ngrams(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What `set_ngrams` made the index from, in the index's order."""
        buckets = torch.arange(len(self.ngram_starts) - 1, device=self.ngram_starts.device)
        return self.ngram_texts.long(), buckets.repeat_interleave(self.ngram_starts.diff()), self.ngram_values

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
