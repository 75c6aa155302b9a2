"""Encoder, trained head and memory of known texts: one model over the codes of an occupation classification."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

from .configuration_occupation import OccupationConfig, by_form
from .head_occupation import EVIDENCE, Fusion, OccupationHead
from .memory_occupation import Memory
from .pipeline_occupation import OccupationClassificationPipeline  # noqa: F401  every save has to carry this file
from .remember_occupation import add_occupations
from .spelling_occupation import Spelling
from .text_occupation import FORMS


@dataclass
class OccupationOutput(ModelOutput):
    """`logits` [B, C], calibrated log-probabilities, `head_logits` [B, 2, C] of each head, `embeddings` [B, 2, d].

    `evidence` [B, C, K], what the logits are the weighted sum of, where it was asked for.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    head_logits: torch.FloatTensor | None = None
    embeddings: torch.FloatTensor | None = None
    evidence: torch.FloatTensor | None = None


class OccupationForSequenceClassification(PreTrainedModel):
    """Logits over codes, from what a record's text says to the heads and how near text and title come to known texts.

    In training mode `logits` are the heads' alone: the memory holds the training records' own titles, so that its
    evidence would be better there than on any new record. In evaluation mode everything is summed up by `fusion`.
    """

    config_class = OccupationConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: OccupationConfig):
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder_config)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # unused weights, which distributed training refuses
        hidden_size = config.encoder_config.hidden_size
        self.head = OccupationHead(config)
        self.fusion = Fusion()
        self.titles = Memory(config.num_labels, hidden_size, **config.title_memory)
        self.definitions = Memory(config.num_labels, hidden_size, **config.definition_memory)
        self.register_buffer("ngram_weights", torch.ones(2 * config.ngram_buckets))
        self._spelling = None
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        fresh = [
            weight for weight in module.parameters(recurse=False) if not getattr(weight, "_is_hf_initialized", False)
        ]
        if isinstance(module, Fusion) and fresh:
            module.weight.copy_(Fusion.prior())
        elif isinstance(module, nn.EmbeddingBag) and fresh:
            module.weight.zero_()  # an n-gram that no training text has says nothing

    def encode(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids and their mask, both [B, L] -> unit vectors [B, d]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "cls":
            return F.normalize(hidden[:, 0], dim=-1)
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return F.normalize((hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9), dim=-1)

    def embed(self, input_ids, attention_mask, title_input_ids, title_attention_mask, form) -> torch.Tensor:
        """[B, 2, d]: the text's embedding, and the title's: the text's own where it is but a title, 0 without one."""
        text = self.encode(input_ids, attention_mask)
        title = torch.where((form == FORMS.index("title")).unsqueeze(-1), text, torch.zeros_like(text))
        both = (form == FORMS.index("title_and_duties")).nonzero().squeeze(-1)
        if len(both):
            title = title.index_copy(0, both, self.encode(title_input_ids[both], title_attention_mask[both]))
        return torch.stack([text, title], dim=1)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        title_input_ids=None,
        title_attention_mask=None,
        title_ngram_ids=None,
        title_ngram_values=None,
        text_ngram_ids=None,
        text_ngram_values=None,
        form=None,
        embeddings=None,
        labels=None,
        head_only=False,
        output_evidence=False,
        **kwargs,
    ) -> OccupationOutput:
        """Logits of a batch of `features_occupation.collate`; `embeddings` [B, 2, d] stand in for the tokens.

        With `labels` [B] comes the cross entropy of `logits`. With `head_only` they are the heads', as in training.
        """
        if form is None:  # plain text, without the features of a record: taken for a title
            form = torch.full((len(input_ids),), FORMS.index("title"), device=input_ids.device)
        if embeddings is None:
            embeddings = self.embed(input_ids, attention_mask, title_input_ids, title_attention_mask, form)
        title_ngrams = self.weigh(title_ngram_ids, title_ngram_values, embeddings)
        text_ngrams = self.weigh(text_ngram_ids, text_ngram_values, embeddings)
        ngrams = [torch.cat(parts, dim=1) for parts in zip(title_ngrams, text_ngrams)]
        head_logits = self.head(embeddings[:, 0], *ngrams)
        if self.training or head_only:
            logits, evidence = F.log_softmax(head_logits, dim=-1).sum(1), None
        else:
            evidence = self.evidence(embeddings, title_ngrams, text_ngrams, head_logits)
            logits = self.calibrated(self.fusion(evidence, form), form)
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        shown = evidence if output_evidence else None
        return OccupationOutput(
            loss=loss, logits=logits, head_logits=head_logits, embeddings=embeddings, evidence=shown
        )

    def calibrated(self, logits: torch.Tensor, form: torch.Tensor) -> torch.Tensor:
        """Summed evidence [B, C] and each record's place in `FORMS` [B] -> log-probabilities [B, C].

        Those of the softmax at the form's temperature, of which the form's doubt is shared out among all codes.
        """
        values = [by_form(self.config.softmax_temperature), by_form(self.config.doubt)]
        temperature, doubt = torch.tensor(values, device=form.device)[:, form].unsqueeze(-1)
        known = F.log_softmax(logits / temperature, dim=-1) + torch.log1p(-doubt)
        return torch.logaddexp(known, (doubt / logits.shape[-1]).log().expand_as(known))

    def spelling(self) -> Spelling:
        """How the words of a record's title are read: by those of the titles that the model knows."""
        known = self.config.title_words, self.config.text_words
        if self._spelling is None or self._spelling[0] != tuple(map(len, known)):
            self._spelling = tuple(map(len, known)), Spelling(*known)
        return self._spelling[1]

    def add_occupations(self, tokenizer, occupations) -> None:
        """Code to further occupations from their texts, without training: see `remember_occupation.add_occupations`."""
        add_occupations(self, tokenizer, occupations)

    def weigh(self, ids, values, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """N-gram ids and their weights [B, L], the weights times the n-grams' own, of unit length over the record."""
        if ids is None:
            ids = torch.zeros(len(like), 1, dtype=torch.long, device=like.device)
            values = torch.zeros(len(like), 1, device=like.device)
        return ids, F.normalize(values * self.ngram_weights[ids], dim=-1).to(like.dtype)

    def evidence(self, embeddings, title_ngrams, text_ngrams, head_logits) -> torch.Tensor:
        """[B, C, K], in the order of `EVIDENCE`."""
        text, title = embeddings.unbind(1)
        found = {
            "title_nearest_title": self.titles.nearest(title),
            "title_central_title": self.titles.central(title),
            "text_nearest_title": self.titles.nearest(text),
            "text_central_title": self.titles.central(text),
            "text_nearest_definition": self.definitions.nearest(text),
            "text_central_definition": self.definitions.central(text),
            "ngrams_nearest_title": self.titles.lexical(self.dense(*title_ngrams)),
            "ngrams_nearest_definition": self.definitions.lexical(self.dense(*text_ngrams)),
            **dict(zip(("semantic_head", "lexical_head"), self.head.log_probabilities(head_logits).unbind(1))),
        }
        return torch.stack([found[name] for name in EVIDENCE], dim=-1)

    def dense(self, ids: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """N-gram ids and weights [B, L] -> [B, 2 * buckets]."""
        empty = values.new_zeros(len(ids), 2 * self.config.ngram_buckets)
        return empty.scatter_add(1, ids, values)


OccupationForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
