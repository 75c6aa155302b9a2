"""Numbers and tables as Markdown text."""

import re
from collections.abc import Iterable, Sequence

NUMBER = re.compile(r"-|[\d,.]+( to [\d,.]+)?( %)?")
MARKUP = re.compile(r"([\\|*_`<>\[\]~$]|&(?=[#\w]+;))")


def plain(text: object) -> str:
    """Text that keeps its meaning in one Markdown cell or heading: one line, with pipes and markup escaped."""
    return MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A Markdown table; every cell is escaped. Columns of numbers, but the first, are set right."""
    body = [[plain(cell) for cell in row] for row in rows]
    numeric = [place > 0 and all(NUMBER.fullmatch(row[place]) for row in body) for place in range(len(columns))]
    lines = [columns, ["---:" if right else "---" for right in numeric], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float | None) -> str:
    """0.873 -> "87.3 %"; None -> "-"."""
    return "-" if share is None else f"{100 * share:.1f} %"


def interval(low: float, high: float) -> str:
    """Two shares -> "85.1 to 89.0 %"."""
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def number(value: float | None) -> str:
    """Three decimals; None -> "-"."""
    return "-" if value is None else f"{value:.3f}"


def count(value: int) -> str:
    """12345 -> "12,345"."""
    return f"{value:,}"
