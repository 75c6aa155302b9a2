"""Training: examples from records and a taxonomy, the Accelerate loop, losses, checkpoints, the fit of the fusion."""

from occ_autocoder.extras import require

require("train")
