"""Numbers and tables as Markdown text."""

from collections.abc import Iterable, Sequence


def plain(text: object) -> str:
    """Text that keeps its meaning in one Markdown cell or heading: one line, with pipes and markup escaped."""
    line = " ".join(str(text).split())
    for mark in ("\\", "|", "*", "_", "`", "<", "[", "]"):
        line = line.replace(mark, "\\" + mark)
    return line


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A Markdown table; every cell is escaped. Columns are set left when first, right when a number stands in them."""
    body = [[plain(cell) for cell in row] for row in rows]
    rules = ["---:" if position and is_number(body, position) else "---" for position in range(len(columns))]
    lines = [columns, rules, *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_number(body: Sequence[Sequence[str]], position: int) -> bool:
    """Whether the first cell of a column begins like a number or is a missing one."""
    return bool(body) and (body[0][position][:1].isdigit() or body[0][position] == "-") and "%" in body[0][position] + "%"


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
