"""Cells that hold lists: tasks, example titles and exclusions, in the ways that the offices write them."""

import re

LETTER = re.compile(r"(?:^|(?<=[\n;:\u2013-]))[^\S\n]*(?:and\s+)?\([a-z]{1,2}\)\s+")
BULLET = re.compile(r"^\s*(?:[-\u2013\u2022\u00b7*~\u25aa\u25cf]\s*|\([a-z]{1,2}\)\s+|\(?[0-9]{1,2}[.)]\s+)")
ABBREVIATION = re.compile(r"(?:\betc|\.\w+)\.$")
INTRODUCTION = re.compile(r"^[^:;\n]*:\s*")


def lettered(cell: str) -> list[str]:
    """The items of "Tasks include - (a) ...; (b) ..."; where no letters are, of "... include: ...; ...; ..."."""
    parts = LETTER.split(cell)
    if len(parts) == 1:
        return separated(INTRODUCTION.sub("", cell, count=1))
    return parts[1:]


def lines(cell: str) -> list[str]:
    """One item a line, without its bullet ("- ", "• ", "(a) ", "1. "); a line that ends with a colon introduces."""
    return [BULLET.sub("", line, count=1) for line in cell.splitlines() if not line.rstrip().endswith(":")]


def separated(cell: str) -> list[str]:
    """One item between semicolons."""
    return cell.split(";")


def listed(cell: str) -> list[str]:
    """The items in whichever way the cell is written: a bullet or item a line, letters in a line, or semicolons."""
    if "\n" in cell.strip() or (BULLET.match(cell) and not LETTER.match(cell)):
        return lines(cell)
    return lettered(cell) if LETTER.search(cell) else separated(cell)


SPLITTERS = {"lettered": lettered, "lines": lines, "separated": separated, "listed": listed}


def split_items(cell: str, splitter: str = "listed") -> tuple[str, ...]:
    """The items of a cell, blanks collapsed, closing punctuation removed, empty and doubled ones left out."""
    items = (_without_closing(" ".join(item.split())) for item in SPLITTERS[splitter](cell))
    return tuple(dict.fromkeys(item for item in items if item))


def _without_closing(item: str) -> str:
    """The item without what only closes it in a list; the stop of "etc." and "n.e.c." stays."""
    item = item.removesuffix("; and").rstrip(" ;,")
    return item if ABBREVIATION.search(item) else item.removesuffix(".").rstrip()
