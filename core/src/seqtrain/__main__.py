"""`python -m seqtrain` is `seqtrain`."""

from __future__ import annotations

from seqtrain.cli.main import run

if __name__ == "__main__":
    run()
