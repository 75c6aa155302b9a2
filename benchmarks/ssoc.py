"""SSOC 2020 and SSOC 2024 at five digits: example titles, alone and with sentences of the definition as duties.

Titles are split; of a code's definition one sentence is for the test and, from three on, one for validation, so that no
sentence is on two sides.
"""

import random
from collections import defaultdict
from pathlib import Path

from occ_autocoder.taxonomy import Taxonomy, read_taxonomy

from .records import Benchmark, drop_examples, duties_of, frames, read_table, sentences, split_of, with_definitions

SHOWN = 2


def build(data: Path, edition: str = "2020", seed: int = 0) -> Benchmark:
    """The benchmark of one edition ("2020" or "2024") from the folder of public tables; `seed` draws the sentences."""
    full = read_taxonomy(data / f"ssoc{edition}_definitions.csv.gz", scheme=f"ssoc-{edition}", version=edition)
    official = {item.title.lower() for item in full}
    generator = random.Random(seed)
    held_out = {item.code: split_sentences(item.definition, generator) for item in full.leaves}
    rows = []
    for title, code in titles(data, edition, full):
        split = "train" if title.lower() in official else split_of(title.lower())
        rows.append((split, title, duties_of(held_out[code][split], SHOWN, generator), code))
    taxonomy = drop_examples(full, lambda title: title.lower() in official or split_of(title.lower()) == "train")
    known = {code: " ".join(parts["train"]) for code, parts in held_out.items()}
    return Benchmark(f"ssoc_{edition}", with_definitions(taxonomy, known), frames(rows))


def titles(data: Path, edition: str, taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """(title, five-digit code) of the index and, for 2020, of the portal's listing."""
    leaves = {item.code for item in taxonomy.leaves}
    index = read_table(data, "ssoc_title_index")
    index = index[(index["ssoc_version"] == edition) & (index["source"] != "official_title")]
    pairs = list(index[["title", "ssoc_code"]].itertuples(index=False, name=None))
    if edition == "2020":
        listing = read_table(data, "ssoc2015_title_listing_mom")
        pairs += list(listing[["title", "ssoc2020_code"]].itertuples(index=False, name=None))
    return [(title, code) for title, code in pairs if code in leaves]


def split_sentences(definition: str, generator: random.Random) -> dict[str, list[str]]:
    """The sentences of a definition by split; the only sentence of a short one is for training."""
    parts = sentences(definition)
    order = generator.sample(parts, len(parts))
    shares: dict[str, list[str]] = defaultdict(list)
    shares["test"] = order[:1] if len(order) > 1 else []
    shares["validation"] = order[1:2] if len(order) > 2 else []
    taken = {*shares["test"], *shares["validation"]}
    shares["train"] = [part for part in parts if part not in taken]
    return shares


if __name__ == "__main__":
    from .run import main

    main(benchmarks=["ssoc_2020", "ssoc_2024"])
