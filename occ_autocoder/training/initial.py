"""The model before training: a pretrained encoder, a fresh head, and which of the weights are to be trained."""

from collections.abc import Sequence

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModel, AutoTokenizer

from occ_autocoder.data.encoder import encoder_source
from occ_autocoder.model.configuration_occupation import OccupationConfig
from occ_autocoder.model.modeling_occupation import OccupationForSequenceClassification
from occ_autocoder.taxonomy import Taxonomy

from .arguments import TrainingArguments


def new_model(taxonomy: Taxonomy, codes: Sequence[str], arguments: TrainingArguments):
    """A model over `codes` with the pretrained encoder and a head drawn with the seed, and the encoder's tokenizer."""
    source, revision = encoder_source(arguments.encoder), arguments.encoder_revision
    known = {"revision": revision, "trust_remote_code": False}
    encoder_config = AutoConfig.from_pretrained(source, **known)
    tokenizer = AutoTokenizer.from_pretrained(source, **known)
    torch.manual_seed(arguments.seed)
    model = OccupationForSequenceClassification(new_config(taxonomy, codes, encoder_config, arguments))
    encoder = AutoModel.from_pretrained(source, **known)
    missing, _ = model.encoder.load_state_dict(encoder.state_dict(), strict=False)
    if missing:
        raise ValueError(f"{source} lacks weights of its encoder: {', '.join(missing[:5])}")
    return model.float(), tokenizer


def new_config(
    taxonomy: Taxonomy, codes: Sequence[str], encoder_config, arguments: TrainingArguments
) -> OccupationConfig:
    """The configuration: the settings of the run and the classification."""
    positions = getattr(encoder_config, "max_position_embeddings", arguments.max_seq_length)
    return OccupationConfig(
        encoder_config=encoder_config,
        occupations={item.code: {"title": item.title, "parent": item.parent, "level": item.level} for item in taxonomy},
        scheme=taxonomy.scheme,
        scheme_version=taxonomy.version,
        pooling=arguments.pooling,
        query_prefix=arguments.query_prefix,
        max_seq_length=min(arguments.max_seq_length, positions),
        head_hidden_size=arguments.head_hidden_size,
        head_dropout=arguments.head_dropout,
        ngram_buckets=arguments.ngram_buckets,
        ngram_dim=arguments.ngram_dim,
        id2label=dict(enumerate(codes)),
        label2id={code: label for label, code in enumerate(codes)},
    )


def freeze(model: OccupationForSequenceClassification, arguments: TrainingArguments) -> None:
    """Leave a gradient to what the mode trains: the head, and with it the encoder (full) or adapters on it (lora)."""
    model.fusion.requires_grad_(False)
    model.encoder.requires_grad_(arguments.mode == "full")
    if arguments.mode == "lora":
        config = LoraConfig(r=arguments.lora_rank, lora_alpha=2 * arguments.lora_rank, target_modules="all-linear")
        torch.manual_seed(arguments.seed)
        model.encoder = get_peft_model(model.encoder, config)


def merge_adapters(model: OccupationForSequenceClassification, arguments: TrainingArguments) -> None:
    """Add the trained adapters to the encoder's weights, so that what is saved is a plain model."""
    if arguments.mode == "lora":
        model.encoder = model.encoder.merge_and_unload()
    model.requires_grad_(True)
