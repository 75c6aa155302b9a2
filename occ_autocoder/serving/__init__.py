"""Coding files of records with a trained model, every row accounted for."""

from .coding import Coding, code_records, code_rows
from .labelled import Judged, judge, model_taxonomy, predict_probabilities
from .ledger import Ledger

__all__ = [
    "Coding",
    "Judged",
    "Ledger",
    "code_records",
    "code_rows",
    "judge",
    "model_taxonomy",
    "predict_probabilities",
]
