"""Classifications of occupations: reading official tables and one's own, asking about the hierarchy, comparing."""

from occ_autocoder.taxonomy.checks import TaxonomyError
from occ_autocoder.taxonomy.comparison import Change, Comparison, compare
from occ_autocoder.taxonomy.isco08 import load_isco08
from occ_autocoder.taxonomy.occupation import Occupation
from occ_autocoder.taxonomy.schemes import SCHEMES, Scheme
from occ_autocoder.taxonomy.tables import read_taxonomy
from occ_autocoder.taxonomy.taxonomy import Taxonomy, UnknownCodeError

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
