"""Embeddings of token sequences by a frozen encoder: each computed once, and kept on disk by content."""

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch
from tqdm.auto import tqdm

from occ_autocoder.model.remember_occupation import embed_tokens

PART = 2048


def encoder_fingerprint(model) -> str:
    """SHA-256 (hex) over the encoder's weights and what else decides an embedding: the pooling."""
    digest = hashlib.sha256(model.config.pooling.encode())
    for name, weight in sorted(model.encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def cached_embeddings(model, tokens: Sequence[Sequence[int]], folder: Path, pad_token_id: int = 0) -> torch.Tensor:
    """Unit vectors [texts, d] of tokenised texts; those in the cache `folder` are read, the others computed and added.

    One file an encoder, written a part at a time, so that a run that is stopped loses at most a part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(torch.as_tensor(row, dtype=torch.int32).numpy().tobytes()).digest() for row in tokens]
    with closing(sqlite3.connect(folder / f"{encoder_fingerprint(model)}.sqlite", timeout=600)) as cache:
        cache.execute("create table if not exists embeddings (key blob primary key, vector blob) without rowid")
        found = dict(read(cache, set(keys)))
        missing = {key: row for key, row in zip(keys, tokens) if key not in found}
        found |= compute(model, missing, cache, pad_token_id)
    return (
        torch.stack([found[key] for key in keys]) if keys else torch.zeros(0, model.config.encoder_config.hidden_size)
    )


def read(cache: sqlite3.Connection, keys: set[bytes]):
    """(key, vector [d]) of those keys that are in the cache."""
    for key in keys:
        row = cache.execute("select vector from embeddings where key = ?", (key,)).fetchone()
        if row:
            yield key, torch.frombuffer(bytearray(row[0]), dtype=torch.float32)


def compute(model, missing: dict[bytes, Sequence[int]], cache: sqlite3.Connection, pad_token_id: int) -> dict:
    """Embed and store what is missing, the longest first, so that the time left is not underrated."""
    found: dict[bytes, torch.Tensor] = {}
    order = sorted(missing, key=lambda key: -len(missing[key]))
    with tqdm(total=len(order), desc="embedding texts", disable=not order) as progress:
        for start in range(0, len(order), PART):
            part = order[start : start + PART]
            rows = [torch.as_tensor(missing[key]) for key in part]
            vectors = embed_tokens(model, rows, pad_token_id).float().cpu()
            with cache:
                pairs = ((key, vector.numpy().tobytes()) for key, vector in zip(part, vectors))
                cache.executemany("insert or replace into embeddings values (?, ?)", pairs)
            found |= zip(part, vectors)
            progress.update(len(part))
    return found
