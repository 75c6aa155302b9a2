"""The official classifications as their offices lay out their tables: one row of `SCHEMES` each."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scheme:
    """How one scheme's table is laid out.

    `columns` maps `Occupation`'s fields to the table's columns. `items` names the splitter (`items.SPLITTERS`) of each
    list field, `not_items` a pattern of cells to leave out of a list field. `level_names` maps names to numbers;
    `level` is every row's level; with neither a level column nor `level`, the level is the depth. `parents` is
    "column", "prefix" (the longest code of the table that begins the code) or "dotted" (the longest such code that ends
    before a dot, else the parent column). `upper` is the scheme of the table with the levels above this one's;
    `upper_needed` tells that there is no reading this table without it.
    """

    title: str
    columns: Mapping[str, str]
    items: Mapping[str, str] = field(default_factory=dict)
    not_items: Mapping[str, str] = field(default_factory=dict)
    level_names: Mapping[str, int] = field(default_factory=dict)
    level: int | None = None
    parents: str = "column"
    upper: str | None = None
    upper_needed: bool = False


BASE = {"code": "code", "title": "title", "parent": "parent_code", "level": "level", "definition": "definition"}
SSOC = {**BASE, "tasks": "tasks", "examples": "examples", "excluded": "examples_elsewhere"}
ISCO = {**BASE, "tasks": "tasks", "examples": "included_occupations", "excluded": "excluded_occupations"}
UK = {**BASE, "definition": "description", "tasks": "tasks", "examples": "related_titles"}
ONET = {"code": "onet_soc_code", "title": "title", "parent": "soc2018_code", "definition": "description"}
ESCO = {
    "code": "esco_code",
    "title": "preferred_label",
    "parent": "isco08_code",
    "definition": "description",
    "examples": "alt_labels",
}
ESCO_GROUPS = {"code": "code", "title": "title", "definition": "description"}

BULLETS = {"tasks": "lines", "examples": "lines", "excluded": "lines"}
ISCO_ITEMS = {**BULLETS, "tasks": "lettered"}
ISCO_SUBGROUPS = {"examples": r"classified into the following"}
US_LEVELS = {"Major": 1, "Minor": 2, "Broad": 3, "Detailed": 4}

SCHEMES = {
    "ssoc-2020": Scheme("Singapore Standard Occupational Classification 2020", SSOC, BULLETS),
    "ssoc-2024": Scheme("Singapore Standard Occupational Classification 2024", SSOC, BULLETS),
    "isco-08": Scheme(
        "International Standard Classification of Occupations 2008", ISCO, ISCO_ITEMS, not_items=ISCO_SUBGROUPS
    ),
    "us-soc-2018": Scheme("US Standard Occupational Classification 2018", BASE, level_names=US_LEVELS),
    "onet-soc-2019": Scheme("O*NET-SOC 2019", ONET, level=5, upper="us-soc-2018"),
    "uk-soc-2020": Scheme("UK Standard Occupational Classification 2020", UK, BULLETS),
    "esco-groups": Scheme("ISCO-08 groups as ESCO publishes them", ESCO_GROUPS, parents="prefix"),
    "esco-1.1": Scheme("ESCO 1.1", ESCO, BULLETS, parents="dotted", upper="esco-groups", upper_needed=True),
}

OWN = Scheme("a table of one's own", {})
