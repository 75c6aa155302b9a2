"""Files that are there whole, or as they were before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def completed(*paths: Path) -> Iterator[list[Path]]:
    """Siblings to write to: on the disk, they take the names of `paths` when the block ends well, else they go."""
    siblings = [path.with_name(f"{path.name}.unfinished") for path in paths]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    try:
        yield siblings
        for sibling in siblings:
            with sibling.open("rb") as file:
                os.fsync(file.fileno())
        for sibling, path in zip(siblings, paths, strict=True):
            os.replace(sibling, path)
    finally:
        for sibling in siblings:
            sibling.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write the text as UTF-8, lines as they are."""
    with completed(path) as [unfinished]:
        unfinished.write_text(text, encoding="utf-8", newline="")
