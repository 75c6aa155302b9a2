"""How often the right ESCO skills come first for sentences and for spans: embeddings, n-grams, and both.

python -m benchmarks.skill_linking --data FOLDER

The queries are those of Decorte et al. (2022, 2023): sentences of SkillSpan (TECH, HOUSE) and TechWolf with the skills
that they hold; a span is asked for with its sentence. Weights and threshold are chosen on validation rows. Where the
table has test rows these are measured, else each subset with what the other subsets' validation rows choose.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from pandas import DataFrame, read_csv

from occ_autocoder.data.encoder import CACHE, sentence_encoder
from occ_autocoder.data.records import prose
from occ_autocoder.emerging.skill_linking import CONTEXT, DENSE, LEXICAL, THRESHOLD, WEIGHTS, SkillLinker, weighted
from occ_autocoder.emerging.skill_lists import read_skills
from occ_autocoder.evaluation.metrics import label_ranks
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table, number, percent

DEPTHS = (1, 5, 10)
MEASURES = ("MRR", *(f"RP@{depth}" for depth in DEPTHS))
GRID = {  # weights tried
    "dense_label": (1.0,),
    "dense_names": (0.0, 0.5, 1.0),
    "dense_text": (0.0, 0.5, 1.0),
    "lexical_names": (0.5, 1.0),
    "lexical_text": (0.0, 0.25, 0.5, 1.0),
    CONTEXT: (0.0, 0.2, 0.4),
}
RANKINGS = {  # the first is what is published as zero-shot
    "label embeddings": {"dense_label": 1.0},
    "embeddings": {name: WEIGHTS[name] for name in (*DENSE, CONTEXT)},
    "n-grams and words": {name: WEIGHTS[name] for name in LEXICAL},
    "fused, default weights": WEIGHTS,
}
THRESHOLDS = np.arange(0.3, 0.7, 0.02)
UNITS = {"sentence": ["sentence"], "span": ["sentence", "span"]}
OUTPUT = Path("build/benchmarks/skill_linking.md")
ALL = "default"
Choice = tuple[Mapping[str, float], Sequence[np.ndarray]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the tables and print them."""
    parser = argparse.ArgumentParser(description="Link sentences and spans to ESCO's skills.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="file for the tables")
    asked = parser.parse_args(arguments)
    skills = read_skills(asked.data / "esco111_skills_en.csv.gz")
    table = read_csv(asked.data / "skill_extraction_benchmark_esco.csv.gz", dtype=str, keep_default_na=False)
    text = report(table, SkillLinker(skills, sentence_encoder(cache=asked.cache)))
    write_text(asked.output, text)
    print(text)


class Queries:
    """The sentences or spans of the table, a row each with `part`, `query` and `gold`, and their cosines.

    `part` is subset and split; `gold` the places of the right skills, none where the list has no skill for a span.
    """

    def __init__(self, table: DataFrame, unit: str, linker: SkillLinker):
        place = {skill.id: place for place, skill in enumerate(linker.skills)}
        ids = table.assign(part=part_names(table)).groupby(["part", *UNITS[unit]], sort=False)["esco_skill_id"]
        frame = ids.agg(lambda own: sorted({place[id] for id in own if id})).rename("gold").reset_index()
        self.part, self.gold = frame["part"].to_numpy(), frame["gold"].to_numpy()
        self.labelled = np.array(list(map(bool, self.gold)))
        self.contexts = [prose(text) for text in frame["sentence"]] if unit == "span" else None
        self.cosines = linker.cosines([prose(text) for text in frame[unit]], self.contexts)

    def scores(self, weights: Mapping[str, float]) -> np.ndarray:
        """[n, skills], 0..1."""
        return weighted(self.cosines, weights, self.contexts)

    def measures(self, weights: Mapping[str, float]) -> np.ndarray:
        """[n, 4], `MEASURES` of each row; 0 where there is no right skill."""
        rows = np.repeat(np.arange(len(self.gold)), list(map(len, self.gold)))
        ranks = label_ranks(self.scores(weights)[rows], np.concatenate(self.gold).astype(int))
        found = np.zeros((len(self.gold), len(MEASURES)))
        for row in np.unique(rows):
            own = ranks[rows == row]
            found[row] = [1 / (1 + own.min()), *((own < depth).sum() / min(depth, len(own)) for depth in DEPTHS)]
        return found

    def links(self, rows: np.ndarray, threshold: float) -> list[float]:
        """Precision, recall and F1 of linking the rows to their best skill where its score reaches the threshold."""
        scores = self.scores(WEIGHTS)
        linked = rows & (scores.max(axis=1) >= threshold)
        right = sum(best in own for best, own in zip(scores.argmax(axis=1)[linked], self.gold[linked], strict=True))
        known = (rows & self.labelled).sum()
        return [right / max(linked.sum(), 1), right / max(known, 1), 2 * right / max(linked.sum() + known, 1)]


def report(table: DataFrame, linker: SkillLinker) -> str:
    """Markdown: the measures of each part by sentence and by span, the weights that were chosen, the threshold."""
    units = {unit: Queries(table, unit, linker) for unit in UNITS}
    weights = [dict(zip(GRID, values)) for values in product(*GRID.values())]
    grid = [(own, [queries.measures(own) for queries in units.values()]) for own in weights]
    lines, choices, thresholds = [], [], []
    for part, others in (*reported(table), (ALL, sorted(set(validation(table))))):
        best = chosen(grid, list(units.values()), others)
        choices.append([part, ", ".join(others), *map(number, best.values())])
        if part != ALL:
            thresholds += threshold_lines(units["span"], part, others)
            for unit, queries in units.items():
                lines += measure_lines(queries, part, unit, {**RANKINGS, "fused, weights of the other part": best})
    return "\n\n".join(
        [
            "# Skills of sentences and spans",
            markdown_table(["queries", "ranked by", *MEASURES], lines),
            "## Weights with the best mean of the measures",
            markdown_table(["for", "chosen on", *GRID], choices),
            "## Spans linked to their first skill, where its score reaches a threshold",
            markdown_table(["spans", "threshold", "precision", "recall", "F1"], thresholds),
            "",
        ]
    )


def measure_lines(queries: Queries, part: str, unit: str, rankings: Mapping[str, Mapping[str, float]]) -> list[list]:
    """A row of the table for each ranking of the labelled rows of one part."""
    rows = (queries.part == part) & queries.labelled
    title = f"{part}: {unit}s ({rows.sum()})"
    return [[title, name, *map(number, queries.measures(own)[rows].mean(axis=0))] for name, own in rankings.items()]


def threshold_lines(spans: Queries, part: str, others: Sequence[str]) -> list[list[str]]:
    """Precision, recall and F1 in a part, at the threshold with the best F1 in the other parts and at the default."""
    known = np.isin(spans.part, others)
    best = max(THRESHOLDS, key=lambda threshold: spans.links(known, threshold)[2])
    title = f"{part} ({(spans.part == part).sum()}, {(spans.labelled & (spans.part == part)).sum()} with a skill)"
    named = {f"{best:.2f}, best in {', '.join(others)}": best, f"{THRESHOLD:.2f}, default": THRESHOLD}
    return [[title, name, *map(percent, spans.links(spans.part == part, value))] for name, value in named.items()]


def chosen(grid: Sequence[Choice], units: Sequence[Queries], names: Sequence[str]) -> Mapping[str, float]:
    """The weights with the best mean over measures, parts and units."""
    rows = [[(unit.part == part) & unit.labelled for part in names] for unit in units]

    def value(choice: Choice) -> float:
        return float(np.mean([found[own].mean() for found, parts in zip(choice[1], rows) for own in parts]))

    return max(grid, key=value)[0]


def part_names(table: DataFrame) -> list[str]:
    """Subset and split of each row, as "tech validation"."""
    return [f"{subset} {split}" for subset, split in zip(table["subset"], table["split"])]


def validation(table: DataFrame) -> list[str]:
    """The names of the validation parts."""
    return [name for name in dict.fromkeys(part_names(table)) if name.endswith(" validation")]


def reported(table: DataFrame) -> list[tuple[str, list[str]]]:
    """The parts to report, each with the parts to choose on: test rows if there are any, else validation rows."""
    known = validation(table)
    if tests := [name for name in dict.fromkeys(part_names(table)) if name.endswith(" test")]:
        return [(name, known) for name in tests]
    return [(name, [other for other in known if other != name]) for name in known]


if __name__ == "__main__":
    main()
