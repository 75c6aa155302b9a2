"""Runs benchmarks, our model and its peers on the same rows, and writes results (JSON) and tables (Markdown).

python -m benchmarks.run --data FOLDER --benchmark esco_isco --seeds 0 1 2 --output build/benchmarks
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from occ_autocoder.data.encoder import CACHE

from . import esco_isco, onet, ssoc
from .ours import parse_settings, run_ours, training_arguments
from .peers import PEERS, USUAL, benchmark_examples, run_peer, shared_encoder
from .records import Benchmark
from .tables import OURS, benchmark_tables, read_results

BENCHMARKS: dict[str, Callable[[Path], Benchmark]] = {
    "ssoc_2020": lambda data: ssoc.build(data, "2020"),
    "ssoc_2024": lambda data: ssoc.build(data, "2024"),
    "esco_isco": esco_isco.build,
    "onet": onet.build,
}


def main(arguments: Sequence[str] | None = None, benchmarks: Sequence[str] = ()) -> None:
    """Run what the command line asks for; `benchmarks` where the command is about these alone."""
    asked = parser(benchmarks).parse_args(arguments)
    names = benchmarks or (list(BENCHMARKS) if "all" in asked.benchmark else asked.benchmark)
    settings = parse_settings(asked.set)
    for seed in asked.seeds:
        training_arguments(settings, seed)  # a wrong setting shows before hours of work
    for name in names:
        folder = asked.output / name
        if asked.only != "tables":
            run_benchmark(BENCHMARKS[name](asked.data), asked, settings, folder)
        write_table(name, folder)


def parser(benchmarks: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options of the command; `--benchmark` is none where the benchmarks are given."""
    found = argparse.ArgumentParser(description="Measure our model and its peers on the same rows.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    if not benchmarks:
        found.add_argument("--benchmark", nargs="+", choices=[*BENCHMARKS, "all"], default=["all"])
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="a run of each seeded coder for each")
    found.add_argument(
        "--peers", nargs="+", choices=list(PEERS), default=list(USUAL), metavar="PEER", help="|".join(PEERS)
    )
    found.add_argument("--only", choices=["ours", "peers", "tables"], help="run but these; tables: from what is there")
    found.add_argument("--reuse", action="store_true", help="keep the peers' results that are about the same data")
    found.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="a setting of our training")
    found.add_argument("--output", type=Path, default=Path("build/benchmarks"), help="folder of results and tables")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    found.add_argument("--keep-models", action="store_true", help="leave our trained models in the output folder")
    return found


def run_benchmark(benchmark: Benchmark, asked: argparse.Namespace, settings: Mapping, folder: Path) -> None:
    """Run the peers, then our model once a seed, on one benchmark; each result is written as soon as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if asked.only != "ours":
        run_peers(benchmark, asked, settings, folder)
    if asked.only != "peers":
        for seed in asked.seeds:
            model = folder / f"{OURS}-seed{seed}-{digest(settings)[:8]}"
            result = run_ours(benchmark, settings, seed, model, asked.cache, asked.keep_models)
            write_result(folder, OURS, seed, result, digest(benchmark))


def run_peers(benchmark: Benchmark, asked: argparse.Namespace, settings: Mapping, folder: Path) -> None:
    """Run each peer: once, or once a seed where its seed matters. Their texts are those of our first seed."""
    arguments = training_arguments(settings, asked.seeds[0])
    examples, codes = benchmark_examples(benchmark, arguments)
    encode = shared_encoder(benchmark, codes, arguments, asked.cache)
    for name in asked.peers:
        for seed in asked.seeds if PEERS[name].seeded else [None]:
            if not (asked.reuse and is_there(folder, name, seed, digest(benchmark))):
                result = run_peer(name, benchmark, examples, codes, encode, seed)
                write_result(folder, name, seed, result, digest(benchmark))


def digest(value: Benchmark | Mapping) -> str:
    """SHA-256 (hex) of a benchmark's codes, texts and rows, or of settings."""
    if isinstance(value, Benchmark):
        frames = [frame.to_csv(index=False) for frame in value.splits.values()]
        return hashlib.sha256("\n".join([value.taxonomy.fingerprint, *frames]).encode()).hexdigest()
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def result_file(folder: Path, coder: str, seed: int | None) -> Path:
    """Where a coder's result is."""
    return folder / (f"{coder}.json" if seed is None else f"{coder}-seed{seed}.json")


def is_there(folder: Path, coder: str, seed: int | None, data: str) -> bool:
    """Whether there is a result of the coder on data with this digest."""
    file = result_file(folder, coder, seed)
    return file.exists() and json.loads(file.read_text(encoding="utf-8"))["data"] == data


def write_result(folder: Path, coder: str, seed: int | None, result: Mapping, data: str) -> None:
    """Write a result, with the coder, the seed and the digest of the data that it is about."""
    about = {"coder": coder, "seed": seed, "data": data}
    text = json.dumps(about | dict(result), indent=1)
    result_file(folder, coder, seed).write_text(text + "\n", encoding="utf-8")


def write_table(name: str, folder: Path) -> None:
    """Write `results.md` from the results in the folder, and print it."""
    text = benchmark_tables(name, read_results(folder))
    (folder / "results.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
