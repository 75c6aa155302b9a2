"""Cleaning of real codes: those that employers gave to job titles in US visa filings, and a sample to read by hand.

python -m benchmarks.employers --data FOLDER
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import Dataset

from occ_autocoder.data.cleaning import clean_records
from occ_autocoder.data.cleaning_report import cleaning_report
from occ_autocoder.data.decisions import DECISIONS
from occ_autocoder.data.encoder import CACHE, sentence_encoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table
from occ_autocoder.taxonomy import Taxonomy, read_taxonomy

from .records import read_table

SAMPLE = {"keep": 30, "relabel": 40, "person": 30}
READING = Path(__file__).with_name("employers_reading.json")
VERDICTS = {
    "given": "the given code is right",
    "suggested": "the suggested code is right",
    "both": "both can be defended",
    "neither": "neither is right",
    "unclear": "the title does not tell",
}


def soc_2018(data: Path) -> Taxonomy:
    """The US classification with its direct match titles as examples."""
    taxonomy = read_taxonomy(data / "us_soc2018_definitions.csv.gz", scheme="us-soc-2018", version="2018")
    titles = read_table(data, "us_soc2018_direct_match_titles").groupby("soc2018_code")["title"].agg(tuple)
    items = [replace(item, examples=titles.get(item.code, ())) for item in taxonomy]
    return Taxonomy(items, taxonomy.scheme, taxonomy.version)


def filings(data: Path) -> Dataset:
    """Each different title and code, of 2010 where one code of 2018 came of it, as that; the id is the table's row."""
    table = read_table(data, "us_dol_visa_titles_soc")
    crosswalk = read_table(data, "crosswalk_soc2010_soc2018")
    single = crosswalk[~crosswalk["soc2010"].duplicated(keep=False)].set_index("soc2010")["soc2018"]
    table = table.assign(code=table["soc2010_code_from_title"].map(single), text=table["job_title"].str.casefold())
    table = table[table["code"].notna()].drop_duplicates(["text", "code"])
    columns = {"id": [f"row-{row + 2}" for row in table.index], "job_title": table["job_title"].tolist()}
    columns |= {"job_duties": [""] * len(table), "code": table["code"].tolist(), "source": table["program"].tolist()}
    return Dataset.from_dict(columns, features=RECORD_FEATURES)


def sampled(cleaned: Dataset, seed: int) -> Dataset:
    """`SAMPLE` records of each decision, drawn at random."""
    generator, decisions = np.random.default_rng(seed), np.array(cleaned["decision"])
    rows = [generator.choice(np.flatnonzero(decisions == name), size, replace=False) for name, size in SAMPLE.items()]
    return cleaned.select(np.concatenate(rows))


def sheet(sample: Dataset, taxonomy: Taxonomy) -> str:
    """The sample as a table to read."""
    rows = [
        (
            row["id"],
            row["decision"],
            row["job_title"],
            *titled(row["code"], taxonomy),
            *titled(row["suggested_code"], taxonomy),
        )
        for row in sample
    ]
    return markdown_table(["id", "decision", "title", "given", "", "suggested", ""], rows)


def titled(code: str, taxonomy: Taxonomy) -> tuple[str, str]:
    """A code and its title."""
    return code, taxonomy[code].title


def reading(sample: Dataset, verdicts: Mapping[str, str]) -> Iterator[tuple]:
    """Each decision, how many of it were read, and how often each verdict was given."""
    for name in SAMPLE:
        found = Counter(verdicts[row["id"]] for row in sample if row["decision"] == name)
        yield name, sum(found.values()), *(found[verdict] for verdict in VERDICTS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Clean, write the report and the sample, and count the verdicts where the sample is the one that was read."""
    found = argparse.ArgumentParser(description="Clean the codes that employers gave to job titles.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/employers"), help="folder of the report")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    found.add_argument("--seed", type=int, default=0, help="of the folds and the sample")
    asked = found.parse_args(arguments)
    taxonomy = soc_2018(asked.data)
    cleaned, noise = clean_records(filings(asked.data), taxonomy, sentence_encoder(cache=asked.cache), seed=asked.seed)
    sample = sampled(cleaned, asked.seed)
    parts = [cleaning_report(cleaned, taxonomy, noise), "## Sample", sheet(sample, taxonomy)]
    verdicts = json.loads(READING.read_text(encoding="utf-8")) if READING.exists() else {}
    if {*sample["id"]} <= {*verdicts}:
        columns = ["decision", "read", *VERDICTS.values()]
        parts += ["## The sample, read by hand", markdown_table(columns, reading(sample, verdicts))]
    write_text(asked.output / "report.md", "\n\n".join(parts) + "\n")
    print({name: cleaned["decision"].count(name) for name in DECISIONS}, noise, asked.output / "report.md")


if __name__ == "__main__":
    main()
