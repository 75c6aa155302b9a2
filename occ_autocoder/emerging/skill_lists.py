"""Lists of skills as files: ESCO's, O*NET's technology skills, and your own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from occ_autocoder.data.readers import named_rows
from occ_autocoder.data.records import prose
from occ_autocoder.taxonomy.delimited import SheetError, Unreadable

ALIASES = {  # our field -> columns in lower case without blanks, hyphens and underscores; ESCO's are among them
    "id": ("id", "skillid", "concepturi"),
    "label": ("label", "preferredlabel"),
    "alternatives": ("alternatives", "altlabels"),
    "description": ("description",),
}
TECHNOLOGY = {"label": "example", "description": "commoditytitle"}  # O*NET: one row an occupation and tool, no ids
SHOWN_FAULTS = 10


class SkillsError(ValueError):
    """A list of skills that cannot be used; the message names the file, rows, columns and what is allowed."""


@dataclass(frozen=True)
class Skill:
    """An entry of a list of skills: its `label`, other names for it, and what it is ("" where the list is silent)."""

    id: str
    label: str
    alternatives: tuple[str, ...] = ()
    description: str = ""


def read_skills(path: str | PathLike) -> list[Skill]:
    """The skills of a table (CSV, TSV, Excel, Parquet, JSON lines; the text ones also .gz), in its order.

    Columns are `id`, `label`, and optionally `alternatives` and `description`; ESCO's own names for them are known
    (`conceptUri` or `skill_id`, `preferredLabel`, `altLabels`, with or without underscores). Alternatives stand in one
    cell with "|" or line breaks between them, or are a list. Of O*NET's Technology Skills (`Example`, `Commodity
    Title`) each example is one skill, its own id, and described by the titles of its commodities.

    Raises:
        SkillsError: no such file, no column of labels, a cell that is no text, an empty id or label, an id given twice.
    """
    try:
        skills, faults = checked(path, list(rows_of(Path(path))))
    except SheetError as error:
        raise SkillsError(str(error)) from error
    if faults:
        more = [f"{len(faults) - SHOWN_FAULTS:,} more"] if len(faults) > SHOWN_FAULTS else []
        raise SkillsError("\n".join([*faults[:SHOWN_FAULTS], *more]))
    if not skills:
        raise SkillsError(f"{path}: no skill; allowed: at least one row")
    return skills


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, object] | Unreadable]]:
    """Each row that is not blank: its number (a table's header is row 1), and its cells by plain column name."""
    for number, cells in named_rows(path)[1]:
        if isinstance(cells, Unreadable):
            yield number, cells
        elif cells:
            yield number, {plain(name): cell for name, cell in cells.items()}


def plain(column: str) -> str:
    """The column's name in lower case without blanks, hyphens and underscores."""
    return column.strip().casefold().replace(" ", "").replace("_", "").replace("-", "")


def checked(path: str | PathLike, rows: Sequence[tuple[int, dict | Unreadable]]) -> tuple[list[Skill], list[str]]:
    """The skills of the rows, and what is wrong with those that are none."""
    found = dict.fromkeys(name for _, cells in rows if isinstance(cells, dict) for name in cells)
    columns = {field: next((name for name in names if name in found), "") for field, names in ALIASES.items()}
    technology = not columns["label"] and set(TECHNOLOGY.values()) <= set(found)
    if not technology and rows and not (columns["id"] and columns["label"]):
        raise SkillsError(f"{path}: columns {', '.join(found) or 'none'}; allowed: id and label, or ESCO's or O*NET's")
    skills: dict[str, Skill] = {}
    first, faults = {}, []
    for number, cells in rows:
        try:
            skill = technology_skill(cells) if technology else listed_skill(cells, columns)
            if technology and skill.id in skills:
                skill = merged(skills[skill.id], skill)
            elif skill.id in skills:
                raise ValueError(f"column {columns['id']}: {skill.id!r} is row {first[skill.id]} too; allowed: once")
            first.setdefault(skill.id, number)
            skills[skill.id] = skill
        except ValueError as error:
            faults.append(f"{path}, row {number}, {error}")
    return list(skills.values()), faults


def listed_skill(cells: dict | Unreadable, columns: Mapping[str, str]) -> Skill:
    """The skill of a row with the named columns; ValueError for a cell that is not usable."""
    id, label, description = (text_at(cells, columns[field]) for field in ("id", "label", "description"))
    cell = cells.get(columns["alternatives"]) or ()
    parts = cell.replace("\n", "|").split("|") if isinstance(cell, str) else cell
    try:
        names = dict.fromkeys(prose(part) for part in parts)
    except (ValueError, TypeError) as error:
        raise ValueError(f"column {columns['alternatives']}: {error}") from error
    for field, value in (("id", id), ("label", label)):
        if not value:
            raise ValueError(f"column {columns[field]}: empty; allowed: a text")
    return Skill(id, label, tuple(name for name in names if name and name != label), description)


def technology_skill(cells: dict | Unreadable) -> Skill:
    """The skill of a row of O*NET's; ValueError for a cell that is not usable."""
    label, description = (text_at(cells, TECHNOLOGY[field]) for field in ("label", "description"))
    if not label:
        raise ValueError(f"column {TECHNOLOGY['label']}: empty; allowed: a text")
    return Skill(label, label, (), description)


def merged(known: Skill, same: Skill) -> Skill:
    """The known skill, described by both."""
    parts = dict.fromkeys([*known.description.split("; "), same.description])
    return Skill(known.id, known.label, (), "; ".join(filter(None, parts)))


def text_at(cells: dict | Unreadable, column: str) -> str:
    """The normalised text of a cell, "" for a column that is not there; ValueError with the column's name."""
    if isinstance(cells, Unreadable):
        raise ValueError(str(cells))
    try:
        return prose(cells.get(column))
    except ValueError as error:
        raise ValueError(f"column {column}: {error}") from error
