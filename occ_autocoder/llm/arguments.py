"""Every setting of fine-tuning a language model, with its meaning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

if TYPE_CHECKING:
    from peft import LoraConfig

MODEL = "google/gemma-2b"


@dataclass(frozen=True)
class AdapterArguments:
    """The settings of `finetune`; ValueError, naming the setting and what is allowed, for values that make no sense."""

    model: str = field(default=MODEL, metadata={"help": "folder or Hub id of the language model"})
    revision: str | None = field(default=None, metadata={"help": "branch, tag or commit of the model"})
    base_model: str | None = field(
        default=None, metadata={"help": "the model's id on the Hub where `model` is a folder: what the adapter is for"}
    )
    lora_rank: int = field(default=16, metadata={"help": "rank of the adapter's matrices"})
    lora_alpha: int = field(default=32, metadata={"help": "the adapter counts alpha / rank"})
    lora_dropout: float = field(default=0.05, metadata={"help": "share of the adapter's input dropped in training"})
    epochs: int = field(default=3, metadata={"help": "passes over the examples"})
    learning_rate: float = field(default=2e-4, metadata={"help": "the largest; it rises, and falls as a cosine to 0"})
    warmup: float = field(default=0.05, metadata={"help": "share of the steps with a rising learning rate"})
    batch_size: int = field(default=8, metadata={"help": "examples that go through the model at a time"})
    gradient_accumulation: int = field(default=1, metadata={"help": "batches that make a step"})
    max_length: int = field(
        default=1024, metadata={"help": "tokens of prompt and completion; longer ones do not train"}
    )
    checkpoint_steps: int = field(default=200, metadata={"help": "steps between checkpoints"})
    logging_steps: int = field(default=10, metadata={"help": "steps whose mean loss is one entry of the history"})
    dtype: str = field(default="float32", metadata={"help": "of the model's weights: float32 or bfloat16"})
    seed: int = field(default=0, metadata={"help": "of every random act"})

    def __post_init__(self):
        for name, kind in get_type_hints(AdapterArguments).items():
            if kind is int and name != "seed" and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: a whole number from 1")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; allowed: above 0")
        if not 0 <= self.lora_dropout < 1 or not 0 <= self.warmup < 1:
            shares = f"lora_dropout is {self.lora_dropout}, warmup is {self.warmup}"
            raise ValueError(f"{shares}; allowed: from 0 to below 1")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype is {self.dtype!r}; allowed: float32, bfloat16")


def trainer_settings(arguments: AdapterArguments, folder: Path) -> dict:
    """What any of trl's trainers is told, in trl's words."""
    import torch

    return {
        "output_dir": str(folder),
        "num_train_epochs": arguments.epochs,
        "learning_rate": arguments.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": arguments.warmup,
        "per_device_train_batch_size": arguments.batch_size,
        "gradient_accumulation_steps": arguments.gradient_accumulation,
        "max_length": None,
        "save_steps": arguments.checkpoint_steps,
        "save_total_limit": 2,
        "logging_steps": arguments.logging_steps,
        "bf16": False,
        "use_cpu": not torch.cuda.is_available(),
        "report_to": "none",
        "seed": arguments.seed,
        "data_seed": arguments.seed,
    }


def new_lora(arguments: AdapterArguments) -> "LoraConfig":
    """An adapter on all linear layers."""
    from peft import LoraConfig

    return LoraConfig(
        r=arguments.lora_rank,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        revision=arguments.revision,
    )
