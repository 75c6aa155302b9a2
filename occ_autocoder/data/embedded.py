"""The synthetic records of ISCO-08 that ship with the package, in a folder that `load_dataset` reads too."""

from importlib.resources import as_file, files

import pyarrow.parquet
from datasets import Dataset

FOLDER, TABLE = "isco08_records", "records.parquet"


def load_isco08_records() -> Dataset:
    """Records of every unit group of ISCO-08, written for it by a language model; those of titles alone come after.

    Columns: those of `data.records.RECORD_FEATURES`, and `register`, `difficulty`, `code_confusable`, `variant`,
    `generator`, `prompt`, `version`, all strings; see the folder's README.md.
    """
    with as_file(files(__package__) / FOLDER / TABLE) as path:
        return Dataset(pyarrow.parquet.read_table(path))
