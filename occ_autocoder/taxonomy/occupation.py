"""One occupation of a taxonomy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Occupation:
    """One code at any level, a group or an occupation: `parent` is the code above it, None at the top."""

    code: str
    title: str
    level: int
    parent: str | None = None
    definition: str = ""
    tasks: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
