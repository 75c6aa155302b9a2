"""JSON lines, one object each: what is none comes back as `Unreadable`, with the reason."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from occ_autocoder.taxonomy.delimited import Lines, SheetError, Unreadable


def json_rows(path: Path) -> Iterator[tuple[int, dict | list | Unreadable]]:
    """The number of each line, from 1, and its object; [] of a blank one. SheetError for an empty file."""
    with Lines(path, newline="\n") as lines:
        for line in lines:
            yield lines.number, Unreadable(lines.fault) if lines.fault else _json_object(line)
            lines.start_row()
    if not lines.number:
        raise SheetError(f"{path}: empty; allowed: one JSON object a line")


def _json_object(line: str) -> dict | list | Unreadable:
    """The line's object, [] for a blank line, Unreadable for anything else."""
    if not line.strip():
        return []
    try:
        value = DECODER.decode(line)
    except json.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error.msg} (character {error.pos + 1}); allowed: one JSON object a line")
    except (ValueError, RecursionError) as error:
        return Unreadable(f"{error}; allowed: one JSON object a line")
    if not isinstance(value, dict):
        return Unreadable(f"JSON, but a {type(value).__name__}; allowed: one JSON object a line")
    return value


def _each_key_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        raise ValueError("a key is given twice")
    return cells


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_constant=_no_constant)
