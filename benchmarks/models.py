"""The comparison that the choice of the model rests on: ours and every other coder, neural ones too.

python -m benchmarks.models --data FOLDER --benchmark esco_isco onet --seeds 0 1 2
"""

import sys
from collections.abc import Sequence

from . import run
from .peers import PEERS


def main(arguments: Sequence[str] | None = None) -> None:
    """`benchmarks.run` with all the peers where none are named."""
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    run.main(given if "--peers" in given else [*given, "--peers", *PEERS])


if __name__ == "__main__":
    main()
