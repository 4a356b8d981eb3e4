"""The kit is complete."""

from __future__ import annotations

from seqtrain.plugin import KINDS
from seqtrain_testing import contracts


def test_every_kind_has_a_contract() -> None:
    """One each, and a base for all of them."""
    kinds = [getattr(contracts, name).kind for name in contracts.__all__ if name != "ComponentContract"]

    assert sorted(KINDS) == sorted(kinds)
