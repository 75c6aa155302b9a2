"""From advertisements to named candidates: hidden occupations come back as clusters, on a page that a person reads.

A tenth of O*NET-SOC's occupations is hidden from the taxonomy and from training. The advertisements are made of records
that the model has not seen: titles and tasks of the hidden occupations, advertised ever more often, and titles
and tasks of the test split of the others. `emerging` reads them as it reads any file.

python -m benchmarks.emerging --data FOLDER --seeds 0 1 2
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas

from occ_autocoder.cli_emerging import emerging
from occ_autocoder.data.encoder import CACHE
from occ_autocoder.emerging.cluster_metrics import cluster_metrics
from occ_autocoder.emerging.detection import STATUSES
from occ_autocoder.emerging.judgement import VERDICTS
from occ_autocoder.files import write_text
from occ_autocoder.markdown import markdown_table

from .novelty import emerging_codes, hide, some_codes
from .novelty_measures import cell
from .onet import TASKS
from .ours import parse_settings
from .records import duties_of, read_table
from .run import BENCHMARKS
from .trust import trained

QUARTERS, FIRMS = 8, 200
KINDS = ("hidden", "known")
METRICS = ("v_measure", "purity", "dominated", "f1", "weighted_f1", "clustered")


def advertisements(data: Path, known: pandas.DataFrame, novel: pandas.DataFrame, number: int, share: float, seed: int):
    """`number` rows of known and of hidden occupations, each with tasks of its own, and their codes in `code`.

    A `share` of them is of hidden ones. What an ad says of day and firm is drawn: a known occupation is advertised
    evenly over two years, a hidden one in quarter q with a weight of q.
    """
    generator = random.Random(seed)
    tasks = read_table(data, "onet27_task_statements").groupby("onet_soc_code")["task"].apply(list).to_dict()
    enough = novel[[len(tasks.get(code, [])) >= TASKS for code in novel["code"]]]
    enough = enough.sample(min(round(share * number), len(enough)), random_state=seed)
    others = known[known["job_duties"] != ""]
    others = others.sample(min(number - len(enough), len(others)), random_state=seed)
    rows = [(row.job_title, row.job_duties, row.code, False) for row in others.itertuples()]
    rows += [
        (row.job_title, duties_of(tasks[row.code], TASKS, generator), row.code, True) for row in enough.itertuples()
    ]
    found = pandas.DataFrame(rows, columns=["job_title", "job_duties", "code", "hidden"])
    quarters = [
        generator.choices(range(QUARTERS), range(1, 1 + QUARTERS) if own else None)[0] for own in found["hidden"]
    ]
    days = [f"{2024 + quarter // 4}-{1 + 3 * (quarter % 4):02d}-{generator.randint(1, 28):02d}" for quarter in quarters]
    firms = [f"Firm {generator.randint(1, FIRMS)}" for _ in days]
    found = found.assign(date=days, employer=firms).sample(frac=1, random_state=seed).reset_index(drop=True)
    return found.assign(id=[f"ad{place}" for place in found.index])


def measured(ads: pandas.DataFrame, folder: Path) -> dict[str, dict]:
    """`detection`: of ads of known and hidden codes the share of each status; `novelty`; `clusters`; `verdicts`."""
    ads = ads.set_index("id")
    ads = ads.join(read(folder / "detection.csv")["status"]).join(read(folder / "members.csv")["cluster"])
    ads = ads.fillna({"cluster": "", "status": "rejected"})
    shares = {
        kind: {status: float((own["status"] == status).mean()) for status in STATUSES}
        for kind, own in (("hidden", ads[ads["hidden"]]), ("known", ads[~ads["hidden"]]))
    }
    candidates, novel = ads[ads["status"] != "coded"], ads[ads["status"] == "novel"]
    found = {
        "recall of candidates": float((ads[ads["hidden"]]["status"] != "coded").mean()),
        "recall of novel": shares["hidden"]["novel"],
        "candidates that are hidden": float(candidates["hidden"].mean()),
        "novel that are hidden": float(novel["hidden"].mean()),
    }
    clusters = cluster_metrics(novel["cluster"].tolist(), novel["code"].where(novel["hidden"], "").tolist())
    every = ads[ads["hidden"]]["code"].nunique()
    clusters["of all hidden codes dominated"] = clusters["dominated"] * clusters["codes"] / every
    verdicts = read(folder / "judgements.csv")["verdict"]
    own = {name: Counter(part["hidden"])[True] * 2 > len(part) for name, part in novel.groupby("cluster") if name}
    table = {
        kind: {
            verdict: sum(own[name] == is_hidden and verdicts[name] == verdict for name in own) for verdict in VERDICTS
        }
        for kind, is_hidden in (("hidden", True), ("known", False))
    }
    return {"detection": shares, "novelty": found, "clusters": clusters, "verdicts": table}


def read(path: Path) -> pandas.DataFrame:
    """A table of the report by its first column."""
    return pandas.read_csv(path, dtype=str, keep_default_na=False, index_col=0)


def report(found: Sequence[Mapping]) -> str:
    """The means over the seeds, with the least and the most."""
    parts = ["## Detection: of the advertisements, by what they are"]
    rows = [[kind, *(cell([item["detection"][kind][name] for item in found]) for name in STATUSES)] for kind in KINDS]
    parts += [markdown_table(["", *STATUSES], rows)]
    rows = [[name, cell([item["novelty"][name] for item in found])] for name in found[0]["novelty"]]
    names = [*METRICS, "of all hidden codes dominated"]
    rows += [[name.replace("_", " "), cell([item["clusters"][name] for item in found])] for name in names]
    parts += ["## Candidates and clusters, per cent", markdown_table(["", f"{len(found)} seeds"], rows)]
    rows = [[kind, *(sum(item["verdicts"][kind][name] for item in found) for name in VERDICTS)] for kind in KINDS]
    parts += ["## Verdicts on clusters, most of whose ads are so", markdown_table(["", *VERDICTS], rows)]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `emerging` for each seed, and write and print what came back."""
    asked = parser().parse_args(arguments)
    benchmark, settings, found = BENCHMARKS["onet"](asked.data), parse_settings(asked.set), []
    for seed in asked.seeds:
        folder = asked.output / f"seed{seed}"
        codes = emerging_codes(benchmark) if asked.emerging else some_codes(benchmark, seed)
        hidden = hide(benchmark, codes, "test")
        trained(hidden.benchmark, settings, seed, folder / "model", asked.cache)
        rows = pandas.concat(benchmark.splits.values())
        ads = advertisements(asked.data, hidden.known, rows[rows["code"].isin(codes)], asked.ads, asked.share, seed)
        ads.drop(columns=["code", "hidden"]).to_csv(folder / "vacancies.csv", index=False)
        emerging(str(folder / "vacancies.csv"), folder / "report", str(folder / "model"), seed=seed)
        found.append(measured(ads, folder / "report"))
        write_text(asked.output / "emerging.json", json.dumps(found, indent=1) + "\n")
        write_text(asked.output / "emerging.md", report(found))
    print(report(found))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    found = argparse.ArgumentParser(description="Find hidden occupations again as clusters of advertisements.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--ads", type=int, default=5000, help="advertisements")
    found.add_argument("--share", type=float, default=0.2, help="of them, of hidden occupations")
    found.add_argument("--emerging", action="store_true", help="hide O*NET's own new occupations, not a tenth of all")
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the hidden codes")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of the training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks/emerging"), help="folder of the reports")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    return found


if __name__ == "__main__":
    main()
