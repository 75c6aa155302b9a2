"""Replies -> values: one strict parser for whatever a language model says."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from occ_autocoder.extras import require

from .faults import Fault
from .request import Completion, Request

LONGEST = 100_000  # characters of a reply
DEEPEST = 32  # brackets around a value
MOST_VALUES = 2_000  # values of an object: more cost the schema's check too much time
LONGEST_INTEGER = 20  # characters
LONGEST_FAULT = 300  # characters of what the model is told

# Possessive, and a string that is not closed goes to the end of the text: both take linear time on whatever they meet.
FENCE = re.compile(r"[ \t\r\n]*+```json[ \t]*+\r?\n(.*)```[ \t\r\n]*+", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
BRACKET = re.compile(r"[\[\]{}]")
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


class BadReply(ValueError):
    """A reply that is not what was asked for. The message says why, to the model, which is asked again."""


class Truncated(ValueError):
    """A reply that the limit of tokens cut off."""


def parse_reply(completion: Completion, request: Request) -> object:
    """The value of a reply: a dict that fits `request.schema` and passes `request.check`, else a stripped text.

    The reply is one JSON object and nothing else, alone or in one ```json fence. Refused is also what Python's json
    lets pass: keys given twice, NaN and Infinity, numbers beyond a double, integers of over 20 characters, control
    characters and lone surrogates in texts. Size, depth and number of values are bounded, so that a reply takes
    milliseconds, whatever it is.

    Raises:
        Truncated: for the finish reason "length".
        BadReply: for every other fault.
    """
    if completion.finish_reason == "length":
        raise Truncated("the reply was cut off")
    if completion.finish_reason != "stop":
        raise BadReply(f"the reply ended with {shortened(completion.finish_reason)!r}; allowed: 'stop'")
    text = completion.text
    if not isinstance(text, str) or not text.strip():
        raise BadReply("the reply is empty")
    if len(text) > LONGEST:
        raise BadReply(f"the reply has {len(text):,} characters; allowed: {LONGEST:,}")
    value = text.strip() if request.schema is None else read_object(text)
    if any(UNWRITABLE.search(part) for part in texts(value)):
        raise BadReply("the reply has control characters")
    if fault := schema_fault(value, request.schema) or request.check(value):
        raise BadReply(shortened(fault))
    return value


def read_object(text: str) -> dict:
    """The one JSON object that the text is; BadReply for any other text."""
    fenced = FENCE.fullmatch(text)
    text = fenced[1] if fenced else text
    check_shape(text)
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadReply(f"the reply is not one JSON object alone: {error}") from None
    if not isinstance(value, dict):
        raise BadReply("the reply is JSON, but no object")
    return value


def check_shape(text: str) -> None:
    """BadReply for JSON that is too deep or has too many values, without reading it."""
    bare = STRING.sub("", text)
    if bare.count(",") >= MOST_VALUES:
        raise BadReply(f"the reply has too many values; allowed: {MOST_VALUES:,}")
    depth = 0
    for bracket in BRACKET.finditer(bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEEPEST:
            raise BadReply(f"the reply is nested too deep; allowed: {DEEPEST} levels")


def unique_keys(pairs: Sequence[tuple[str, object]]) -> dict:
    """The pairs as a dict; BadReply where a key is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadReply("a key is given twice")
    return found


def bounded_integer(digits: str) -> int:
    """The integer; BadReply where it is too long."""
    if len(digits) > LONGEST_INTEGER:
        raise BadReply(f"an integer has {len(digits):,} characters; allowed: {LONGEST_INTEGER}")
    return int(digits)


def finite_number(text: str) -> float:
    """The number; BadReply where it is none, or beyond a double."""
    number = float(text)
    if not math.isfinite(number):
        raise BadReply(f"{shortened(text)} is no number; allowed: finite numbers")
    return number


DECODER = json.JSONDecoder(
    object_pairs_hook=unique_keys, parse_int=bounded_integer, parse_float=finite_number, parse_constant=finite_number
)


def texts(value: object) -> Iterator[str]:
    """Every text in a value, keys too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item


def schema_fault(value: object, schema: Mapping | None) -> str:
    """The first thing in the value that the schema does not allow, and where; "" for none."""
    if schema is None:
        return ""
    error = next(validator(json.dumps(schema)).iter_errors(value), None)
    return "" if error is None else f"{error.json_path}: {error.message}"


@lru_cache(maxsize=256)
def validator(schema: str):
    """jsonschema's validator for a schema, which is given as JSON; jsonschema.SchemaError for one that is wrong."""
    require("generate")
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(schema))
    return Draft202012Validator(json.loads(schema))


def shortened(text: str) -> str:
    """The text; of a long one the beginning and the end, since either may be what matters."""
    half = LONGEST_FAULT // 2
    return text if len(text) <= LONGEST_FAULT else f"{text[:half]} ... {text[-half:]}"


def printable(text: str) -> str:
    """A text of the server, shortened, as every file and terminal takes it."""
    return UNWRITABLE.sub("?", shortened(text))


def read_completion(response: Mapping, body: Mapping, clean: Callable[[str], str]) -> Completion:
    """A chat completion as ours, its texts through `clean`; Fault where it is none."""
    try:
        choice = response["choices"][0]
        text, reason = choice["message"]["content"], choice["finish_reason"]
    except (KeyError, IndexError, TypeError):
        raise Fault("no chat completion came back: the response has no choice") from None
    text = clean(text) if isinstance(text, str) else None
    usage = response.get("usage")
    return Completion(
        text,
        printable(clean(str(reason))),
        number(usage, "prompt_tokens", body["messages"][0]["content"]),
        number(usage, "completion_tokens", text or ""),
        printable(clean(str(response.get("model") or body["model"]))),
    )


def number(usage: object, name: str, text: str) -> int:
    """The tokens that the server counted; where it says nothing of use, one for four characters of the text."""
    found = usage.get(name) if isinstance(usage, Mapping) else None
    return found if type(found) is int and found >= 0 else len(text) // 4 + 1
