"""The account of one coded file: how many rows became what, by which model, and the digest of what was written."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("occ-autocoder", "torch", "transformers", "tokenizers", "datasets", "pyarrow", "numpy")


@dataclass(frozen=True)
class Ledger:
    """One coded file. `rows` = `coded` + `rejected`; `truncated` of the coded had a text that did not fit the model."""

    rows: int
    coded: int
    rejected: int
    truncated: int
    source: str
    output: str
    sha256: str
    model: str
    model_revision: str | None
    scheme: str
    scheme_version: str
    top_k: int
    level: int | None
    versions: dict[str, str]

    def to_json(self) -> str:
        """As JSON, `rows` under the name "in"."""
        values = asdict(self)
        return json.dumps({"in": values.pop("rows"), **values}, indent=1, ensure_ascii=False) + "\n"


def new_ledger(
    tally: Mapping[str, int], pipeline, written: Path, source: str, output: str, *, top_k: int, level: int | None
) -> Ledger:
    """The ledger of the file that lies at `written`, and will at `output`."""
    config = pipeline.model.config
    return Ledger(
        rows=tally["in"],
        coded=tally["coded"],
        rejected=tally["rejected"],
        truncated=tally["truncated"],
        source=source,
        output=output,
        sha256=sha256_of(written),
        model=pipeline.model.name_or_path,
        model_revision=getattr(config, "_commit_hash", None),
        scheme=config.scheme,
        scheme_version=config.scheme_version,
        top_k=top_k,
        level=level,
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
