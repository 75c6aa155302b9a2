"""Runs of words that the project's own texts share with public tables: there should be none.

python -m benchmarks.overlap --data FOLDER
"""

import argparse
import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from occ_autocoder.data.diversity import word_runs
from occ_autocoder.data.embedded import load_isco08_records
from occ_autocoder.taxonomy import load_isco08

WORDS = 6
SHOWN = 40


def own_texts() -> dict[str, str]:
    """name -> text, of everything that the project wrote about ISCO-08."""
    found = {}
    for item in load_isco08():
        texts = (item.definition, *item.tasks, *item.excluded)
        found |= {f"{item.code} text {place}": text for place, text in enumerate(texts)}
    for row in load_isco08_records():
        found |= {f"{row['id']} {name}": row[name] for name in ("job_title", "job_duties")}
    return found


def cells(file: Path) -> Iterator[str]:
    """The cells of a gzip-compressed CSV table."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            yield from row


def shared_runs(own: Iterable[tuple[str, str]], texts: Iterable[str], words: int = WORDS) -> dict[tuple, list[str]]:
    """Runs of so many words that stand in `own` (name, text) and in `texts` -> the names."""
    names: dict[tuple, list[str]] = {}
    for name, text in own:
        for run in word_runs(text, words):
            names.setdefault(run, []).append(name)
    found = {run for text in texts for run in word_runs(text, words) if run in names}
    return {run: names[run] for run in sorted(found)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how many runs are shared with each table, and the first of them."""
    parser = argparse.ArgumentParser(description="Look for public text in the project's own.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    own = own_texts()
    print(f"{len(own):,} texts of our own, runs of {WORDS} words")
    for file in sorted(parser.parse_args(arguments).data.glob("*.csv.gz")):
        found = shared_runs(own.items(), cells(file))
        print(f"{file.name}: {len(found)}")
        for run, names in list(found.items())[:SHOWN]:
            print(f"  {' '.join(run)}  ({', '.join(names[:3])})")


if __name__ == "__main__":
    main()
