"""The tokens of a question and its reply: the model's chat template around texts that hold no control token."""

from dataclasses import dataclass
from functools import partial

PLACE = "PLACE-OF-THE-TEXT"
PLAIN_END = "\n\n"  # ends the prompt of a model without a chat template


@dataclass(frozen=True)
class Turn:
    """The tokens around a prompt and around its reply, as the model's chat template sets them."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]


def read_turn(tokenizer) -> Turn:
    """The tokens around prompt and reply; ValueError for a template that does not show both as they are."""
    encode = partial(tokenizer.encode, add_special_tokens=False)
    if not tokenizer.chat_template:
        begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return Turn(tuple(begin), tuple(encode(PLAIN_END)), (tokenizer.eos_token_id,))
    user, reply = {"role": "user", "content": PLACE}, {"role": "assistant", "content": PLACE}
    asked = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True).split(PLACE)
    whole = tokenizer.apply_chat_template([user, reply], tokenize=False).split(PLACE)
    if len(asked) != 2 or len(whole) != 3 or whole[:2] != asked:
        raise ValueError("the model's chat template changes prompt or reply; allowed: one that puts them as they are")
    return Turn(*(tuple(encode(part)) for part in whole))


def end_tokens(model, tokenizer, turn: Turn) -> list[int]:
    """What ends a reply: the model's own ends, the tokenizer's, and what ends one in the chat template."""
    own = model.generation_config.eos_token_id
    own = own if isinstance(own, list) else [own]
    last = [token for token in turn.after if token in control_tokens(tokenizer)]
    found = [*own, tokenizer.eos_token_id, *last[:1]]
    return list(dict.fromkeys(token for token in found if token is not None))


def prompt_ids(tokenizer, turn: Turn, prompt: str) -> list[int]:
    """The tokens of a prompt up to where the reply begins."""
    return [*turn.before, *text_ids(tokenizer, prompt.strip()), *turn.between]


def reply_ids(tokenizer, turn: Turn, reply: str) -> list[int]:
    """The tokens of a whole reply, with its end."""
    return [*text_ids(tokenizer, reply), *turn.after]


def text_ids(tokenizer, text: str) -> list[int]:
    """The tokens of a text in which nothing is a control token: "<eos>" is five characters like any others.

    ValueError: the tokenizer cannot split its control tokens.
    """
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    if control_tokens(tokenizer).intersection(ids):
        raise ValueError(f"{type(tokenizer).__name__} makes control tokens of a text; allowed: one that splits them")
    return ids


def control_tokens(tokenizer) -> set[int]:
    """The ids of the tokens that are no text, without that of an unknown text."""
    added = tokenizer.added_tokens_decoder.items()
    return {token for token, about in added if about.special} - {tokenizer.unk_token_id}
