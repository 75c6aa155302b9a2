"""How good a coder is: numbers, calibration and a report, from labels and probabilities alone (never from a model)."""

from occ_autocoder.extras import require

require("train")
