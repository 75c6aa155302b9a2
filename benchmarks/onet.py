"""O*NET-SOC, 1,016 occupations: an alternate title, and three tasks of the occupation as its duties.

Titles and tasks are split apart, so that no test title and no test task was seen in training.
"""

import random
from pathlib import Path

from occ_autocoder.taxonomy import read_taxonomy

from .records import Benchmark, duties_of, frames, read_table, split_of

TASKS = 3
POOL = 12


def build(data: Path, seed: int = 0) -> Benchmark:
    """The benchmark from the folder of public tables; `seed` draws the tasks of each record.

    An occupation's records share at most `POOL` different sets of tasks, so that each is encoded once.
    """
    taxonomy = read_taxonomy(
        data / "onet27_occupations.csv.gz",
        scheme="onet-soc-2019",
        version="27.0",
        upper=data / "us_soc2018_definitions.csv.gz",
    )
    generator = random.Random(seed)
    pools = task_sets(data, generator)
    rows = []
    for row in read_table(data, "onet27_alternate_titles").itertuples(index=False):
        split = split_of(row.alternate_title.lower())
        sets = pools.get((split, row.onet_soc_code), [""])
        rows.append((split, row.alternate_title, generator.choice(sets), row.onet_soc_code))
    return Benchmark("onet", taxonomy, frames(rows))


def task_sets(data: Path, generator: random.Random) -> dict[tuple[str, str], list[str]]:
    """(split, code) -> up to `POOL` different texts of `TASKS` tasks; an occupation with fewer tasks has none."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for row in read_table(data, "onet27_task_statements").itertuples(index=False):
        tasks.setdefault((split_of(row.task_id), row.onet_soc_code), []).append(row.task)
    enough = {key: pool for key, pool in tasks.items() if len(pool) >= TASKS or key[0] != "train"}
    return {key: sorted({duties_of(pool, TASKS, generator) for _ in range(POOL)}) for key, pool in enough.items()}


if __name__ == "__main__":
    from .run import main

    main(benchmarks=["onet"])
