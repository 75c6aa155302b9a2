"""Results of `imbalance` -> Markdown: what each method reaches, and what it adds to cross entropy, seed by seed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from .long_tail import BANDS

BASE = "cross entropy"
FORMS = {"title_and_duties": "title and duties", "title": "title alone"}
VIEWS = {"heads": "the heads alone", "model": "the whole model"}
MEASURES = ("top-1", "macro recall", *BANDS)
LEVEL = 0.95
Result = Mapping
Values = dict[int, dict[str, float]]

ABOUT = f"""\
Per cent, the mean of the seeds, and half the width of its {LEVEL:.0%} interval (Student's t over the seeds, which \
draw the records too). Differences to {BASE} are taken seed by seed; in bold where the interval has no 0. Head, middle \
and tail: macro recall of the thirds of the codes by training records. Codes without any training record count in \
top-1 and macro recall alone. The test has the records that the benchmark always has."""


def imbalance_report(results: Sequence[Result], methods: Sequence[str]) -> str:
    """The report of the results that are there, of one or more benchmarks, factors and seeds; methods in this order."""
    parts = ["# The long tail: losses and sampling", ABOUT, "## Trained on", data_table(results)]
    parts += ["## Over all", *(overall(results, methods, view) for view in VIEWS)]
    for (name, factor), own in grouped(results).items():
        for view, form in [(view, form) for view in VIEWS for form in FORMS]:
            parts.append(f"## {name}, imbalance {factor:g}: {FORMS[form]}, {VIEWS[view]}")
            found = {method: values(own, method, view, form) for method in methods}
            parts += [method_table(found, value_cell), f"Points more than {BASE}:", method_table(found, gain_cell)]
    return "\n\n".join(parts) + "\n"


def grouped(results: Sequence[Result]) -> dict[tuple[str, float], list[Result]]:
    """(benchmark, factor) -> its results; the benchmarks by name, the largest factor first."""
    found: dict[tuple[str, float], list[Result]] = {}
    for result in sorted(results, key=lambda one: (one["benchmark"], -one["factor"])):
        found.setdefault((result["benchmark"], result["factor"]), []).append(result)
    return found


def data_table(results: Sequence[Result]) -> str:
    """What each long-tailed version came to with the first seed, under cross entropy where that was run."""
    rows = []
    for own in grouped(results).values():
        first = min(own, key=lambda one: (one["seed"], one["method"] != BASE))
        tested, bands = first["views"]["model"]["title"], [codes_of(first["bands"], band) for band in BANDS]
        numbers = [f"{first['reached'][key]:,}" for key in ("codes", "records", "largest", "smallest", "short")]
        texts = [mean_cell([first["examples"][code] for code in codes]) for codes in bands]
        test = [str(sum(code in tested for code in codes)) for codes in bands]
        settings = {", ".join(f"{name}={value}" for name, value in one["settings"].items()) for one in own}
        about = [first["benchmark"], f"{first['factor']:g}", *numbers, ", ".join(texts), ", ".join(test)]
        rows.append([*about, " or ".join(sorted(settings)), str(len(own))])
    columns = ["benchmark", "imbalance", "codes", "records", "most", "fewest", "codes short of the profile"]
    columns += ["texts a code trains with: head, middle, tail", "codes in the test: head, middle, tail"]
    return table([*columns, "settings", "runs"], rows)


def mean_cell(numbers: Sequence[float]) -> str:
    """The mean as a whole number, "-" without any."""
    return f"{np.mean(numbers):.0f}" if numbers else "-"


def codes_of(bands: Mapping[str, str], band: str) -> list[str]:
    """The codes of a band."""
    return [code for code, own in bands.items() if own == band]


def values(results: Sequence[Result], method: str, view: str, form: str) -> Values:
    """seed -> the measures of a method in results of one benchmark and factor."""
    own = [result for result in results if result["method"] == method]
    return {result["seed"]: measures(result["views"][view][form], result["bands"]) for result in own}


def measures(counts: Mapping[str, Sequence[int]], bands: Mapping[str, str]) -> dict[str, float]:
    """Shares from code -> [rows coded right, rows]: `MEASURES`, but for bands of which no code has a row."""
    recalls = {code: right / rows for code, (right, rows) in counts.items()}
    right, rows = np.sum(list(counts.values()), axis=0)
    found = {"top-1": float(right / rows), "macro recall": float(np.mean(list(recalls.values())))}
    for band in BANDS:
        of_band = [recall for code, recall in recalls.items() if bands.get(code) == band]
        found |= {band: float(np.mean(of_band))} if of_band else {}
    return found


def gains(own: Values, base: Values, measure: str) -> list[float]:
    """What a method has more than the base, of each seed that both have."""
    seeds = [seed for seed in sorted(own) if measure in own[seed] and measure in base.get(seed, {})]
    return [own[seed][measure] - base[seed][measure] for seed in seeds]


def overall(results: Sequence[Result], methods: Sequence[str], view: str) -> str:
    """A table of the differences to the base, over the runs of all benchmarks, factors and seeds."""
    rows = []
    for method in methods:
        found: dict[tuple[str, str], list[float]] = {}
        for own in grouped(results).values():
            for form in FORMS:
                one, base = (values(own, which, view, form) for which in (method, BASE))
                for measure in MEASURES:
                    found.setdefault((form, measure), []).extend(gains(one, base, measure))
        if method != BASE and (runs := len(found["title", "top-1"])):
            rows.append([method, str(runs), *(points(numbers, sign="+") for numbers in found.values())])
    heading = ["method", "runs", *(f"{FORMS[form]}: {measure}" for form in FORMS for measure in MEASURES)]
    text = f"Points more than {BASE}, {VIEWS[view]}; the interval is over the runs of all benchmarks and imbalances:"
    return f"{text}\n\n{table(heading, rows)}"


def method_table(found: Mapping[str, Values], cell: Callable[[Values, Values, str], str]) -> str:
    """A row for each method that has results, a column for each measure."""
    there = [method for method in found if found[method] and (method != BASE or cell is value_cell)]
    rows = [
        [method, str(len(found[method])), *(cell(found[method], found[BASE], name) for name in MEASURES)]
        for method in there
    ]
    return table(["method", "seeds", *MEASURES], rows)


def value_cell(own: Values, base: Values, measure: str) -> str:
    """ "56.1 ± 1.2"."""
    return points([one[measure] for one in own.values() if measure in one])


def gain_cell(own: Values, base: Values, measure: str) -> str:
    """ "+3.2 ± 1.1", in bold where the interval has no 0."""
    return points(gains(own, base, measure), sign="+")


def points(numbers: Sequence[float], sign: str = "") -> str:
    """Shares as points: the mean and half the interval; a signed one in bold where the interval has no 0."""
    if not numbers:
        return "-"
    mean, half = mean_interval(numbers)
    text = f"{100 * mean:{sign}.1f}" + ("" if half is None else f" ± {100 * half:.1f}")
    return f"**{text}**" if sign and half is not None and abs(mean) > half else text


def mean_interval(numbers: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half the width of its interval by Student's t; None for a single number."""
    count = len(numbers)
    if count < 2:
        return float(np.mean(numbers)), None
    error = np.std(numbers, ddof=1) / np.sqrt(count)
    return float(np.mean(numbers)), float(student.ppf((1 + LEVEL) / 2, count - 1) * error)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, columns but the first set right."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, ["---", *["---:"] * (len(heading) - 1)], *rows])
