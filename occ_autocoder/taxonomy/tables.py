"""Tables of occupations -> Taxonomy: the official ones as published (`SCHEMES`), and any table of one's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike

from .checks import WHOLE_NUMBER, Problem, TaxonomyError, find_problems, refuse
from .hierarchy import PARENT_RULES, depths
from .items import split_items
from .occupation import Occupation
from .schemes import OWN, SCHEMES, Scheme
from .sheets import Sheet, read_sheet, text_of
from .taxonomy import LISTS, Taxonomy, is_saved

FIELDS = tuple(field.name for field in fields(Occupation))
REQUIRED = ("code", "title")
MOST_ROWS = 100_000


@dataclass(frozen=True)
class Row:
    """An occupation as read, and where it was: `unreadable` has, by field, what was wrong with its cells."""

    occupation: Occupation
    path: str
    number: int
    columns: Mapping[str, str]
    unreadable: Mapping[str, str]


def read_taxonomy(
    path: str | PathLike,
    scheme: str | None = None,
    version: str = "",
    columns: Mapping[str, str | None] | None = None,
    parents: str | None = None,
    level: int | Mapping[str, int] | None = None,
    upper: str | PathLike | None = None,
) -> Taxonomy:
    """The taxonomy in a CSV (also .csv.gz), TSV, Excel or Parquet table.

    `scheme` is one of `SCHEMES`, whose layout is then known, or an id of one's own ("custom" if not given): such a
    table has the columns code and title, and may have parent, level, definition, tasks, examples, excluded; a cell of
    the last three has an item a line, or items between semicolons.
    `columns` maps these names to the table's, None for a column that the table lacks. `parents="prefix"` takes as
    parent the longest other code that begins the code, for tables without a parent column. `level` is every row's
    level, or maps the names in the level column to numbers; with neither a level column nor `level`, it is the depth.
    `upper` is the table of the levels above (ESCO: the ISCO groups; O*NET: SOC 2018, without which O*NET is flat).
    A file that `Taxonomy.save` wrote comes back as it was, with its own scheme and version.
    Raises TaxonomyError with every fault's file, row (the header is row 1), column, and what is allowed.
    """
    if saved := _saved(path, scheme):
        return saved
    layout = _layout(SCHEMES.get(scheme, OWN), columns, parents, level)
    above = _upper_rows(path, scheme, layout, upper)
    rows = _read_rows(read_sheet(path), layout, linked=bool(above) or layout.upper is None)
    return Taxonomy(_checked(_with_levels([*above, *rows])), scheme or "custom", version)


def _saved(path: str | PathLike, scheme: str | None) -> Taxonomy | None:
    """What `Taxonomy.save` wrote to `path`, None for any other file."""
    if not is_saved(path):
        return None
    taxonomy = Taxonomy.load(path)
    if scheme not in (None, taxonomy.scheme):
        raise TaxonomyError(f"{path}: the saved taxonomy is {taxonomy.scheme}; allowed: that scheme, not {scheme}")
    return taxonomy


def _layout(
    scheme: Scheme,
    columns: Mapping[str, str | None] | None,
    parents: str | None,
    level: int | Mapping[str, int] | None,
) -> Scheme:
    """The scheme's layout with the caller's own words put over it."""
    columns = dict(columns or {})
    if unknown := set(columns) - set(FIELDS):
        raise TaxonomyError(f"columns: unknown field(s) {', '.join(sorted(unknown))}; allowed: {', '.join(FIELDS)}")
    if parents not in (None, *PARENT_RULES):
        raise TaxonomyError(f"parents: {parents!r}; allowed: {', '.join(PARENT_RULES)}")
    names = level if isinstance(level, Mapping) else scheme.level_names
    number = level if isinstance(level, int) else scheme.level
    merged = {**scheme.columns, **columns}
    return replace(scheme, columns=merged, parents=parents or scheme.parents, level_names=names, level=number)


def _upper_rows(path: str | PathLike, scheme: str | None, layout: Scheme, upper: str | PathLike | None) -> list[Row]:
    if upper is None and layout.upper_needed:
        raise TaxonomyError(f"{path}: {scheme} also needs, as upper=, the table of {SCHEMES[layout.upper].title}")
    if upper is None:
        return []
    if layout.upper is None:
        takers = [name for name, row in SCHEMES.items() if row.upper]
        raise TaxonomyError(f"upper: {scheme} has its levels in one table; allowed for: {', '.join(takers)}")
    return _read_rows(read_sheet(upper), SCHEMES[layout.upper])


def _read_rows(sheet: Sheet, layout: Scheme, linked: bool = True) -> list[Row]:
    """The sheet's rows with their parents; none has one where the levels above are not at hand (`linked` False)."""
    if len(sheet.rows) > MOST_ROWS:
        raise TaxonomyError(f"{sheet.path}: {len(sheet.rows):,} rows; allowed: at most {MOST_ROWS:,}")
    columns = _present(sheet, layout)
    rows = [_read_row(sheet, number, columns, layout) for number in sheet.rows]
    parents = PARENT_RULES[layout.parents]([row.occupation for row in rows]) if linked else [None] * len(rows)
    return [_with(row, "parent", parent) for row, parent in zip(rows, parents, strict=True)]


