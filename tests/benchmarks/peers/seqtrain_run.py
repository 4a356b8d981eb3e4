"""The command line of seqtrain, with all that `train` imports imported at once: what `peers_faults.py` forks from."""

from __future__ import annotations

import sys

import torch.utils.tensorboard  # noqa: F401 - as everything here, for what is forked later

import seqtrain.cli.train
import seqtrain.train  # noqa: F401
from seqtrain.cli.main import run


def main(argv: list[str]) -> None:
    """Run the command line."""
    sys.argv = ["seqtrain", *argv]
    run()


if __name__ == "__main__":
    main(sys.argv[1:])
