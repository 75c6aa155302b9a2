"""ISCO-08 as it ships with the package: the ILO's codes and titles, with text of our own beside them."""

from importlib.resources import as_file, files

from ..tables import read_taxonomy
from ..taxonomy import Taxonomy

TABLE = "occupations.csv"


def load_isco08() -> Taxonomy:
    """ISCO-08 with its 10 major, 43 sub-major, 130 minor and 436 unit groups (scheme "isco-08", version "2008").

    The table's columns are code, level, parent and title; definition, tasks, examples and excluded where it has them.
    """
    with as_file(files(__package__) / TABLE) as path:
        return Taxonomy(read_taxonomy(path), scheme="isco-08", version="2008")
