"""`seqtrain.testing.contracts`: what plugins imported before the kit was a distribution of its own."""

from __future__ import annotations

import seqtrain.testing.contracts
import seqtrain_testing.contracts


def test_every_contract_is_the_same_class_under_its_old_name():
    """So that `isinstance` and inheritance hold across both."""
    old, new = (vars(each) for each in (seqtrain.testing.contracts, seqtrain_testing.contracts))

    assert seqtrain.testing.contracts.__all__ == seqtrain_testing.contracts.__all__
    assert [name for name in seqtrain_testing.contracts.__all__ if old[name] is not new[name]] == []
