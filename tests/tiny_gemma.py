"""A Gemma of two layers with a tokenizer and a chat template of its own, trained in seconds on a toy task.

The architecture and the template are the real ones, the weights are small: it learns by heart which code each of a few
titles has, and gives it back as JSON.
"""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GemmaConfig, GemmaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
CODES = {
    "nurse": "2221",
    "ward nurse": "2221",
    "teacher": "2341",
    "class teacher": "2341",
    "cook": "5120",
    "canteen cook": "5120",
    "taxi driver": "8322",
    "bus driver": "8331",
}
SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string", "minLength": 4, "maxLength": 4}, "sure": {"type": "boolean"}},
    "required": ["code", "sure"],
    "additionalProperties": False,
}


def question(title: str) -> str:
    """The toy task's prompt."""
    return f"Which code has this job: {title}"


def answer(code: str, sure: bool = True) -> str:
    """The toy task's reply, as `SCHEMA` wants it."""
    return json.dumps({"code": code, "sure": sure})


def examples(codes: dict[str, str] = CODES) -> list[tuple[str, str]]:
    """(prompt, reply) of every title."""
    return [(question(title), answer(code)) for title, code in codes.items()]


@cache
def trained_gemma() -> Path:
    """The folder of a model that is trained once a process, which no test changes."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-gemma-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return tiny_gemma(folder / "gemma")


def tiny_gemma(
    folder: str | Path,
    pairs: list[tuple[str, str]] | None = None,
    context: int = 256,
    steps: int = 400,
    vocabulary: int = 400,
    chat: bool = True,
) -> Path:
    """Train the model on (prompt, reply) pairs, on the replies alone, and save it with its tokenizer in `folder`."""
    from occ_autocoder.llm.turn import prompt_ids, read_turn, reply_ids

    pairs = pairs or examples()
    folder, tokenizer = Path(folder), tiny_tokenizer(pairs, context, vocabulary, chat)
    model, turn = new_gemma(tokenizer, context), read_turn(tokenizer)
    tokens = [(prompt_ids(tokenizer, turn, prompt), reply_ids(tokenizer, turn, reply)) for prompt, reply in pairs]
    longest = max(len(prompt) + len(reply) for prompt, reply in tokens)
    ids, labels = [], []
    for prompt, reply in tokens:
        rest = longest - len(prompt) - len(reply)
        ids.append([*prompt, *reply, *[0] * rest])
        labels.append([*[-100] * len(prompt), *reply, *[-100] * rest])
    ids, labels = torch.tensor(ids), torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def new_gemma(tokenizer: PreTrainedTokenizerFast, context: int) -> GemmaForCausalLM:
    """A Gemma with random weights, 0.1 million of them."""
    torch.manual_seed(0)
    config = GemmaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=context,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    model = GemmaForCausalLM(config)
    model.generation_config.eos_token_id = [1, SPECIAL.index("<end_of_turn>")]
    return model


def tiny_tokenizer(pairs: list[tuple[str, str]], context: int, vocabulary: int, chat: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on the pairs, with Gemma's control tokens and chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [*(text for pair in pairs for text in pair), "user\n", "model\n"] * 4
    tokenizer.train_from_iterator(texts, trainer)
    names = dict(zip(("pad_token", "eos_token", "bos_token", "unk_token"), SPECIAL))
    found = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=context, **names)
    found.chat_template = TEMPLATE if chat else None
    return found
