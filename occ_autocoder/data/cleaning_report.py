"""What cleaning did, as Markdown: how many of each decision, by code and level, the usual confusions, examples."""

from collections import Counter
from collections.abc import Iterator, Sequence

from datasets import Dataset

from occ_autocoder.markdown import count, markdown_table, percent, plain
from occ_autocoder.taxonomy import Taxonomy

from .decisions import DECISIONS, KEEP, RELABEL
from .evidence import Noise
from .selection import shown

CONFUSIONS, EXAMPLES, LONGEST = 25, 5, 160
MEANING = {
    "keep": "the given code stands",
    "relabel": "another code stands in its place",
    "person": "a person is to look",
    "discard": "the text says too little for any code",
}


def cleaning_report(cleaned: Dataset, taxonomy: Taxonomy, noise: Noise) -> str:
    """The report of what `clean_records` returned. Personal data in the examples is masked."""
    rows = cleaned.select_columns(["code", "decision", "cleaned_code", "suggested_code"]).to_list()
    parts = [
        f"# Cleaning of {count(len(rows))} records by {taxonomy.scheme} {taxonomy.version}".rstrip(),
        markdown_table(["decision", "records", "share", ""], decision_rows(rows)),
        noise_text(noise),
        *selector_text(cleaned),
        "## By level",
        "The first level, from the top, at which the suggested code differs from the given one.",
        markdown_table(["level", *DECISIONS], level_rows(rows, taxonomy)),
        "## Most frequent confusions",
        markdown_table(["given", "", "suggested", "", "records", "relabelled"], confusion_rows(rows, taxonomy)),
        "## Examples",
        *examples(cleaned, taxonomy),
        "## By code",
        markdown_table(["code", "title", "given", *DECISIONS, "came to it", "after"], code_rows(rows, taxonomy)),
    ]
    return "\n\n".join(parts) + "\n"


def decision_rows(rows: Sequence[dict]) -> list[tuple]:
    """Each decision, how often it was taken and what it means."""
    taken = Counter(row["decision"] for row in rows)
    return [(name, count(taken[name]), percent(taken[name] / max(1, len(rows))), MEANING[name]) for name in DECISIONS]


def noise_text(noise: Noise) -> str:
    """The noise in words."""
    shares = map(percent, (noise.right, noise.beside, noise.anywhere))
    return "Estimated: {} of the given codes are right, {} stand beside the right one, {} could be any code.".format(
        *shares
    )


def selector_text(cleaned: Dataset) -> Iterator[str]:
    """Who selected among the candidates, and how often; nothing where no language model did."""
    asked = Counter(name for name in cleaned["selector"] if name)
    unanswered = sum(why.startswith("no answer") for why in cleaned["why"])
    if asked or unanswered:
        told = [f"{plain(name)} answered for {count(number)} records" for name, number in asked.most_common()]
        yield f"{'; '.join([*told, f'no answer that could be used for {count(unanswered)}'])}."


def level_rows(rows: Sequence[dict], taxonomy: Taxonomy) -> list[tuple]:
    """Each level, and how many records of each decision have their first difference there."""
    found = Counter((first_difference(row, taxonomy), row["decision"]) for row in rows)
    places = ["no difference", *(str(level) for level in taxonomy.levels), "no code of the list given"]
    return [(place, *(count(found[place, decision]) for decision in DECISIONS)) for place in places]


def first_difference(row: dict, taxonomy: Taxonomy) -> str:
    """The level at which the two codes of a record part."""
    if row["code"] not in taxonomy:
        return "no code of the list given"
    pairs = zip(taxonomy.path(row["code"]), taxonomy.path(row["suggested_code"]), strict=False)
    different = (taxonomy.level_of(own.code) for own, other in pairs if own.code != other.code)
    return str(next(different, "no difference"))


def confusion_rows(rows: Sequence[dict], taxonomy: Taxonomy) -> Iterator[tuple]:
    """The most frequent pairs of a given code that was not kept and the suggested one."""
    pairs = [(row["code"], row["suggested_code"], row["decision"]) for row in rows if row["decision"] != KEEP]
    other = [(given, found) for given, found, _ in pairs if given != found and given in taxonomy]
    relabelled = Counter((given, found) for given, found, decision in pairs if decision == RELABEL)
    for (given, found), number in Counter(other).most_common(CONFUSIONS):
        titles = taxonomy[given].title, taxonomy[found].title
        yield given, titles[0], found, titles[1], count(number), count(relabelled[given, found])


def examples(cleaned: Dataset, taxonomy: Taxonomy) -> Iterator[str]:
    """The first records of each decision as a heading and a table."""
    columns = ["record", "given", "suggested", "why"]
    for decision in DECISIONS:
        rows = [row for row, found in enumerate(cleaned["decision"]) if found == decision][:EXAMPLES]
        if rows:
            yield f"### {decision}"
            yield markdown_table(columns, (example(cleaned[row], taxonomy) for row in rows))


def example(row: dict, taxonomy: Taxonomy) -> tuple[str, str, str, str]:
    """A record as a line of a table."""
    text = shown(" | ".join(filter(None, (row["job_title"], row["job_duties"]))))
    short = text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"
    reason = f"; {row['selected_reason']}" if row["selected_reason"] else ""
    return short, titled(row["code"], taxonomy), titled(row["suggested_code"], taxonomy), row["why"] + reason


def titled(code: str, taxonomy: Taxonomy) -> str:
    """A code with its title."""
    return f"{code} {taxonomy[code].title}" if code in taxonomy else code


def code_rows(rows: Sequence[dict], taxonomy: Taxonomy) -> Iterator[tuple]:
    """Each code that was given or suggested: what became of its records, and how many it has afterwards."""
    given = Counter(row["code"] for row in rows)
    taken = Counter((row["code"], row["decision"]) for row in rows)
    came = Counter(row["cleaned_code"] for row in rows if row["decision"] == RELABEL)
    after = Counter(row["cleaned_code"] for row in rows)
    leaves = [item.code for item in taxonomy.leaves if given[item.code] or came[item.code]]
    others = sorted({code for code in given if code} - {*leaves})
    for code in [*leaves, *others]:
        title = taxonomy[code].title if code in taxonomy else "not in the list"
        yield code, title, given[code], *(taken[code, name] for name in DECISIONS), came[code], after[code]
