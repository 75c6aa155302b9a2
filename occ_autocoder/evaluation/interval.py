"""How sure a share is that was counted on n records."""

import math

Z95 = 1.959964


def wilson_interval(share: float, records: int, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a share (0 to 1) of independent records (Wilson 1927).

    Unlike a bootstrap of the records it has a width where all of them are right, or all wrong.
    """
    spread = z * z / records
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    # Rounding must carry neither bound past 0, 1 or the share itself.
    return max(0.0, min(float(share), centre - half)), min(1.0, max(float(share), centre + half))
