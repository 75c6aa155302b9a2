"""Every setting of a training run, with its meaning."""

from dataclasses import dataclass, field, fields

MODES = ("frozen", "full", "lora")
METRICS = ("macro_recall", "accuracy", "loss")
TEXT_FORMS = ("title_and_duties", "title", "duties")


@dataclass(frozen=True)
class TrainingArguments:
    """The settings of `train`; ValueError, naming the setting and what is allowed, for values that make no sense."""

    encoder: str = field(default="BAAI/bge-large-en-v1.5", metadata={"help": "folder or Hub id of the encoder"})
    encoder_revision: str | None = field(default=None, metadata={"help": "branch, tag or commit of the encoder"})
    pooling: str = field(default="mean", metadata={"help": "how tokens become one vector: mean or cls"})
    query_prefix: str = field(default="", metadata={"help": "put before every text, as some encoders want it"})
    max_seq_length: int = field(default=256, metadata={"help": "tokens of a record's text"})
    mode: str = field(default="frozen", metadata={"help": "frozen (head alone), full (encoder too) or lora (adapters)"})
    contrastive_epochs: int = field(
        default=1, metadata={"help": "passes of the encoder over pairs of texts of one code, before the heads; 0: none"}
    )
    contrastive_titles: int = field(default=12, metadata={"help": "titles a code for these pairs, at most"})
    contrastive_batch_size: int = field(default=64, metadata={"help": "pairs a step; each has the others to stand off"})
    contrastive_learning_rate: float = field(default=3e-5, metadata={"help": "of the encoder in these passes"})
    loss: str = field(default="cross_entropy", metadata={"help": "one of losses.LOSSES"})
    loss_options: dict = field(default_factory=dict, metadata={"help": "options of the loss, as tau or gamma"})
    epochs: int = field(default=10, metadata={"help": "passes over the examples"})
    batch_size: int = field(default=256, metadata={"help": "examples a step, over all processes"})
    gradient_accumulation: int = field(default=1, metadata={"help": "parts that a step's batch is computed in"})
    learning_rate: float = field(default=2e-3, metadata={"help": "of the head"})
    encoder_learning_rate: float = field(default=2e-5, metadata={"help": "of the encoder, in full and lora mode"})
    weight_decay: float = field(default=1.0, metadata={"help": "AdamW's, of the head's layers"})
    encoder_weight_decay: float = field(default=0.01, metadata={"help": "AdamW's, of the encoder"})
    warmup: float = field(default=0.05, metadata={"help": "share of the steps with a rising learning rate"})
    max_gradient_norm: float = field(default=1.0, metadata={"help": "gradients are scaled down to this norm"})
    head_hidden_size: int = field(default=512, metadata={"help": "width of the head's hidden layer"})
    head_dropout: float = field(default=0.3, metadata={"help": "share of the hidden layer dropped in training"})
    ngram_buckets: int = field(default=32768, metadata={"help": "hash buckets for each of the two kinds of n-grams"})
    ngram_dim: int = field(default=128, metadata={"help": "size of the head's vector of n-grams"})
    lora_rank: int = field(default=16, metadata={"help": "rank of the adapters in lora mode"})
    early_stopping_metric: str = field(default="accuracy", metadata={"help": "on validation: " + ", ".join(METRICS)})
    patience: int = field(
        default=0,
        metadata={"help": "epochs without a better metric before the end, at the best weights; 0: the last weights"},
    )
    validation_share: float = field(default=0.1, metadata={"help": "of the records, where no validation set is given"})
    pairs: int = field(
        default=10, metadata={"help": "records a code that train with title and duties together, at most"}
    )
    memory_texts: int = field(default=200, metadata={"help": "known titles and known duties kept a code, at most"})
    mixed_precision: str = field(default="no", metadata={"help": "no, fp16 or bf16"})
    checkpoint_steps: int = field(default=200, metadata={"help": "steps between checkpoints; 0: none"})
    report_to: str = field(default="none", metadata={"help": "tracker, as trackio; none for no tracking"})
    seed: int = field(default=0, metadata={"help": "of every random act"})

    def __post_init__(self):
        allowed = {
            "mode": MODES,
            "pooling": ("mean", "cls"),
            "early_stopping_metric": METRICS,
            "mixed_precision": ("no", "fp16", "bf16"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(values)}")
        for name in (
            "epochs",
            "batch_size",
            "gradient_accumulation",
            "max_seq_length",
            "pairs",
            "memory_texts",
            "ngram_buckets",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: a whole number from 1")
        if self.contrastive_epochs < 0 or self.contrastive_titles < 1 or self.contrastive_batch_size < 2:
            given = self.contrastive_epochs, self.contrastive_titles, self.contrastive_batch_size
            raise ValueError(f"contrastive epochs, titles and batch size are {given}; allowed: from 0, from 1, from 2")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}; allowed: between 0 and 1")

    @classmethod
    def names(cls) -> list[str]:
        """The names of the settings."""
        return [item.name for item in fields(cls)]
