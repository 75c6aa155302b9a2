"""The commands around skills: training a tagger, and extracting skills, knowledge and tasks from descriptions."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import BatchOption, CacheOption, ChangeOption, ColumnsOption, SettingsOption, pairs, quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .emerging.skill_linking import LinkedSkill
    from .emerging.spans import Span

    Link = Callable[[Sequence[str], Sequence[str]], list[list[LinkedSkill] | None]]

TaggerOption = Annotated[Path, typer.Option(help="The tagger: a folder that train-skills wrote.")]
SkillsOption = Annotated[
    str | None, typer.Option("--skills", help="A list of skills to link to: ESCO's, O*NET's, or one with id and label.")
]
ROWS = 1000  # descriptions that are held at a time


def train_skills(
    records: Annotated[
        Path, typer.Argument(help="A table of tokens and tags (B, I, O): columns tokens, tags_skill, …")
    ],
    validation: Annotated[Path, typer.Option(help="The same, held out: the best epoch is chosen by it.")],
    output: Annotated[Path, typer.Option(help="Folder for the tagger; a new one.")],
    settings: SettingsOption = None,
    change: ChangeOption = None,
) -> None:
    """Train a tagger that marks skills and knowledge in texts, on any table of tokens and tags."""
    quiet_libraries()
    from .cli_training import new_arguments
    from .cli_tuning import tagged
    from .emerging.skill_tagger import TaggerArguments, train_tagger

    arguments = new_arguments(TaggerArguments, settings, {}, pairs(change, "--set"))
    beside = (output.with_name(f"{output.name}_rejected_{name}.txt") for name in ("train", "validation"))
    parts = [tagged(path, rejected) for path, rejected in zip((records, validation), beside, strict=True)]
    about = train_tagger(*parts, arguments, output)
    best = max(about["history"], key=lambda entry: entry["f1"])
    typer.echo(f"F1 of spans on the held-out texts: {100 * best['f1']:.1f} % after {best['epoch']:.0f} epochs")
    typer.echo(f"tagger: {output}")


def extract_skills(
    source: Annotated[str, typer.Argument(help="Advertisements or records with their descriptions.", metavar="IN")],
    output: Annotated[Path, typer.Argument(help="JSON lines: a record a line, with its skills.", metavar="OUT")],
    model: TaggerOption,
    skills: SkillsOption = None,
    columns: ColumnsOption = None,
    batch_size: BatchOption = 32,
    cache: CacheOption = None,
) -> None:
    """Write each record with the skills, knowledge and tasks that its description names, each as it stands there.

    With --skills the entries of a list that a span names are beside it, the best first.
    """
    quiet_libraries()
    from itertools import islice

    from .cli_coding import write_rejected
    from .data.records import Rejected
    from .data.vacancies import iter_vacancies
    from .emerging.skill_extraction import SkillExtractor
    from .files import completed

    extract, link, rejected, written = SkillExtractor(model, batch_size), linker(skills, cache), [], 0
    with completed(output) as [unfinished], unfinished.open("w", encoding="utf-8") as file:
        rows = iter_vacancies(source, columns=pairs(columns, "--columns"), as_written=True)
        while part := list(islice(rows, ROWS)):
            rejected += [row for row in part if isinstance(row, Rejected)]
            records = [row for row in part if not isinstance(row, Rejected)]
            for line in skill_lines(records, extract, link):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += len(records)
    write_rejected(output.with_name(f"{output.stem}_rejected.csv"), rejected)
    typer.echo(f"{source}: {written:,} records, {len(rejected):,} rejected; written: {output}")


def linker(skills: str | None, cache: Path | None) -> "Link | None":
    """A function from spans and their sentences to entries of the list, None without one."""
    if skills is None:
        return None
    from .data.encoder import CACHE, sentence_encoder
    from .emerging.skill_linking import SkillLinker, read_skills

    return SkillLinker(read_skills(skills), sentence_encoder("bundled", cache or CACHE)).link


def skill_lines(records: list, extract, link: "Link | None") -> list[dict]:
    """The records as they are written: what they say, the skills, the tasks."""
    from .emerging.skill_extraction import task_sentences
    from .emerging.spans import sentences_at

    found = list(extract(record.job_duties for record in records))
    linked = iter(())
    if link:
        texts = [
            (span.text, sentence)
            for record, spans in zip(records, found, strict=True)
            for span, sentence in zip(spans, sentences_at(record.job_duties, spans), strict=True)
        ]
        linked = iter(link(*map(list, zip(*texts))) if texts else ())
    lines = []
    for record, spans in zip(records, found, strict=True):
        own = [shown(span) | ({"skills": entries(next(linked))} if link else {}) for span in spans]
        tasks = [shown(span) for span in task_sentences(record.job_duties, spans)]
        lines.append(
            {name: getattr(record, name) for name in ("id", "job_title", "job_duties")}
            | {"skills": own, "tasks": tasks}
        )
    return lines


def shown(span: "Span") -> dict:
    """A span as it is written."""
    return vars(span) | {"confidence": round(span.confidence, 6)}


def entries(found: "list[LinkedSkill] | None") -> list[dict]:
    """The entries of a list that a span names, as they are written."""
    return [vars(item) | {"score": round(item.score, 6)} for item in found or ()]
