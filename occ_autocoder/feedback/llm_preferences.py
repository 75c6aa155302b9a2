"""Preference tuning of a language model's adapter by trl: pairs by DPO, answers that were accepted or not by KTO."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import torch
from datasets import Dataset
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, set_seed

from occ_autocoder.extras import require
from occ_autocoder.files import write_text
from occ_autocoder.llm.adapter import (
    CHECKPOINTS,
    SETTINGS,
    claim,
    history,
    is_hub_id,
    known_as,
    last_checkpoint,
    open_tokenizer,
    save,
)
from occ_autocoder.llm.arguments import AdapterArguments, new_lora, trainer_settings
from occ_autocoder.llm.turn import Turn, prompt_ids, read_turn, reply_ids

COLUMNS = {"dpo": ("prompt", "chosen", "rejected"), "kto": ("prompt", "completion", "label")}
REFERENCE = "ref"  # trl's name for the copy of the adapter that is held to


def tune_on_preferences(
    train: Dataset,
    arguments: AdapterArguments,
    output: str | Path,
    *,
    method: str = "dpo",
    adapter: str | Path | None = None,
    beta: float = 0.1,
    validation: Dataset | None = None,
) -> dict:
    """Tune an adapter on what people preferred, and save it in `output` as `finetune` does; what `training.json` says.

    That is: the settings, how many examples trained and how many were too long, the losses, and where `validation` has
    pairs the share of them whose preferred answer is the likelier one, `preferred` before and after.

    Args:
        train: by "dpo" with the columns `prompt`, `chosen`, `rejected`; by "kto" with `prompt`, `completion`, `label`.
        adapter: a trained adapter to go on from, which is also what the new one is held to; the plain model where None.
        beta: how strongly it is held.
        validation: held-out pairs, whatever the method.
    Raises: ValueError for an unknown method, a column that lacks, an empty text, or no example that is short enough.
    """
    require("generate")
    if method not in COLUMNS:
        raise ValueError(f"method is {method!r}; allowed: {', '.join(COLUMNS)}")
    output, tokenizer = Path(output), open_tokenizer(arguments)
    data, left = tokenize(train, method, tokenizer, arguments)
    run = {"settings": asdict(arguments), "method": method, "beta": beta, "adapter": adapter and str(adapter)}
    digests = {"train": digest(train, method)}
    claim(output / CHECKPOINTS, run | digests)
    set_seed(arguments.seed)
    trainer = new_trainer(arguments, tokenizer, data, output / CHECKPOINTS, method, beta, adapter)
    before = validation and preferred_share(trainer.model, tokenizer, validation)
    trainer.train(resume_from_checkpoint=last_checkpoint(output / CHECKPOINTS))
    after = validation and preferred_share(trainer.model, tokenizer, validation)
    about = {"arguments": asdict(arguments) | {"model": known_as(arguments)}, **run, "sha256": digests}
    about |= {"examples": {"train": len(data)}, "too_long": {"train": left}, "preferred": [before, after]}
    about |= {"history": history(trainer.state.log_history)}
    save_tuned(output, trainer.model, tokenizer, about)
    return about


def digest(part: Dataset, method: str) -> str:
    """SHA-256 (hex) of the examples."""
    rows = [[example.get(column) for column in COLUMNS[method]] for example in part]
    return sha256(json.dumps(rows).encode()).hexdigest()


def tokenize(part: Dataset, method: str, tokenizer, arguments: AdapterArguments) -> tuple[Dataset, int]:
    """The examples as trl's collators take them, with the tokens that `LocalModel` gives; how many were too long."""
    rows = list(tokenized(part, method, tokenizer, read_turn(tokenizer)))
    short = [row for row in rows if longest(row) <= arguments.max_length]
    if not short:
        raise ValueError(f"none of {len(rows)} examples has at most max_length={arguments.max_length} tokens")
    if method == "kto":
        short = mismatched(short, arguments.batch_size)
    return Dataset.from_list(short), len(rows) - len(short)


