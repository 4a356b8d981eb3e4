"""One contract for each kind of component, to be subclassed by a test; see `seqtrain.testing`."""

from __future__ import annotations

from seqtrain.testing.contracts.model import ModelContract

__all__ = ["ModelContract"]
