"""Examples -> the one text a record that the other coders read: title and duties joined by a blank."""

from collections.abc import Sequence

import numpy as np

from occ_autocoder.data.records import record_texts
from occ_autocoder.training.examples import Example


def example_texts(examples: Sequence[Example]) -> tuple[list[str], np.ndarray]:
    """The texts of examples and their labels [n]; ValueError where there is none."""
    if not examples:
        raise ValueError("no examples to fit on")
    texts = record_texts([item.job_title for item in examples], [item.job_duties for item in examples])
    return texts, np.array([item.label for item in examples])