def tokenized(part: Dataset, method: str, tokenizer, turn: Turn) -> Iterator[dict]:
    """Each example's prompt and answers as ids; the label as it is."""
    if missing := set(COLUMNS[method]) - set(part.column_names):
        raise ValueError(f"no column {', '.join(sorted(missing))}; allowed: {', '.join(COLUMNS[method])}")
    for place, example in enumerate(part):
        row = {}
        for column in COLUMNS[method]:
            if column == "label":
                row[column] = bool(example[column])
                continue
            if not (example[column] or "").strip():
                raise ValueError(f"row {place}, column {column}: empty; allowed: a text")
            ids = prompt_ids if column == "prompt" else reply_ids
            row[f"{column}_ids"] = ids(tokenizer, turn, example[column])
        yield row


def longest(row: Mapping) -> int:
    """How many tokens the prompt has with the longest answer."""
    return len(row["prompt_ids"]) + max(
        len(ids) for name, ids in row.items() if name.endswith("_ids") and name != "prompt_ids"
    )


def mismatched(rows: Sequence[dict], batch_size: int) -> list[dict]:
    """Each row with the answer to another prompt of its batch, from which KTO estimates how far the model has moved."""
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return [
        {**row, "KL_completion_ids": other["completion_ids"]}
        for batch in batches
        for row, other in zip(batch, [batch[-1], *batch[:-1]])
    ]


def new_trainer(
    arguments: AdapterArguments,
    tokenizer,
    data: Dataset,
    folder: Path,
    method: str,
    beta: float,
    adapter: str | Path | None,
):
    """trl's trainer of the method, on a model with a new adapter, or with a trained one."""
    import trl
    from peft import PeftModel

    base, config = {"dpo": (trl.DPOTrainer, trl.DPOConfig), "kto": (trl.KTOTrainer, trl.KTOConfig)}[method]

    class Trainer(base):
        """The trainer on examples that are tokenised already: trl would make control tokens of what a text says."""

        def _prepare_dataset(self, dataset, *_):
            return dataset

    known = {"revision": arguments.revision, "trust_remote_code": False}
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=getattr(torch, arguments.dtype), **known)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    return Trainer(
        model=model,
        args=config(**trainer_settings(arguments, folder), beta=beta),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=None if adapter else new_lora(arguments),
    )


def preferred_share(model, tokenizer, pairs: Dataset) -> float:
    """The share of pairs (`prompt`, `chosen`, `rejected`) whose chosen answer the model holds for the likelier one."""
    turn = read_turn(tokenizer)
    right = [
        reply_log_probability(model, row["prompt_ids"], row["chosen_ids"])
        > reply_log_probability(model, row["prompt_ids"], row["rejected_ids"])
        for row in tokenized(pairs, "dpo", tokenizer, turn)
    ]
    return sum(right) / len(right)


@torch.no_grad()
def reply_log_probability(model, prompt: Sequence[int], reply: Sequence[int]) -> float:
    """The log-probability of a reply's tokens after the prompt's, in nats."""
    was_training = model.training
    model.eval()
    ids = torch.tensor([[*prompt, *reply]], device=model.device)
    found = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    model.train(was_training)
    return -F.cross_entropy(found, ids[0, len(prompt) :], reduction="sum").item()


def save_tuned(output: Path, model, tokenizer, about: Mapping) -> None:
    """Save the adapter as `finetune` does, without the copy that it was held to, and with a card of its own."""
    if REFERENCE in model.peft_config:
        model.delete_adapter(REFERENCE)
    save(output, model, tokenizer, about)
    write_text(output / "README.md", card(about))


def card(about: Mapping) -> str:
    """The adapter's model card."""
    from huggingface_hub import ModelCardData

    base, method = about["arguments"]["model"], about["method"]
    known = {"base_model": base} if is_hub_id(base) else {}
    data = ModelCardData(library_name="peft", pipeline_tag="text-generation", tags=["lora", method, "trl"], **known)
    trained = f"Trained by {method.upper()} on {about['examples']['train']:,} examples of what people preferred"
    return f"---\n{data.to_yaml()}\n---\n\n# LoRA adapter\n\n{trained}; settings and losses: `{SETTINGS}`.\n"
