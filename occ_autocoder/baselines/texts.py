"""Record -> the one text that the other coders read: title and duties joined by a blank."""

from collections.abc import Sequence

import numpy as np

from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.training.examples import Example


def record_texts(job_titles: Sequence[str], job_duties: Sequence[str]) -> list[str]:
    """One text a record, normalised; an empty field is left out. ValueError: the two are not of one length."""
    pairs = zip(job_titles, job_duties, strict=True)
    return [" ".join(filter(None, map(normalize, pair))) for pair in pairs]


def example_texts(examples: Sequence[Example]) -> tuple[list[str], np.ndarray]:
    """The texts of examples and their labels [n]; ValueError where there is none."""
    if not examples:
        raise ValueError("no examples to fit on")
    texts = record_texts([item.job_title for item in examples], [item.job_duties for item in examples])
    return texts, np.array([item.label for item in examples])
