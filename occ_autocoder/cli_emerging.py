"""The command that finds new and emerging occupations in advertisements."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_skills import SkillsOption, linker
from .console import (
    AdapterOption,
    BatchOption,
    CacheOption,
    ColumnsOption,
    LlmOption,
    LlmSetOption,
    LocalOption,
    ModelOption,
    SeedOption,
    open_model,
    open_taxonomy,
    pairs,
    table,
    terminal,
)

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from .emerging.clusters import Found, Settings
    from .emerging.judgement import Judgement
    from .emerging.titles import Unlisted
    from .llm.request import Generate

DETECTED = {"id": str, "row": int, "job_title": str, "code": str, "confidence": float, "novelty": float}
DETECTED |= {"status": str, "reason": str}
UNLISTED = ("title", "ads", "employers", "code", "share", "confidence", "earlier", "later")
UNLISTED += ("growth", "growth_low", "growth_high")
JUDGED = {"cluster": str, "verdict": str, "code": str, "title": str, "definition": str, "tasks": str, "reason": str}


def emerging(
    source: Annotated[
        str, typer.Argument(help="The advertisements: a file, a folder, or a Hub dataset.", metavar="IN")
    ],
    output: Annotated[Path, typer.Argument(help="Folder for the report and its tables.", metavar="OUT")],
    model: ModelOption,
    confidence: Annotated[float, typer.Option(help="Records whose best code has more are coded.")] = 0.5,
    novelty: Annotated[float, typer.Option(help="Candidates with at least so much are novel.")] = 0.5,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Different advertisements of a cluster, at least.")] = 5,
    period: Annotated[str, typer.Option(help="year, quarter or month: what growth is counted by.")] = "quarter",
    earlier: Annotated[
        list[Path] | None, typer.Option(help="OUT of a run on earlier advertisements. Repeatable, the oldest first.")
    ] = None,
    tagger: Annotated[
        Path | None, typer.Option(help="A folder that train-skills wrote: each cluster's skills.")
    ] = None,
    skills: SkillsOption = None,
    taxonomy: Annotated[
        str | None, typer.Option(help="The model's classification with its definitions, for a language model to read.")
    ] = None,
    llm: LlmOption = None,
    local: LocalOption = None,
    adapter: AdapterOption = None,
    llm_set: LlmSetOption = None,
    batch_size: BatchOption = 32,
    columns: ColumnsOption = None,
    cache: CacheOption = None,
    seed: SeedOption = 0,
) -> None:
    """Find groups of records that no code fits: detected, clustered, described, on one page.

    With --llm or --local a language model judges and describes each group; else keywords and central texts do.
    """
    from .cli_coding import write_rejected
    from .console_llm import open_generate
    from .data.vacancies import iter_vacancies
    from .emerging.cluster_skills import cluster_skills
    from .emerging.clusters import Settings, space_of
    from .emerging.detection import NOVEL, Limits
    from .emerging.runs import changed, histories, read_run
    from .emerging.skill_extraction import SkillExtractor
    from .emerging.titles import unlisted_titles, words_of
    from .serving import known_titles, model_taxonomy, observe

    limits = Limits(confidence=confidence, novelty=novelty)
    settings = Settings(min_cluster_size=min_cluster_size, unit=period, seed=seed)
    pipeline = open_model(model)
    texts = code_texts(pipeline.model)
    runs = [read_run(folder, space_of(texts[1])) for folder in earlier or []]
    if skills and not tagger:
        raise ValueError("--skills without --tagger; allowed: with --tagger")
    extract, link = SkillExtractor(tagger, batch_size) if tagger else None, linker(skills, cache)
    known = open_taxonomy(taxonomy) if taxonomy else model_taxonomy(pipeline.model.config)
    judge = {"llm": llm, "local": local, "adapter": adapter, "changes": pairs(llm_set, "--llm-set"), "seed": seed}
    generate = open_generate(output / "llm", **judge) if llm or local or adapter else None
    observed = observe(pipeline, iter_vacancies(source, columns=pairs(columns, "--columns")), batch_size=batch_size)
    output.mkdir(parents=True, exist_ok=True)
    write_rejected(output / "rejected.csv", observed.rejected)
    records = detected(pipeline.model.config, observed.records, limits)
    write_rows(output / "detection.csv", DETECTED, map(detection_row, records))
    counts = Counter(records["status"])
    terminal().print(table("Detection", ["Status", "Records"], counts.most_common()))
    names = {words_of(title) for title in known_titles(pipeline)}
    unlisted = unlisted_titles(records, names, fewest=min_cluster_size, unit=period)
    write_rows(output / "unlisted.csv", UNLISTED, map(unlisted_row, unlisted))
    novel = [place for place, status in enumerate(records["status"]) if status == NOVEL]
    if not novel:
        typer.echo(f"no novel record; every record with its status: {output / 'detection.csv'}")
        return
    found = clustered(texts, records, observed.embeddings, novel, settings)
    judgements = judged(found, records.select(novel), known, generate)
    before, lost = changed(runs, histories(runs, found)) if runs else ({}, [])
    named = cluster_skills(found, extract, link) if extract else {}
    told = {"skills": named, "before": before, "lost": lost, "unlisted": unlisted, "settings": settings}
    report(found, judgements, pipeline.model.config, output, Path(source).name, **told)
    typer.echo(f"{len(found.clusters):,} clusters of {len(novel):,} novel records; report: {output / 'report.md'}")


def detected(config, records: "Dataset", limits) -> "Dataset":
    """The records with status and reason."""
    from .emerging.detection import detect

    parents = {code: item["parent"] for code, item in config.occupations.items()}
    return detect(records, parents, config.title_words, frozenset(config.text_words), limits)


def detection_row(record: Mapping) -> dict:
    """A record as a row of `detection.csv`."""
    best = {"code": record["codes"][0], "confidence": round(record["confidences"][0], 6)}
    return {name: record[name] for name in DETECTED if name in record} | best


def unlisted_row(item: "Unlisted") -> dict:
    """A title as a row of `unlisted.csv`, what is personal in it masked."""
    from .data.selection import shown
    from .emerging.cluster_files import growth_cells

    return vars(item) | {"title": shown(item.title)} | growth_cells(item.growth)


def code_texts(model) -> "tuple[list[str], np.ndarray]":
    """The codes of the texts that the model knows, and their embeddings."""
    import numpy as np

    memories = (model.titles, model.definitions)
    codes = [model.config.id2label[int(label)] for memory in memories for label in memory.labels]
    return codes, np.concatenate([memory.embeddings.float().cpu().numpy() for memory in memories])


def clustered(
    texts: "tuple[list[str], np.ndarray]",
    records: "Dataset",
    embeddings: "np.ndarray",
    novel: list[int],
    settings: "Settings",
) -> "Found":
    """The clusters of the novel records, by the sum of their text's and their title's embedding."""
    from .emerging.clusters import find_clusters
    from .emerging.periods import period_totals

    days = [[day] if day else [] for day in records["date"]]
    totals = period_totals(days, settings.unit)
    vectors = embeddings[novel].sum(axis=1)
    return find_clusters(records.select(novel), vectors, *texts, settings=settings, totals=totals or None)


def judged(found: "Found", novel: "Dataset", taxonomy, generate: "Generate | None") -> dict[str, "Judgement"]:
    """Cluster id -> what it is, by a language model where there is one; a draft where it fails."""
    from .emerging.clusters import group_of
    from .emerging.description import draft_judgement
    from .emerging.detection import group_novelty
    from .emerging.judgement import judgement_request, read_judgement

    groups = {cluster.id: group_of(cluster, found.ads) for cluster in found.clusters}
    drafts = {}
    for cluster in found.clusters:
        rows = [row for ad in cluster.rows for row in found.ads[ad]["rows"]]
        numbers = {"cohesion": cluster.cohesion, "similarity": cluster.nearest[0][1] if cluster.nearest else 0.0}
        own = novel.select(rows)
        numbers["novelty"] = group_novelty(own["novelty"], own["codes"], own["confidences"])
        drafts[cluster.id] = draft_judgement(groups[cluster.id], taxonomy, **numbers)
    if generate is None:
        return drafts
    answers = generate([judgement_request(group, taxonomy) for group in groups.values()])
    return drafts | {answer.id: read_judgement(answer.value) for answer in answers if answer.value is not None}


def report(found: "Found", judgements: Mapping[str, "Judgement"], config, output: Path, name: str, **options) -> None:
    """Write the page, its tables and plots, and `judgements.csv`."""
    from .emerging.report import write_cluster_report

    titles = {code: item["title"] for code, item in config.occupations.items()}
    names = {id: f"{item.title} ({item.verdict})" if item.title else item.verdict for id, item in judgements.items()}
    heading = f"New and emerging occupations in {name}"
    write_cluster_report(output, found, titles, title=heading, names=names, judgements=judgements, **options)
    rows = ({"cluster": id, **vars(item), "tasks": "; ".join(item.tasks)} for id, item in judgements.items())
    write_rows(output / "judgements.csv", JUDGED, rows)


def write_rows(path: Path, columns: Iterable[str], rows) -> None:
    """Write the rows as CSV that is safe to open in a spreadsheet, whole or not at all."""
    from .files import completed
    from .spreadsheet import delimited

    with completed(path) as [unfinished], delimited(unfinished, columns) as write:
        write(rows)
