"""Ways to leave out units and words."""

from __future__ import annotations

import torch

from seqtrain_recurrent.dropout import LockedDropout, WordDropout


def test_locked_dropout_leaves_out_the_same_units_at_all_positions() -> None:
    """A unit is zero in all of a row or in none of it; rows differ, and the others are scaled up."""
    torch.manual_seed(0)
    out = LockedDropout(0.25).train()(torch.ones(50, 7, 40))
    dropped = out == 0

    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    assert 0.2 < dropped.float().mean() < 0.3
    torch.testing.assert_close(out[~dropped], torch.full_like(out[~dropped], 4 / 3))


def test_word_dropout_leaves_out_a_word_wherever_it_stands() -> None:
    """All occurrences of a word are zero, or none; the others are scaled up."""
    torch.manual_seed(0)
    tokens = torch.randint(100, (30, 20))
    out = WordDropout(0.5, vocab_size=100).train()(torch.ones(30, 20, 3), tokens)
    dropped = {int(token) for token in tokens[(out == 0).all(-1)]}

    assert 30 < len(dropped) < 70
    for token in range(100):
        assert (out[tokens == token] == (0 if token in dropped else 2)).all()


def test_nothing_is_left_out_in_evaluation_or_with_none_to_leave_out() -> None:
    """The input comes back as it is."""
    x, tokens = torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)

    assert LockedDropout(0.5).eval()(x) is x
    assert LockedDropout(0.0).train()(x) is x
    assert WordDropout(0.5, 5).eval()(x, tokens) is x
    assert WordDropout(0.0, 5).train()(x, tokens) is x
