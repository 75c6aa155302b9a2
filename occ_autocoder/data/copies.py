"""The ids of copies: by them a copy is known wherever its record goes, also in a file without other columns."""

import re

COPY = re.compile(r".+-copy-\d+")


def copy_id(id_: str, number: int) -> str:
    """The id of the `number`-th copy of a record."""
    return f"{id_}-copy-{number}"


def is_copy(id_: str) -> bool:
    """Whether the id is that of a copy."""
    return COPY.fullmatch(id_) is not None
