"""Prompts are Jinja templates in `prompts/`; a name in a template that has no value is an error."""

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

PACKAGE, FOLDER = "occ_autocoder", "prompts"


def render_prompt(name: str, **values: object) -> str:
    """The prompt `name` (a file of `prompts/` without its ending) with the values filled in.

    Raises:
        jinja2.TemplateNotFound: for a name that is no prompt.
        jinja2.UndefinedError: for a value that the prompt asks for and that is not given.
    """
    return environment().get_template(f"{name}.jinja").render(**values)


def prompt_version(name: str) -> str:
    """`name@` and the first eight hexadecimal digits of the template's SHA-256: what provenance names a prompt by."""
    text = (files(PACKAGE) / FOLDER / f"{name}.jinja").read_bytes()
    return f"{name}@{sha256(text).hexdigest()[:8]}"


def nonce(texts: Iterable[str]) -> str:
    """Sixteen hexadecimal digits that follow from the texts, so that none of them can hold it: what fences them off."""
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


@cache
def environment() -> Environment:
    """Where the templates come from, and that nothing is escaped: prompts are plain text."""
    return Environment(loader=PackageLoader(PACKAGE, FOLDER), undefined=StrictUndefined, autoescape=False)
