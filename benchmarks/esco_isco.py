"""ESCO occupations to ISCO-08 unit groups: a label or alternative label, and the occupation's description.

Split by occupation, so that every test occupation is unseen.
"""

from pathlib import Path

from occ_autocoder.taxonomy import read_taxonomy

from .records import Benchmark, frames, read_table, split_of


def build(data: Path, seed: int = 0) -> Benchmark:
    """The benchmark from the folder of public tables; there is nothing random in it."""
    taxonomy = read_taxonomy(data / "isco08_definitions.csv.gz", scheme="isco-08", version="2008")
    descriptions = dict(read_table(data, "esco111_occupations_en")[["esco_id", "description"]].itertuples(index=False))
    labels = read_table(data, "esco111_occupation_labels_en")
    labels = labels[labels["label_type"] != "hidden"]
    rows = (
        (split_of(row.esco_id), row.label, descriptions[row.esco_id], row.isco08_code)
        for row in labels.itertuples(index=False)
    )
    return Benchmark("esco_isco", taxonomy, frames(rows))


if __name__ == "__main__":
    from .run import main

    main(benchmarks=["esco_isco"])
