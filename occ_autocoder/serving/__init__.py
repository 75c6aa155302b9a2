"""Coding files of records with a trained model, every row accounted for."""

from .coding import Coding, code_records, code_rows
from .labelled import Judged, judge, model_taxonomy, predict_probabilities
from .ledger import Ledger
from .observing import Observed, known_titles, observe

__all__ = [
    "Coding",
    "Judged",
    "Ledger",
    "Observed",
    "code_records",
    "code_rows",
    "judge",
    "known_titles",
    "model_taxonomy",
    "observe",
    "predict_probabilities",
]
