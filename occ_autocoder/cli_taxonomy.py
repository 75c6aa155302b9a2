"""The commands about classifications: reading an official table, looking into one, comparing two."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import open_taxonomy, pairs, table, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from occ_autocoder.taxonomy import Change, Occupation, Taxonomy

taxonomy = typer.Typer(no_args_is_help=True, help="Read, show and compare classifications of occupations.")

TaxonomyArgument = Annotated[str, typer.Argument(help="isco-08, or a file: a saved taxonomy or a table.")]


@taxonomy.command("import")
def import_table(
    source: Annotated[Path, typer.Argument(help="The table: CSV, TSV, Excel or Parquet.", metavar="TABLE")],
    output: Annotated[Path, typer.Argument(help="The file to write, ending in .parquet.", metavar="OUT")],
    scheme: Annotated[
        str | None, typer.Option(help="A known scheme, as ssoc-2024, whose layout is then known, or an id of your own.")
    ] = None,
    version: Annotated[str, typer.Option(help="The table's release, in free text.")] = "",
    upper: Annotated[Path | None, typer.Option(help="The table of the levels above (ESCO, O*NET).")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Which column is code, title, parent, level, ... Repeatable."),
    ] = None,
    parents: Annotated[str | None, typer.Option(help="Where parents come from: column, prefix or dotted.")] = None,
    level: Annotated[int | None, typer.Option(help="Every row's level, where the table does not say.")] = None,
) -> None:
    """Read a classification's table, check it, and write it as one Parquet file."""
    from occ_autocoder.taxonomy import read_taxonomy

    if output.suffix.lower() != ".parquet":
        raise ValueError(f"{output}: allowed: a file's name that ends in .parquet")
    columns = pairs(column, "--column")
    found = read_taxonomy(source, scheme, version, columns=columns, parents=parents, level=level, upper=upper)
    output.parent.mkdir(parents=True, exist_ok=True)
    found.save(output)
    terminal().print(levels_table(found))
    typer.echo(f"written: {output}")


@taxonomy.command()
def show(
    source: Annotated[str, typer.Argument(help="isco-08, or a file: a saved taxonomy or a table.", metavar="TAXONOMY")],
    code: Annotated[str | None, typer.Argument(help="The code to show; without it, the upper two levels.")] = None,
) -> None:
    """Show a classification from above, or one of its codes with all that is known of it."""
    found = open_taxonomy(source)
    parts = overview(found) if code is None else details(found, code)
    for part in parts:
        terminal().print(part)


@taxonomy.command()
def compare(
    a: Annotated[str, typer.Argument(help="The earlier: isco-08 or a file.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The later: isco-08 or a file.", metavar="B")],
    level: Annotated[int | None, typer.Option(help="Compare this level alone.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write every code's change to this CSV file.")] = None,
) -> None:
    """Show what became of each code from one classification or edition to another."""
    from occ_autocoder.taxonomy import compare as compare_taxonomies

    comparison = compare_taxonomies(open_taxonomy(a), open_taxonomy(b), level)
    before, after = (" ".join(filter(None, side)) for side in (comparison.before, comparison.after))
    counts = [(status, number) for status, number in comparison.counts.items()]
    terminal().print(table(f"{before} -> {after}", ["Status", "Codes"], counts))
    changed = [change_row(change) for change in comparison.changes if change.status != "same"]
    if changed:
        terminal().print(table("Changes", ["Status", "Before", "After", "Title before", "Title after"], changed))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        comparison.to_frame().to_csv(out, index=False)
        typer.echo(f"written: {out}")


def change_row(change: "Change") -> list[str | None]:
    """One change in a line; a code that now means something else is marked."""
    status = f"{change.status}, code reused" if change.code_reused else change.status
    return [status, change.code_before, change.code_after, change.title_before, change.title_after]


def levels_table(found: "Taxonomy") -> "RenderableType":
    """How many codes each level has."""
    counts = [(level, sum(item.level == level for item in found)) for level in found.levels]
    return table(f"{found.scheme} {found.version}".strip(), ["Level", "Codes"], counts)


def overview(found: "Taxonomy") -> Iterator["RenderableType"]:
    """The levels, and a tree of the upper two."""
    from rich.text import Text
    from rich.tree import Tree

    yield levels_table(found)
    tree = Tree(Text("by code"))
    for root in found.roots:
        branch = tree.add(label_of(root))
        for child in found.children(root.code):
            below = len(found.leaves_under(child.code))
            branch.add(label_of(child, f" ({below})" if found.children(child.code) else ""))
    yield tree


def details(found: "Taxonomy", code: str) -> Iterator["RenderableType"]:
    """One code: its path, texts and lists, and what is below it."""
    from rich.text import Text
    from rich.tree import Tree

    occupation = found[code]
    first, *rest = found.path(code)
    branch = tree = Tree(label_of(first))
    for item in rest:
        branch = branch.add(label_of(item))
    for child in found.children(code):
        branch.add(label_of(child))
    yield tree
    if occupation.definition:
        yield Text(f"\n{occupation.definition}")
    for name in ("tasks", "examples", "excluded"):
        if items := getattr(occupation, name):
            yield Text(f"\n{name.capitalize()}", style="bold")
            yield Text("\n".join(f"- {item}" for item in items))


def label_of(occupation: "Occupation", more: str = "") -> "RenderableType":
    """Code and title in a tree."""
    from rich.text import Text

    return Text.assemble((occupation.code, "bold"), f"  {occupation.title}{more}")
