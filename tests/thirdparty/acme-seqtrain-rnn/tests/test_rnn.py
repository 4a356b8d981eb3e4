"""Numbers of the model that follow from its description."""

from __future__ import annotations

import pytest
import torch
from acme_seqtrain_rnn.config import RNNConfig
from acme_seqtrain_rnn.decoding import Source
from acme_seqtrain_rnn.rnn import RNN

from seqtrain.api import ConfigError, ModelSpec

SPEC = ModelSpec(vocab_size=5, source_vocab_size=7, padding=1, max_positions=9, max_source_positions=9)


def test_it_has_as_many_parameters_as_counted_by_hand() -> None:
    """Two tables, two directions of 3 * 2 gates, a decoder of 3 * 4, the combination and the projection."""
    tables = 7 * 4 + 5 * 4
    encoder = 2 * (3 * 2 * 4 + 3 * 2 * 2 + 2 * 3 * 2)
    decoder = 3 * 4 * 4 + 3 * 4 * 4 + 2 * 3 * 4
    combine, output = 8 * 4 + 4, 4 * 5 + 5

    model = RNN(RNNConfig(hidden=4), spec=SPEC)

    assert tables + encoder + decoder + combine + output == sum(each.numel() for each in model.parameters())


def test_a_query_sees_what_is_like_it_and_no_padding() -> None:
    """Of two states with scores ln 3 and 0, the mean has weights 3/4 and 1/4; the third is padding."""
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    source = Source(states, torch.tensor([[True, True, False]]))

    seen = source.look_up(torch.tensor([[[3.0, 1.0]]]).log())

    torch.testing.assert_close(seen, torch.tensor([[[0.75, 0.25]]]))


def test_a_task_without_a_source_is_refused() -> None:
    """A language model's data has nothing to look back at."""
    with pytest.raises(ConfigError, match="Choose another model"):
        RNN(RNNConfig(), spec=ModelSpec(vocab_size=5, padding=1, max_positions=9))


def test_an_odd_size_is_refused() -> None:
    """Two directions share it."""
    with pytest.raises(ValueError, match="hidden=3 is odd"):
        RNNConfig(hidden=3)
