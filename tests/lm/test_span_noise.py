"""Hidden spans."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_lm.rows import BlockRows
from seqtrain_lm.span_noise import SpanBatches, span_counts
from seqtrain_lm.vocabulary import Vocabulary

PAD, BOS, EOS, FIRST = 0, 1, 2, 1000
TOKENIZER = SimpleNamespace(vocab_size=FIRST, padding=PAD, bos=BOS, eos=EOS, unknown=3)


def batches(**noise: float) -> SpanBatches:
    return SpanBatches(Vocabulary(TOKENIZER, 100), NoiseConfig(**noise))


def rows(*lengths: int) -> BlockRows:
    """Return blocks of tokens 4, 5, 6 and so on, no two alike in a block."""
    tokens = np.concatenate([4 + np.arange(length) for length in lengths])
    return BlockRows(tokens, np.full(len(lengths), EOS), np.array(lengths), np.ones(len(lengths), np.int64))


def restored(source: list[int], target: list[int]) -> list[int]:
    """Put the target's spans in the place of their ids."""
    assert source[-1] == target[-1] == EOS
    spans: dict[int, list[int]] = {}
    for token in target[:-1]:
        if token >= FIRST:
            spans[token] = []
            last = token
        else:
            spans[last].append(token)
    assert list(range(FIRST, FIRST + len(spans))) == list(spans)
    return [each for token in source[:-1] for each in (spans[token] if token >= FIRST else [token])]


@given(st.integers(1, 80), st.floats(0.05, 0.95), st.floats(1, 6), st.integers(0, 1000))
def test_source_and_target_hold_the_text_between_them(
    length: int, share: float, mean_span: float, example: int
) -> None:
    """Spans put back into the source give the block, lengths are as planned, and no span follows another at once."""
    making = batches(mask_prob=share, mean_span=mean_span)
    batch = making(np.array([example]), rows(length))
    source, target = batch.net_input["source_tokens"][0].tolist(), batch.target[0].tolist()

    assert (4 + np.arange(length)).tolist() == restored(source, target)
    assert [[len(source), len(target)]] == making.lengths(np.array([length])).tolist()
    hidden = [token >= FIRST for token in source]
    assert not any(one and other for one, other in pairwise(hidden))
    assert [BOS, *target[:-1]] == batch.net_input["prev_output_tokens"][0].tolist()


def test_how_much_is_hidden_follows_the_settings() -> None:
    """15 % of 100 tokens in spans of 3 on average; at least one token, in one span."""
    assert [[15, 1], [5, 1]] == [each.tolist() for each in span_counts(np.array([100, 3]), NoiseConfig())]


def test_rows_are_padded_side_by_side() -> None:
    """The counts are those of the longer side, and targets do not count padding."""
    batch = batches(mask_prob=0.2)(np.array([5, 6]), rows(40, 10))

    assert (2, 40 - 8 + 3 + 1) == tuple(batch.net_input["source_tokens"].shape)
    assert (2, 8 + 3 + 1) == tuple(batch.target.shape)
    assert 12 + 4 == batch.num_targets == int((batch.target != PAD).sum())
    assert (36 + 10, 72) == (batch.num_tokens, batch.num_positions)


@pytest.mark.parametrize("other", [{"example": 6}, {"seed": 2}])
def test_noise_is_a_matter_of_seed_and_example(other: dict[str, int]) -> None:
    """An example is always hidden alike, another or with another seed otherwise."""
    first, again = (batches()(np.array([5]), rows(60)).target.tolist() for _ in range(2))
    changed = batches(seed=other.get("seed", 1))(np.array([other.get("example", 5)]), rows(60)).target.tolist()

    assert first == again != changed
