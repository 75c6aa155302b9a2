"""Other coders on the same inputs, with the same outputs, to compare with."""

from occ_autocoder.extras import require

require("baselines")
