"""Supervised fine-tuning of a causal language model by LoRA (Hu et al. 2021): prompts, completions -> an adapter."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from occ_autocoder.extras import require
from occ_autocoder.files import write_text

from .arguments import AdapterArguments, new_lora, trainer_settings
from .turn import Turn, prompt_ids, read_turn, reply_ids

SETTINGS, CHECKPOINTS, RUN = "training.json", "checkpoints", "run.json"
WEIGHTS = "adapter_model.safetensors"
COLUMNS = ("prompt", "completion")
HISTORY = ("step", "epoch", "loss", "eval_loss", "learning_rate")
IGNORED = -100  # the label of a token that has no loss


def finetune(
    train: Dataset, arguments: AdapterArguments, output: str | Path, *, validation: Dataset | None = None
) -> dict:
    """Train a LoRA adapter on the completions of `train`, and save it in `output`; what `training.json` says of it.

    The folder has the adapter, the tokenizer, and `training.json`: the settings, how many examples trained and how many
    were set aside as too long, the loss by step, and that of `validation` after each epoch. Prompts are tokenised
    as `LocalModel` does it. A run that was killed goes on from its last checkpoint in `output` when it is started again
    as it was, and comes to the same adapter.

    Args:
        train, validation: with the text columns `prompt` and `completion`.
    Raises:
        ValueError: a column that lacks, a text that is empty, no example that is short enough, or checkpoints in
            `output` of another run.
    """
    require("generate")
    output = Path(output)
    digests = {name: digest(part) for name, part in (("train", train), ("validation", validation)) if part is not None}
    tokenizer = open_tokenizer(arguments)
    data, left = tokenize_all({"train": train, "validation": validation}, tokenizer, arguments.max_length)
    claim(output / CHECKPOINTS, {"settings": asdict(arguments), **digests})
    set_seed(arguments.seed)
    trainer = new_trainer(arguments, tokenizer, data, output / CHECKPOINTS)
    trainer.train(resume_from_checkpoint=last_checkpoint(output / CHECKPOINTS))
    about = {
        "arguments": asdict(arguments) | {"model": known_as(arguments)},
        "sha256": digests,
        "examples": {name: len(part) for name, part in data.items()},
        "too_long": left,
        "history": history(trainer.state.log_history),
    }
    save(output, trainer.model, tokenizer, about)
    return about


def push_adapter(folder: str | Path, repo_id: str, *, private: bool = True, message: str = "Upload adapter") -> str:
    """Push what `finetune` saved in `folder` to the Hub's model `repo_id`, in one commit; the commit's URL.

    The repository is made where it is not there, `private` unless said otherwise. Checkpoints stay here.

    Raises:
        ValueError: there is no adapter in the folder, or it is of a model that nobody else has.
    """
    from huggingface_hub import HfApi

    if not (Path(folder) / WEIGHTS).is_file():
        raise ValueError(f"{folder}: no {WEIGHTS}; allowed: a folder that fine-tuning wrote")
    base = json.loads((Path(folder) / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if not is_hub_id(base):
        raise ValueError(f"{folder}: an adapter of the folder {base}; allowed: a model of the Hub, see base_model")
    api = HfApi()
    api.create_repo(repo_id, private=private, exist_ok=True)
    left = [f"{CHECKPOINTS}/**", ".*"]
    return api.upload_folder(
        repo_id=repo_id, folder_path=folder, commit_message=message, ignore_patterns=left
    ).commit_url


def is_hub_id(model: str) -> bool:
    """Whether others find the model under this name: no path of this machine."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(model)
    except HFValidationError:
        return False
    return not Path(model).is_dir()


def open_tokenizer(arguments: AdapterArguments):
    """The model's tokenizer, which has something to pad with."""
    tokenizer = AutoTokenizer.from_pretrained(arguments.model, revision=arguments.revision, trust_remote_code=False)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def tokenize_all(
    parts: Mapping[str, Dataset | None], tokenizer, max_length: int
) -> tuple[dict[str, Dataset], dict[str, int]]:
    """Name -> the part's examples as `input_ids` and `labels`; name -> how many were longer than `max_length`."""
    turn, data, left = read_turn(tokenizer), {}, {}
    for name, part in parts.items():
        if part is None:
            continue
        rows = list(tokenized(part, name, tokenizer, turn))
        short = [row for row in rows if len(row["input_ids"]) <= max_length]
        if not short:
            raise ValueError(f"{name}: none of {len(rows)} examples has at most max_length={max_length} tokens")
        data[name], left[name] = Dataset.from_list(short), len(rows) - len(short)
    return data, left


