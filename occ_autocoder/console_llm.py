"""The language model of a command: at an endpoint or in this process, within a budget, with what it has cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .cli_training import new_arguments

if TYPE_CHECKING:
    from .llm.budget import Budget
    from .llm.request import Answer, Backend, Generate, Request


@dataclass(frozen=True)
class LlmArguments:
    """What --llm-set sets; the key is in the environment, OPENAI_API_KEY, and so is OPENAI_BASE_URL for `base_url`.

    Money is in the currency of the prices, which are those of a million tokens.
    """

    concurrency: int = 16
    requests_per_minute: float | None = None
    timeout: float = 120.0
    base_url: str | None = None
    temperature: float | None = None
    batch_size: int = 8
    attempts: int = 8
    max_tokens: int = 2048
    money: float | None = None
    tokens: int | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0


def open_generate(
    folder: Path,
    *,
    llm: str | None,
    local: str | None,
    adapter: str | None = None,
    changes: Mapping[str, str | None] | None = None,
    seed: int = 0,
) -> "Generate":
    """A function from requests to answers, by the model at an endpoint or in this process; journal in the `folder`.

    It tells how many were answered and what the calls of the folder have cost.
    Raises ValueError unless one of `llm` and `local` is given, and for settings out of range.
    """
    from .llm.generator import generate

    if (llm is None) == (local is None):
        raise ValueError("allowed: either --llm MODEL, at an endpoint, or --local MODEL, in this process")
    if adapter and not local:
        raise ValueError("--adapter without --local; allowed: with --local")
    arguments = new_arguments(LlmArguments, None, {}, changes or {})
    budget = budget_of(arguments)
    backend = open_backend(llm, local, adapter, arguments, seed)
    limits = {"attempts": arguments.attempts, "max_tokens": arguments.max_tokens}

    def told(requests: "Sequence[Request]") -> "list[Answer]":
        answers = generate(requests, backend, folder, budget=budget, seed=seed, **limits)
        given_up = sum(answer.value is None for answer in answers)
        typer.echo(
            f"{backend.name}: {len(answers) - given_up:,} answers, {given_up:,} given up; {spent(folder, budget)}"
        )
        return answers

    return told


def open_backend(
    llm: str | None, local: str | None, adapter: str | None, arguments: LlmArguments, seed: int
) -> "Backend":
    """The endpoint's model, or the one in this process with its adapter."""
    if llm:
        from .llm.endpoint import Endpoint

        names = ("concurrency", "requests_per_minute", "timeout", "base_url", "temperature")
        return Endpoint(llm, seed=seed, **{name: getattr(arguments, name) for name in names})
    from .llm.local import LocalModel

    temperature = arguments.temperature or 0.0
    return LocalModel(local, adapter, batch_size=arguments.batch_size, temperature=temperature, seed=seed)


def budget_of(arguments: LlmArguments) -> "Budget":
    """The most that the calls may cost."""
    from .llm.budget import Budget

    names = ("money", "tokens", "prompt_price", "completion_price")
    return Budget(**{name: getattr(arguments, name) for name in names})


def spent(folder: Path, budget: "Budget") -> str:
    """What the calls in the folder's journal have cost, in words."""
    from .llm.budget import Spend
    from .llm.journal import JOURNAL, read_entries

    spend = Spend(budget)
    for entry in read_entries(folder / JOURNAL):
        spend.add(entry)
    return str(spend)
