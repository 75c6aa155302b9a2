"""A classification of occupations: codes, titles, definitions, parents, levels, ancestors."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from difflib import get_close_matches
from os import PathLike
from typing import TYPE_CHECKING

from .checks import TaxonomyError, find_problems, in_memory, refuse
from .occupation import Occupation

if TYPE_CHECKING:
    import pandas

LISTS = ("tasks", "examples", "excluded")
METADATA = b"occ_autocoder.taxonomy"
PARQUET = b"PAR1"


class UnknownCodeError(KeyError):
    """A code that the taxonomy does not have; the message names the scheme and the nearest codes."""

    def __str__(self) -> str:
        return self.args[0]


class Taxonomy:
    """The occupations of one scheme in their table's order, with the hierarchy that the table states.

    `scheme` is an id such as `isco-08`, `ssoc-2024`, `onet-soc-2019`; `version` names the table's release in free text.
    The constructor raises TaxonomyError naming every fault: a code empty, doubled or with look-alike characters, an
    empty title, a parent that is absent or below its own child, a level that does not follow from the parent's.
    """

    def __init__(self, occupations: Iterable[Occupation], scheme: str, version: str = ""):
        self._occupations = tuple(occupations)
        self.scheme, self.version = scheme, version
        if not scheme:
            raise TaxonomyError("the scheme is empty; allowed: an id such as isco-08")
        if not self._occupations:
            raise TaxonomyError(f"{scheme}: no occupation; allowed: at least one")
        refuse(find_problems(self._occupations), in_memory(self._occupations))
        self._by_code = {occupation.code: occupation for occupation in self}
        self._children: dict[str | None, list[Occupation]] = {}
        for occupation in self:
            self._children.setdefault(occupation.parent, []).append(occupation)

    def __iter__(self) -> Iterator[Occupation]:
        return iter(self._occupations)

    def __len__(self) -> int:
        return len(self._occupations)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __repr__(self) -> str:
        return f"Taxonomy({self.scheme!r}, version={self.version!r}, codes={len(self)}, leaves={len(self.leaves)})"

    def __getitem__(self, code: str) -> Occupation:
        """The occupation of `code`; UnknownCodeError (a KeyError) names the nearest codes where there is none."""
        try:
            return self._by_code[code]
        except (KeyError, TypeError):
            raise UnknownCodeError(self._unknown(code)) from None

    def _unknown(self, code: object) -> str:
        near = get_close_matches(str(code), self.codes, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        return f"{self.scheme} has no code {code!r}{hint}"

    @property
    def codes(self) -> list[str]:
        """Every code of every level, in table order."""
        return list(self._by_code)

    @property
    def leaves(self) -> list[Occupation]:
        """The occupations with nothing below them, in table order.

        In ESCO some occupations have narrower ones below and can be coded to as well: they are not leaves.
        """
        return [occupation for occupation in self if occupation.code not in self._children]

    @property
    def roots(self) -> list[Occupation]:
        """The occupations without a parent, in table order."""
        return list(self._children[None])

    @property
    def levels(self) -> list[int]:
        """The levels that occur, from the top (the smallest) down."""
        return sorted({occupation.level for occupation in self})

    def level_of(self, code: str) -> int:
        """The level of `code`."""
        return self[code].level

    def parent_of(self, code: str) -> Occupation | None:
        """The occupation above `code`, None at the top."""
        parent = self[code].parent
        return None if parent is None else self[parent]

    def children(self, code: str) -> list[Occupation]:
        """The occupations directly below `code`, in table order; empty for a leaf."""
        return list(self._children.get(self[code].code, ()))

    def ancestors(self, code: str) -> list[Occupation]:
        """The occupations above `code`, the nearest first, without itself; empty at the top."""
        above, parent = [], self.parent_of(code)
        while parent is not None:
            above.append(parent)
            parent = self.parent_of(parent.code)
        return above

    def path(self, code: str) -> list[Occupation]:
        """From the root to `code`, both with it."""
        return [*reversed(self.ancestors(code)), self[code]]

    def ancestor_at(self, code: str, level: int) -> Occupation | None:
        """The occupation at `level` on the path of `code`, itself included; None where the path has no such level."""
        return next((occupation for occupation in self.path(code) if occupation.level == level), None)

    def leaves_under(self, code: str) -> list[Occupation]:
        """The leaves below `code`, depth first in table order; the leaf itself where `code` is one."""
        below = self.children(code)
        return [leaf for child in below for leaf in self.leaves_under(child.code)] if below else [self[code]]

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the scheme and each row's code, title and parent, in order: labels depend on the order."""
        rows = [[occupation.code, occupation.title, occupation.parent] for occupation in self]
        text = json.dumps([self.scheme, rows], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def to_frame(self) -> "pandas.DataFrame":
        """One row an occupation, `Occupation`'s fields as columns; missing parents are NA, lists are tuples."""
        import pandas

        return pandas.DataFrame([asdict(occupation) for occupation in self])

    def save(self, path: str | PathLike) -> None:
        """Writes one Parquet file with every field of every occupation, and scheme and version as its metadata.

        Where writing fails, a file that was at `path` before is still there, whole.
        """
        import pyarrow
        import pyarrow.parquet

        known = {"scheme": self.scheme, "version": self.version, "sha256": self._sha256()}
        types = {"level": pyarrow.int32(), **dict.fromkeys(LISTS, pyarrow.list_(pyarrow.string()))}
        columns = [(field.name, types.get(field.name, pyarrow.string())) for field in fields(Occupation)]
        schema = pyarrow.schema(columns, metadata={METADATA: json.dumps(known).encode("ascii")})
        table = pyarrow.Table.from_pylist([asdict(occupation) for occupation in self], schema=schema)
        unfinished = f"{path}.unfinished"
        pyarrow.parquet.write_table(table, unfinished)
        os.replace(unfinished, path)

    def _sha256(self) -> str:
        """Over every field of every occupation, scheme and version: that of a file damaged on its way differs."""
        rows = [[self.scheme, self.version], *(list(asdict(occupation).values()) for occupation in self)]
        return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()

    @classmethod
    def load(cls, path: str | PathLike) -> "Taxonomy":
        """The taxonomy that `save` wrote to `path`; TaxonomyError where the file is another's or is damaged."""
        saved = _saved_rows(path)
        if saved is None:
            raise TaxonomyError(f"{path}: not a saved taxonomy; a table of occupations is read with read_taxonomy")
        known, rows = saved
        try:
            occupations = [Occupation(**{**row, **{name: tuple(row[name]) for name in LISTS}}) for row in rows]
            taxonomy = cls(occupations, known["scheme"], known["version"])
            damage = "" if taxonomy._sha256() == known["sha256"] else "its contents are not those that were saved"
        except (TypeError, KeyError, ValueError) as error:
            damage = f"{type(error).__name__}: {error}"
        if damage:
            raise TaxonomyError(f"{path}: damaged ({damage}); allowed: a file as Taxonomy.save wrote it")
        return taxonomy


def is_saved(path: str | PathLike) -> bool:
    """True for a file that `Taxonomy.save` wrote; FileNotFoundError where there is none."""
    return _saved_rows(path) is not None


def _saved_rows(path: str | PathLike) -> tuple[dict, list[dict]] | None:
    """What `save` noted beside the rows, and the rows; None for any other sound file."""
    with open(path, "rb") as file:
        if file.read(len(PARQUET)) != PARQUET:
            return None
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(str(path)) as file:
            known = (file.schema_arrow.metadata or {}).get(METADATA)
            return None if known is None else (json.loads(known), file.read().to_pylist())
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # a damaged footer comes as any of these
        raise TaxonomyError(f"{path}: a damaged Parquet file ({' '.join(str(error).split())})") from error
