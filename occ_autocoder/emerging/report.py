"""Clusters on one page: Markdown with plots, beside it the tables as CSV and Parquet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from occ_autocoder.data.selection import shown
from occ_autocoder.files import write_text
from occ_autocoder.markdown import count, markdown_table, number, percent, plain

from .cluster_files import CENTRAL, write_tables
from .clusters import Cluster, Found, Settings
from .judgement import Judgement
from .periods import Growth
from .titles import Unlisted

SECTIONS = 20  # clusters with a section of their own; all are in the table
KEYWORDS, SKILLS, TITLES, LONGEST = 4, 12, 30, 120
PICTURES = {
    "ranking.png": "Clusters by score",
    "map.png": "Map of the ads",
    "growth.png": "Ads by period",
    "nearest_codes.png": "Nearness within the cluster and to known codes",
}


def write_cluster_report(
    folder: str | Path,
    found: Found,
    titles: Mapping[str, str],
    *,
    title: str,
    names: Mapping[str, str] | None = None,
    judgements: Mapping[str, Judgement] | None = None,
    skills: Mapping[str, Sequence[str]] | None = None,
    unlisted: Sequence[Unlisted] = (),
    before: Mapping[str, str] | None = None,
    lost: Sequence[str] = (),
    settings: Settings | None = None,
    plots: bool = True,
) -> Path:
    """Write `report.md`, `clusters.csv`, `clusters.parquet`, `members.csv` and PNG plots; the path of `report.md`.

    Texts of ads are hostile: what is shown of them is masked, short, and no markup or formula.

    Args:
        folder: created where missing; files of the same names are overwritten, plots without data removed.
        titles: code -> its title; a code without one is shown alone.
        title: the heading.
        names: cluster id -> a name for it, as a judge of the cluster gave it.
        judgements: cluster id -> what it is, with a draft of its entry.
        skills: cluster id -> its skills, the most frequent first.
        unlisted: titles, the first of which are shown.
        before, lost: of `runs.changed`, where there are earlier runs.
        settings: those that the clusters were found with; None for the defaults.
        plots: False leaves out the PNG files and matplotlib.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names, skills, before, settings = names or {}, skills or {}, before or {}, settings or Settings()
    write_tables(folder, found, titles, names, skills, before)
    labels = {cluster.id: called(cluster, names) for cluster in found.clusters}
    pictures = draw(folder, found, labels, settings.seed) if plots else []
    for name in PICTURES.keys() - set(pictures):
        (folder / name).unlink(missing_ok=True)
    paragraphs = [
        *heading(title, found),
        *ranking(found, titles, names, before),
        *([f"Found before and not again: {plain('; '.join(map(short, lost)))}."] if lost else []),
        *(f"![{PICTURES[name]}]({name})" for name in PICTURES if name in pictures),
        *(
            part
            for cluster in found.clusters[:SECTIONS]
            for part in section(cluster, found, titles, names, skills, (judgements or {}).get(cluster.id))
        ),
        *listing(unlisted, titles),
        "## Settings",
        markdown_table(("Setting", "Value"), asdict(settings).items()),
    ]
    write_text(folder / "report.md", "\n\n".join(paragraphs) + "\n")
    return folder / "report.md"


def draw(folder: Path, found: Found, labels: Mapping[str, str], seed: int) -> list[str]:
    """Draw every plot that has data; the names of the files written."""
    from .cluster_plots import write_plots  # matplotlib takes a second to import and only a report needs it

    return write_plots(folder, found, labels, seed)


def heading(title: str, found: Found) -> Iterator[str]:
    """Title, what was clustered, and how far the numbers go."""
    candidates, ads = sum(found.ads["copies"]), len(found.ads)
    clustered = sum(cluster.ads for cluster in found.clusters)
    undated = sum(not days for days in found.ads["dates"])
    yield f"# {plain(title)}"
    yield (
        f"{count(candidates)} candidates are {count(ads)} different ads. {count(clustered)} of them "
        f"({percent(clustered / ads)}) lie in {count(len(found.clusters))} clusters, the others in none."
    )
    if undated:
        yield f"{count(undated)} ads have no date and stand in no period."


