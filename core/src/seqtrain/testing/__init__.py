"""The name that `seqtrain_testing`, now a distribution of its own, had before; it goes with the next major version."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("seqtrain_testing") is None:
    raise ImportError("seqtrain.testing is a package of its own now. Install it with `pip install seqtrain-testing`.")
