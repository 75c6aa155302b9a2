"""The torch modules of the neural coders: ids -> one logit a code, with what the training loop asks of a model."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoModel, AutoModelForSequenceClassification
from transformers.modeling_outputs import ModelOutput

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM}


@dataclass
class Logits(ModelOutput):
    """`logits` [B, C], and as the loop's single head [B, 1, C]."""

    logits: torch.FloatTensor | None = None
    head_logits: torch.FloatTensor | None = None


class Network(nn.Module):
    """A body, ids and mask [B, L] -> logits [B, C], as the loop takes a model."""

    def __init__(self, classes: int):
        super().__init__()
        self.config = SimpleNamespace(num_labels=classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, head_only: bool = False) -> Logits:
        """Logits of a batch; a row without any id has those of an empty text."""
        logits = self.body(input_ids, attention_mask)
        return Logits(logits=logits, head_logits=logits.unsqueeze(1))


class Recurrent(Network):
    """Word vectors, a recurrent layer in both directions, the mean over the text, one linear layer.

    The word vectors start as the encoder's own input embeddings, and are trained.
    """

    def __init__(self, source: str, classes: int, cell: str, hidden_size: int = 256, dropout: float = 0.3):
        super().__init__(classes)
        known = AutoModel.from_pretrained(source).get_input_embeddings().weight.detach()
        self.words = nn.Embedding.from_pretrained(known.clone().float(), freeze=False)
        self.cell = CELLS[cell](known.shape[1], hidden_size, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden_size, classes)

    def body(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        lengths = attention_mask.sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.words(input_ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.cell(packed)[0], batch_first=True, total_length=input_ids.shape[1])
        mean = states.sum(1) / lengths.to(states)[:, None]  # what is beyond the length is 0
        return self.output(self.dropout(mean))


class Bert(Network):
    """transformers' own `AutoModelForSequenceClassification`, all of whose weights are trained."""

    def __init__(self, source: str, classes: int):
        super().__init__(classes)
        # Under this name the loop gives it the learning rate of an encoder.
        self.encoder = AutoModelForSequenceClassification.from_pretrained(source, num_labels=classes)

    def body(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).logits


class FastText(Network):
    """The mean of the vectors of hashed n-grams, and one linear layer (Joulin et al. 2017)."""

    def __init__(self, classes: int, buckets: int, size: int = 100):
        super().__init__(classes)
        self.ngrams = nn.EmbeddingBag(buckets, size, mode="sum")
        nn.init.normal_(self.ngrams.weight, std=1 / size)
        self.output = nn.Linear(size, classes)

    def body(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        weights = attention_mask.float()
        total = self.ngrams(input_ids, per_sample_weights=weights)
        return self.output(total / weights.sum(1, keepdim=True).clamp(min=1))
