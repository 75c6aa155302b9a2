"""Classifications of occupations: reading official tables and one's own, asking about the hierarchy, comparing."""

from .checks import TaxonomyError
from .comparison import Change, Comparison, compare
from .isco08 import load_isco08
from .occupation import Occupation
from .schemes import SCHEMES, Scheme
from .tables import read_taxonomy
from .taxonomy import Taxonomy, UnknownCodeError

__all__ = [
    "SCHEMES",
    "Change",
    "Comparison",
    "Occupation",
    "Scheme",
    "Taxonomy",
    "TaxonomyError",
    "UnknownCodeError",
    "compare",
    "load_isco08",
    "read_taxonomy",
]
