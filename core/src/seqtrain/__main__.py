"""`python -m seqtrain` is `seqtrain`, for which the working directory holds no modules either."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):  # known since Python 3.11
        del sys.path[0]  # before anything else is imported, be it called json.py or torch.py there
    from seqtrain.cli.main import run

    run()
