"""Decoding step by step gives what reading the whole prefix at once gives, whatever beams do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqtrain.protocols import ModelSpec
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer

PADDING = 1
VOCAB = 19


def build(**options: Any) -> Transformer:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    spec = ModelSpec(
        vocab_size=VOCAB, source_vocab_size=VOCAB, shared_vocabulary=True, padding=PADDING, max_positions=100
    )
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 2}
    return Transformer(TransformerConfig(**{**sizes, **options}), spec=spec).eval()


def sources() -> Tensor:
    """Return three sentences of unequal lengths."""
    source = torch.randint(4, VOCAB, (3, 6))
    source[1, 4:] = PADDING
    source[2, 2:] = PADDING
    return source


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"pre_norm": False, "positions": "learned"}, {"attention_heads": 1}], ids=str)
@pytest.mark.parametrize("beam", [1, 3])
def test_step_by_step_equals_at_once(options: dict[str, Any], beam: int) -> None:
    """Rows that never change places give the logits of a full forward pass."""
    model = build(**options)
    source = sources()
    target = torch.randint(4, VOCAB, (3 * beam, 8))
    state = model.start_decoding({"source_tokens": source}, beam=beam)
    steps = torch.cat([model.decode_step(target[:, t : t + 1], state) for t in range(8)], dim=1)

    assert_same(steps, model(source.repeat_interleave(beam, dim=0), target))


def test_a_prefix_may_be_read_at_once() -> None:
    """Several tokens in one step, first or later, count as so many steps."""
    model = build()
    source = sources()
    target = torch.randint(4, VOCAB, (6, 9))
    state = model.start_decoding({"source_tokens": source}, beam=2)
    steps = [model.decode_step(target[:, start:stop], state) for start, stop in ((0, 3), (3, 4), (4, 9))]

    assert_same(torch.cat(steps, dim=1), model(source.repeat_interleave(2, dim=0), target))


def test_the_cache_grows() -> None:
    """More positions than there was room for at first are all remembered."""
    model = build(embed_dim=8, ffn_dim=8)
    source = sources()
    target = torch.randint(4, VOCAB, (6, 75))
    state = model.start_decoding({"source_tokens": source}, beam=2)
    for t in range(75):
        last = model.decode_step(target[:, t : t + 1], state)

    assert state.length == 75
    assert_same(last, model(source.repeat_interleave(2, dim=0), target)[:, -1:])


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_reordering_and_dropping_equals_a_full_pass(data: st.DataObject) -> None:
    """After any history of rows going on from others and sentences ending, the logits are those of the prefixes."""
    model = build()
    beam = data.draw(st.integers(1, 4))
    source = sources()
    state = model.start_decoding({"source_tokens": source}, beam=beam)
    prefixes = torch.empty(len(source) * beam, 0, dtype=torch.int64)
    for _ in range(data.draw(st.integers(1, 6))):
        new = torch.randint(4, VOCAB, (len(prefixes), data.draw(st.integers(1, 2))))
        prefixes = torch.cat((prefixes, new), dim=1)
        logits = model.decode_step(new, state)
        assert_same(logits, model(source.repeat_interleave(beam, dim=0), prefixes)[:, -new.shape[1] :])

        within = st.lists(st.integers(0, beam - 1), min_size=beam, max_size=beam)
        rows = torch.tensor([i * beam + slot for i in range(len(source)) for slot in data.draw(within)])
        state.reorder(rows)
        prefixes = prefixes[rows]

        kept = sorted(data.draw(st.sets(st.integers(0, len(source) - 1), min_size=1)))
        state.keep(torch.tensor(kept))
        source = source[kept]
        prefixes = prefixes.view(-1, beam, prefixes.shape[1])[kept].flatten(0, 1)


def test_sentences_may_be_dropped_before_the_first_step() -> None:
    """Nothing has been read of the target yet, and that is fine."""
    model = build()
    source = sources()
    state = model.start_decoding({"source_tokens": source}, beam=2)
    state.keep(torch.tensor([0, 2]))
    target = torch.randint(4, VOCAB, (4, 1))

    assert_same(model.decode_step(target, state), model(source[[0, 2]].repeat_interleave(2, dim=0), target))


def test_the_source_is_held_once_a_sentence() -> None:
    """Its keys do not multiply with the beam, and no gradient is kept."""
    state = build().start_decoding({"source_tokens": sources()}, beam=5)

    assert all(each.keys.shape == (3, 2, 6, 8) for each in state.source)
    assert not any(each.keys.requires_grad for each in state.source)


def test_reordering_moves_no_keys() -> None:
    """The cached keys and values stay where they are when rows change places."""
    model = build()
    state = model.start_decoding({"source_tokens": sources()}, beam=2)
    model.decode_step(torch.randint(4, VOCAB, (6, 1)), state)
    rooms = [cache._room.data_ptr() for cache in state.target]
    state.reorder(torch.tensor([1, 1, 3, 2, 4, 4]))

    assert rooms == [cache._room.data_ptr() for cache in state.target]
