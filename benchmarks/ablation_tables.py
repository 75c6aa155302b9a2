"""Results of `ablation_data` -> Markdown: macro recall by real training records, and what each arm adds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from occ_autocoder.evaluation.classes import band_name
from occ_autocoder.markdown import markdown_table

BANDS = (0, 1, 3, 10)
ALL = "all"
DRAWS = 2000
FORM_NAMES = {"title_and_duties": "Title and duties", "title": "Title alone", "duties": "Duties alone"}
Arm = tuple[str, str]
Result = Mapping


def ablation_report(results: Sequence[Result], asides: Mapping[str, Counter], notes: Sequence[str]) -> str:
    """The report of the results of some seeds, each with the same arms.

    Args:
        results: `data`, `handling`, `seed`, `rows`, `support` (code -> real training records), and `forms` (form ->
            code -> [rows coded right, rows]).
        asides: part of the data -> how many of its records were set aside for each reason, over the seeds.
        notes: what the reader has to know of the data, a sentence each.
    """
    seeds = sorted({result["seed"] for result in results})
    arms = list(dict.fromkeys((result["data"], result["handling"]) for result in results))
    parts = ["# What synthetic and paraphrased records bring", "\n".join(f"- {note}" for note in notes)]
    parts += [f"Seeds: {', '.join(map(str, seeds))}. {MEASURED}", "## Trained on", rows_table(results, arms)]
    parts += ["Set aside, over the seeds:", aside_table(asides)]
    for form in [form for form in FORM_NAMES if form in results[0]["forms"]]:
        cells = {arm: arm_recalls(results, arm, form) for arm in arms}
        first = cells[arms[0]]
        parts += [f"## {FORM_NAMES[form]}", size_line(first), table(cells, arms, recall_cell)]
        parts += [f"Points more than with {' and '.join(arms[0])}:"]
        parts += [table(cells, arms[1:], lambda band, own, first=first: gain_cell(own, first[band]))]
    return "\n\n".join(parts) + "\n"


MEASURED = (
    "Macro recall in per cent: the share of a code's test rows that are coded right, averaged over the codes and the "
    "seeds, by the number of real records that the code has in training. In brackets the 95 % interval of a bootstrap "
    f"of the codes ({DRAWS:,} draws); differences are drawn in pairs."
)


class Recalls:
    """The recalls of the codes of one band: their sum over the seeds and how many seeds, arrays [codes]."""

    def __init__(self, recalls: Mapping[str, Sequence[float]]):
        self.codes = sorted(recalls)
        self.sums = np.array([sum(recalls[code]) for code in self.codes])
        self.counts = np.array([len(recalls[code]) for code in self.codes])


def arm_recalls(results: Sequence[Result], arm: Arm, form: str) -> dict[str, Recalls]:
    """band -> the recalls of its codes; a code has another number of real records with each seed."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in (*band_names(), ALL)}
    for result in results:
        if (result["data"], result["handling"]) == arm:
            for code, (right, rows) in result["forms"][form].items():
                for band in (band_of(result["support"].get(code, 0)), ALL):
                    found[band].setdefault(code, []).append(right / rows)
    return {band: Recalls(recalls) for band, recalls in found.items() if recalls}


def band_names() -> list[str]:
    """The bands in words."""
    return [band_name(low, above - 1) for low, above in pairwise(BANDS)] + [f"{BANDS[-1]} or more"]


def band_of(support: int) -> str:
    """The band of a number of real records."""
    return band_names()[int(np.searchsorted(BANDS, support, side="right")) - 1]


def bootstrap(sums: np.ndarray, counts: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """sum(sums) / sum(counts) and the 95 % interval of it where the codes are drawn with replacement."""
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    low, high = np.percentile(drawn @ sums / (drawn @ counts), (2.5, 97.5))
    return float(sums.sum() / counts.sum()), float(low), float(high)


def recall_cell(band: str, own: Recalls) -> str:
    """ "56.1 (50.2 to 61.9)"."""
    mean, low, high = bootstrap(own.sums, own.counts)
    return f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def gain_cell(own: Recalls, first: Recalls) -> str:
    """ "+3.2 (+1.0 to +5.4)", in bold where the interval has no 0."""
    mean, low, high = bootstrap(own.sums - first.sums, own.counts)
    text = f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def table(cells: Mapping[Arm, Mapping[str, Recalls]], arms: Sequence[Arm], cell: Callable[[str, Recalls], str]) -> str:
    """A row for each arm, a column for each band."""
    bands = [band for band in (*band_names(), ALL) if band in cells[arms[0]]]
    heading = ["data", "tail", *(f"{band} real" if band != ALL else band for band in bands)]
    rows = [[*arm, *(cell(band, cells[arm][band]) for band in bands)] for arm in arms]
    lines = [heading, ["---", "---", *["---:"] * len(bands)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def size_line(recalls: Mapping[str, Recalls]) -> str:
    """How many codes each band has."""
    sizes = [f"{band}: {recalls[band].counts.sum():,}" for band in (*band_names(), ALL) if band in recalls]
    return f"Codes in the test, times seeds: {'; '.join(sizes)}."


def rows_table(results: Sequence[Result], arms: Sequence[Arm]) -> str:
    """The records that each data has, the mean of the seeds; oversampling repeats some of them."""
    rows = {}
    for data, _ in arms:
        counts = {result["seed"]: result["rows"] for result in results if result["data"] == data}
        rows[data] = f"{np.mean(list(counts.values())):,.0f}"
    return markdown_table(["data", "records"], rows.items())


def aside_table(asides: Mapping[str, Counter]) -> str:
    """Part, reason and count."""
    rows = [(part, reason, f"{number:,}") for part, counts in asides.items() for reason, number in counts.most_common()]
    return markdown_table(["part", "reason", "records"], rows)