def tokenized(part: Dataset, name: str, tokenizer, turn: Turn) -> Iterator[dict[str, list[int]]]:
    """Each example's tokens, and their labels: those of the completion, none for the prompt."""
    if missing := set(COLUMNS) - set(part.column_names):
        raise ValueError(f"{name}: no column {', '.join(sorted(missing))}; allowed: {' and '.join(COLUMNS)}")
    for row, example in enumerate(part):
        if empty := [column for column in COLUMNS if not (example[column] or "").strip()]:
            raise ValueError(f"{name}, row {row}, column {empty[0]}: empty; allowed: a text")
        prompt = prompt_ids(tokenizer, turn, example["prompt"])
        reply = reply_ids(tokenizer, turn, example["completion"])
        yield {"input_ids": [*prompt, *reply], "labels": [*[IGNORED] * len(prompt), *reply]}


def new_trainer(arguments: AdapterArguments, tokenizer, data: Mapping[str, Dataset], folder: Path):
    """trl's trainer, of an adapter on all linear layers."""
    from trl import SFTConfig, SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(
        arguments.model,
        revision=arguments.revision,
        dtype=getattr(torch, arguments.dtype),
        trust_remote_code=False,
    )
    config = SFTConfig(
        **trainer_settings(arguments, folder),
        per_device_eval_batch_size=arguments.batch_size,
        eval_strategy="epoch" if "validation" in data else "no",
    )
    return SFTTrainer(
        model=model,
        args=config,
        train_dataset=data["train"],
        eval_dataset=data.get("validation"),
        processing_class=tokenizer,
        peft_config=new_lora(arguments),
    )


def history(entries: Iterable[Mapping]) -> list[dict]:
    """What a run has to say of its losses, without what differs from run to run: how long it took."""
    losses = (entry for entry in entries if {"loss", "eval_loss"} & entry.keys())
    return [{name: entry[name] for name in HISTORY if name in entry} for entry in losses]


def digest(part: Dataset) -> str:
    """SHA-256 (hex) of the examples of a part."""
    found = sha256()
    for example in part:
        found.update(json.dumps([example.get(column) for column in COLUMNS]).encode())
    return found.hexdigest()


def claim(folder: Path, run: Mapping) -> None:
    """Note in the checkpoints' folder whose they are; ValueError where they are another run's."""
    note = folder / RUN
    if note.is_file():
        earlier = json.loads(note.read_text(encoding="utf-8"))
        if other := [name for name in sorted({*earlier, *run}) if earlier.get(name) != run.get(name)]:
            raise ValueError(f"{folder}: checkpoints of a run with other {', '.join(other)}; allowed: another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(note, run)


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end, None for none; one that was not is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        if is_whole(path):
            return str(path)
        shutil.rmtree(path)
    return None


def is_whole(checkpoint: Path) -> bool:
    """Whether the file is there and can be read that the trainer writes last."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def save(output: Path, model, tokenizer, about: Mapping) -> None:
    """Write adapter, tokenizer and card under other names, give them theirs, and `training.json` last."""
    base = about["arguments"]["model"]
    with TemporaryDirectory(dir=output, prefix=".saving-") as temporary:
        model.active_peft_config.base_model_name_or_path = base
        model.save_pretrained(temporary, save_embedding_layers=False)  # else it asks the Hub for the model's config
        tokenizer.save_pretrained(temporary)
        Path(temporary, "README.md").write_text(card(base, about), encoding="utf-8")
        for path in sorted(Path(temporary).iterdir()):
            os.replace(path, output / path.name)
    write_json(output / SETTINGS, about)


def card(base: str, about: Mapping) -> str:
    """The adapter's model card: what the Hub files it under, and what it was trained on."""
    from huggingface_hub import ModelCardData

    known = {"base_model": base} if is_hub_id(base) else {}
    data = ModelCardData(library_name="peft", pipeline_tag="text-generation", tags=["lora", "sft", "trl"], **known)
    examples = f"{about['examples']['train']:,} prompts with their completions"
    return (
        f"---\n{data.to_yaml()}\n---\n\n# LoRA adapter\n\nTrained on {examples}; settings and losses: `{SETTINGS}`.\n"
    )


def known_as(arguments: AdapterArguments) -> str:
    """The name under which the adapter looks for its model."""
    return arguments.base_model or arguments.model


def write_json(path: Path, value: Mapping) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")
