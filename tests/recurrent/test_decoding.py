"""Decoding step by step gives what reading the whole prefix at once gives, whatever beams do."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqtrain.api import IncrementalModel, ModelSpec
from seqtrain_recurrent.config import LSTMConfig, LSTMLanguageModelConfig
from seqtrain_recurrent.lstm import LSTMEncoderDecoder
from seqtrain_recurrent.lstm_lm import LSTMLanguageModel

PADDING, VOCAB = 1, 19
TRANSLATORS = [
    {"layers": layers, "bidirectional": bidirectional, "share_embeddings": share, "hidden_dim": hidden}
    for layers, bidirectional, share, hidden in product((1, 2), (True, False), ("all", "none"), (8, 10))
]
CONTINUERS = [
    {"layers": layers, "tie_embeddings": tied, "locked_dropout": locked, "weight_dropout": 0.5}
    for layers, tied, locked in product((1, 3), (True, False), (True, False))
]


def translator(**options: Any) -> LSTMEncoderDecoder:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    spec = ModelSpec(
        vocab_size=VOCAB, source_vocab_size=VOCAB, shared_vocabulary=True, padding=PADDING, max_positions=9
    )
    model = LSTMEncoderDecoder(LSTMConfig(**{"embed_dim": 8, "hidden_dim": 10, **options}), spec=spec).eval()
    assert isinstance(model, IncrementalModel)
    return model


def continuer(**options: Any) -> LSTMLanguageModel:
    """Return a small language model in evaluation mode."""
    torch.manual_seed(0)
    spec = ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9)
    model = LSTMLanguageModel(
        LSTMLanguageModelConfig(**{"embed_dim": 8, "hidden_dim": 10, **options}), spec=spec
    ).eval()
    assert isinstance(model, IncrementalModel)
    return model


def sources() -> Tensor:
    """Return three sentences of unequal lengths."""
    source = torch.randint(4, VOCAB, (3, 6))
    source[1, 4:] = PADDING
    source[2, 2:] = PADDING
    return source


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("options", TRANSLATORS, ids=str)
@pytest.mark.parametrize("beam", [1, 3])
def test_translating_step_by_step_equals_at_once(options: dict[str, Any], beam: int) -> None:
    """Rows that never change places give the logits of a full forward pass, also when read several at a time."""
    model = translator(**options)
    source = sources()
    target = torch.randint(4, VOCAB, (3 * beam, 7))
    state = model.start_decoding({"source_tokens": source}, beam=beam)
    steps = [model.decode_step(target[:, start:stop], state) for start, stop in ((0, 1), (1, 2), (2, 6), (6, 7))]

    assert_same(torch.cat(steps, dim=1), model(source.repeat_interleave(beam, dim=0), target))


@pytest.mark.parametrize("options", CONTINUERS, ids=str)
@pytest.mark.parametrize("prompt_length", [0, 4])
def test_continuing_equals_reading_from_the_start(options: dict[str, Any], prompt_length: int) -> None:
    """After a prompt, rows that change places have the logits of prompt and continuation read at once."""
    model = continuer(**options)
    prompts = torch.randint(4, VOCAB, (2, prompt_length))
    state = model.start_decoding({"tokens": prompts}, beam=3)
    prefixes = prompts.repeat_interleave(3, dim=0)
    for step in range(4):
        new = torch.randint(4, VOCAB, (6, 2))
        prefixes = torch.cat((prefixes, new), dim=1)
        assert_same(model.decode_step(new, state), model(prefixes)[:, -2:])
        rows = torch.tensor([2, 0, 0, 3, 5, 4] if step % 2 else [0, 1, 1, 4, 4, 4])
        state.reorder(rows)
        prefixes = prefixes[rows]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_reordering_and_dropping_equals_a_full_pass(data: st.DataObject) -> None:
    """After any history of rows going on from others and sentences ending, the logits are those of the prefixes."""
    model = translator(layers=2)
    beam = data.draw(st.integers(1, 4))
    source = sources()
    state = model.start_decoding({"source_tokens": source}, beam=beam)
    prefixes = torch.empty(len(source) * beam, 0, dtype=torch.int64)
    for _ in range(data.draw(st.integers(1, 5))):
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
    """What goes on is what was read of the others."""
    model = translator()
    source = sources()
    state = model.start_decoding({"source_tokens": source}, beam=2)
    state.keep(torch.tensor([0, 2]))
    target = torch.randint(4, VOCAB, (4, 1))

    assert_same(model.decode_step(target, state), model(source[[0, 2]].repeat_interleave(2, dim=0), target))


def test_source_and_prompts_are_read_once_whatever_the_beam() -> None:
    """Keys are held for each sentence, prompts run for each prompt, and no gradient is kept."""
    state = translator().start_decoding({"source_tokens": sources()}, beam=5)
    model = continuer()
    seen = []
    model.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(len(output[0])))
    model.start_decoding({"tokens": torch.randint(4, VOCAB, (2, 5))}, beam=4)

    assert state.source.keys.shape == (3, 6, 10)
    assert not any(each.requires_grad for each in (state.source.keys, state.fed, *state.hidden, *state.cell))
    assert seen == [2]