def ranking(
    found: Found, titles: Mapping[str, str], names: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[str]:
    """All clusters as a table, the highest score first, and what its columns are."""
    if not found.clusters:
        yield "No cluster was found: no group of candidates is large enough and apart from the others."
        return
    columns = ("Cluster", "", "Ads", "Posted", "Employers", "First", "Last", "Growth", "Cohesion", "Nearest code", "")
    rows = [row(cluster, titles, names) for cluster in found.clusters]
    if before:
        rows = [(*cells, before[cluster.id]) for cells, cluster in zip(rows, found.clusters, strict=True)]
    yield markdown_table((*columns, "Score", *(["Before"] if before else [])), rows)
    yield (
        "Ads are counted without near-duplicates, and as posted with them. Growth is the rate of ads in the later half "
        "of the periods over that in the earlier half, with its 95 % interval: where the interval holds 1, chance "
        "explains it. Cohesion is the mean cosine of two ads of the cluster; beside the nearest code stands the mean "
        "cosine of the ads to it."
    )
    yield (
        "Score = (1 - cosine to the nearest code) x cohesion x log2(1 + employers, or ads where no employer is named) "
        "x the lower bound of the growth, held between 1 and 2. It orders what to look at first and is no probability."
    )


def row(cluster: Cluster, titles: Mapping[str, str], names: Mapping[str, str]) -> tuple[str, ...]:
    """A cluster as a line of the ranking."""
    code, cosine = cluster.nearest[0] if cluster.nearest else ("-", None)
    return (
        cluster.id,
        called(cluster, names),
        *(count(value) for value in (cluster.ads, cluster.size, cluster.employers)),
        cluster.first_seen or "-",
        cluster.last_seen or "-",
        growth_text(cluster.growth),
        number(cluster.cohesion),
        f"{code} {titles.get(code, '')}".rstrip(),
        number(cosine),
        number(cluster.score),
    )


def called(cluster: Cluster, names: Mapping[str, str]) -> str:
    """The cluster's name, or its first keywords."""
    return short(names.get(cluster.id) or ", ".join(cluster.keywords[:KEYWORDS]))


def short(text: str) -> str:
    """A text of an ad as one masked line of bounded length."""
    line = shown(text)
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()} …"


def listing(unlisted: Sequence[Unlisted], titles: Mapping[str, str]) -> Iterator[str]:
    """Titles that the classification does not list."""
    if not unlisted:
        return
    yield "## Titles that the classification does not list"
    columns = ("Title", "Ads", "Employers", "Growth", "Most coded to", "Share", "Confidence")
    rows = [
        (
            short(item.title),
            count(item.ads),
            count(item.employers),
            growth_text(item.growth),
            f"{item.code} {titles.get(item.code, '')}".rstrip(),
            percent(item.share),
            number(item.confidence),
        )
        for item in unlisted[:TITLES]
    ]
    yield markdown_table(columns, rows)
    yield "Of all advertisements, coded ones too; without the grade. A sure code may still swallow work of a new kind."


def growth_text(growth: Growth | None) -> str:
    """ "2.5 (1.2 to 5.6)"; "none before (1.4 or more)"; "-" for none."""
    if growth is None:
        return "-"
    if math.isinf(growth.ratio):
        return f"none before ({growth.low:.1f} or more)"
    above = "or more" if math.isinf(growth.high) else f"to {growth.high:.1f}"
    return f"{growth.ratio:.1f} ({growth.low:.1f} {above})"


def section(
    cluster: Cluster,
    found: Found,
    titles: Mapping[str, str],
    names: Mapping[str, str],
    skills: Mapping[str, Sequence[str]],
    judgement: Judgement | None,
) -> Iterator[str]:
    """One cluster: what it is judged to be, keywords, skills, the most central ads, the nearest codes."""
    central = found.ads.select(cluster.rows[:CENTRAL])
    ads = zip(central["id"], map(short, central["job_title"]), map(short, central["job_duties"]), cluster.cosines)
    yield f"## {cluster.id} {plain(called(cluster, names))}".rstrip()
    if judgement:
        yield f"Verdict: {f'{judgement.verdict} {judgement.code}'.rstrip()} ({plain(short(judgement.reason))})."
        yield from [plain(shown(judgement.definition))] if judgement.definition else []
        yield from ["\n".join(f"- {plain(short(task))}" for task in judgement.tasks)] if judgement.tasks else []
    yield f"Keywords: {plain(shown(', '.join(cluster.keywords))) or '-'}."
    if skills.get(cluster.id):
        yield f"Skills: {', '.join(plain(short(skill)) for skill in skills[cluster.id][:SKILLS])}."
    yield markdown_table(("Most central ads", "", "", "Cosine"), [(*ad, number(cosine)) for *ad, cosine in ads])
    codes = [(code, titles.get(code, ""), number(cosine)) for code, cosine in cluster.nearest]
    if codes:
        yield markdown_table(("Nearest codes", "", "Cosine"), codes)