def _present(sheet: Sheet, layout: Scheme) -> dict[str, str]:
    """Field -> column, for the columns that the sheet has; those named by a layout or the caller must be there."""
    named = {field: column for field, column in layout.columns.items() if column is not None}
    optional = {field: field for field in FIELDS if field in sheet.columns and field not in layout.columns}
    wanted = {**{field: field for field in REQUIRED}, **optional, **named} if layout.title == OWN.title else named
    if layout.level is not None:
        wanted.pop("level", None)
    missing = [column for column in wanted.values() if column not in sheet.columns]
    if missing:
        found = ", ".join(repr(column) for column in sheet.columns)
        raise TaxonomyError(f"{sheet.path}, row 1: missing column(s) {', '.join(map(repr, missing))}; found: {found}")
    if layout.parents == "prefix" and "parent" in wanted:
        raise TaxonomyError(f"{sheet.path}, column {wanted['parent']!r}: parents='prefix' is for tables without one")
    return wanted


def _read_row(sheet: Sheet, number: int, columns: Mapping[str, str], layout: Scheme) -> Row:
    values, unreadable = {}, {}
    for field, column in columns.items():
        try:
            values[field] = _value(field, sheet.rows[number][column], layout)
        except ValueError as error:
            unreadable[field] = str(error)
    filled = {"code": "", "title": "", "level": layout.level, **values}
    return Row(Occupation(**filled), sheet.path, number, columns, unreadable)


def _value(field: str, cell: object, layout: Scheme) -> object:
    """The cell as the field's value; ValueError says what is allowed."""
    if field in LISTS:
        return _items(field, cell, layout)
    text = text_of(cell)
    if field == "level":
        return _level(text, layout.level_names)
    if field == "parent":
        return text or None
    return " ".join(text.split()) if field == "title" else text


def _items(field: str, cell: object, layout: Scheme) -> tuple[str, ...]:
    if isinstance(cell, list | tuple):
        return tuple(text_of(item) for item in cell)
    text = text_of(cell)
    if field in layout.not_items and re.search(layout.not_items[field], text):
        return ()
    return split_items(text, layout.items.get(field, "listed"))


def _level(text: str, names: Mapping[str, int]) -> int:
    if text in names:
        return names[text]
    if names or not (text.isascii() and text.isdecimal()):
        given = f"level {text!r}" if text else "the level is not given"
        raise ValueError(f"{given}; allowed: {', '.join(names) or WHOLE_NUMBER}")
    return int(text)


def _with_levels(rows: Sequence[Row]) -> list[Row]:
    """The rows, with the depth as the level of those without a level that could be read."""
    found = depths([row.occupation for row in rows])
    return [
        _with(row, "level", depth) if row.occupation.level is None else row
        for row, depth in zip(rows, found, strict=True)
    ]


def _with(row: Row, field: str, value: object) -> Row:
    """The row with one field of its occupation set: the same row where it has that value already."""
    if getattr(row.occupation, field) == value:
        return row
    return replace(row, occupation=replace(row.occupation, **{field: value}))


def _checked(rows: Sequence[Row]) -> list[Occupation]:
    """The rows' occupations; TaxonomyError with every fault of the cells and of the whole."""
    occupations = [row.occupation for row in rows]
    cells = [Problem(i, field, fault) for i, row in enumerate(rows) for field, fault in row.unreadable.items()]
    refuse([*cells, *find_problems(occupations)], lambda index, field: _place(rows[index], field))
    return occupations


def _place(row: Row, field: str) -> str:
    return f"{row.path}, row {row.number}, column {row.columns.get(field, field)!r}"
