"""How often the right code is among the first candidates: embeddings alone, n-grams alone, and both fused.

python -m benchmarks.retrieval --data FOLDER
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from occ_autocoder.data.encoder import CACHE, Encode, sentence_encoder
from occ_autocoder.data.retrieval import DENSE, LEXICAL, Retriever, reciprocal_rank, with_text
from occ_autocoder.evaluation.metrics import label_ranks
from occ_autocoder.markdown import markdown_table, percent

from .measures import test_forms
from .records import Benchmark
from .run import BENCHMARKS

SINGLE = {name: (name,) for name in (*DENSE, *LEXICAL)}
RETRIEVERS = {"fused": (*DENSE, *LEXICAL), "dense": DENSE, "lexical": LEXICAL, **SINGLE}
DEPTHS = (1, 5, 10)
PART = 512


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every form of the test rows, at most `--rows` of each, and print a table a benchmark."""
    found = argparse.ArgumentParser(description="Recall of the candidates that a taxonomy's own texts give.")
    found.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    found.add_argument("--benchmark", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    found.add_argument("--rows", type=int, default=2000, help="at most so many rows of a form, drawn with seed 0")
    found.add_argument("--cache", type=Path, default=CACHE, help="folder of embeddings")
    asked = found.parse_args(arguments)
    encode = sentence_encoder(cache=asked.cache)
    for name in asked.benchmark:
        print(recall_table(BENCHMARKS[name](asked.data), encode, asked.rows), flush=True)


def recall_table(benchmark: Benchmark, encode: Encode, rows: int) -> str:
    """Markdown: a row for each form and way to retrieve, with the recall at each of `DEPTHS`."""
    retriever = Retriever(benchmark.taxonomy, encode)
    labels = {code: label for label, code in enumerate(retriever.codes)}
    lines = []
    for form, frame in test_forms(benchmark.splits["test"]).items():
        frame = frame[frame["code"].isin(labels)]
        frame = frame.sample(min(rows, len(frame)), random_state=0)
        if len(frame):
            texts = frame["job_title"].tolist(), frame["job_duties"].tolist()
            for name, shares in recalls(retriever, *texts, frame["code"].map(labels).to_numpy()).items():
                lines.append([f"{form.replace('_', ' ')} ({len(frame):,})", name, *map(percent, shares)])
    columns = ["form (rows)", "ranked by", *(f"recall@{depth}" for depth in DEPTHS)]
    return f"## {benchmark.name}\n\n{markdown_table(columns, lines)}\n"


def recalls(
    retriever: Retriever, job_titles: Sequence[str], job_duties: Sequence[str], labels: np.ndarray
) -> Mapping[str, list[float]]:
    """Name of `RETRIEVERS` -> the share of rows whose label is among the first, at each of `DEPTHS`."""
    ranks: dict[str, list[np.ndarray]] = {name: [] for name in RETRIEVERS}
    for start in range(0, len(labels), PART):
        part = slice(start, start + PART)
        cosines = retriever.similarities(job_titles[part], job_duties[part])
        for name, rankings in RETRIEVERS.items():
            scores = reciprocal_rank(cosines, with_text(job_duties[part]), rankings)
            ranks[name].append(label_ranks(scores, labels[part]))
    joined = {name: np.concatenate(parts) for name, parts in ranks.items()}
    return {name: [float((rank < depth).mean()) for depth in DEPTHS] for name, rank in joined.items()}


if __name__ == "__main__":
    main()
