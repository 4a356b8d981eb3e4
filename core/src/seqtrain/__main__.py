"""`python -m seqtrain` is `seqtrain`."""

from __future__ import annotations

import sys
from pathlib import Path

from seqtrain.cli.main import run
from seqtrain.workers.report import is_supervised

if __name__ == "__main__":
    # As a worker of `seqtrain evaluate --workers N` it is as that command is: the working directory holds no modules.
    if sys.version_info < (3, 11) and is_supervised() and sys.path[0] == str(Path.cwd()):
        del sys.path[0]  # newer ones know PYTHONSAFEPATH
    run()
