"""What goes to a language model and what comes back: a request, the completion of a backend, the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


def no_fault(value: object) -> str:
    """Every value is right."""
    return ""


@dataclass(frozen=True)
class Request:
    """One prompt, and what its reply must be.

    `id` is unique in a run: the journal, the answer and the dead letter name it. `schema` is the JSON schema of the
    answer, the same for every request of a kind, None where the reply is plain text. `check` looks at what the schema
    cannot say (the code is in this record's shortlist): it returns the fault, which the model is told, or "".
    """

    id: str
    prompt: str
    schema: Mapping | None = None
    check: Callable[[object], str] = no_fault


@dataclass(frozen=True)
class Completion:
    """What a backend returned for one prompt; `text` is None where the reply had none."""

    text: str | None
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""


@dataclass(frozen=True)
class Answer:
    """The end of a request: the `value` that was accepted, or None and the `reason` of the dead letter."""

    id: str
    value: object | None
    reason: str = ""
    generator: str = ""


class Generate(Protocol):
    """Requests -> their answers, one each, in any order: `generator.generate` with a backend and a folder bound."""

    def __call__(self, requests: Sequence[Request]) -> Sequence[Answer]: ...


class Backend(Protocol):
    """What answers requests: an `Endpoint`, whose `complete` is a coroutine, or a model in this process.

    `name` is the model, `batch_size` the requests of one call. A backend with a `concurrency` has as many calls at a
    time, else one. A call without a reply raises `faults.Fault`.
    """

    name: str
    batch_size: int

    def complete(self, requests: Sequence[Request], max_tokens: int) -> Sequence[Completion]: ...
