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
from seqtrain_conv.config import FConvConfig, FConvLanguageModelConfig, LightConvConfig
from seqtrain_conv.fconv import ConvolutionalEncoderDecoder
from seqtrain_conv.fconv_lm import fconv_lm
from seqtrain_conv.lightconv import dynamicconv, lightconv

PADDING, VOCAB = 1, 19
SPEC = ModelSpec(vocab_size=VOCAB, source_vocab_size=VOCAB, shared_vocabulary=True, padding=PADDING, max_positions=12)
LIGHT = {"embed_dim": 8, "ffn_dim": 12, "attention_heads": 2, "encoder_widths": (3, 4), "decoder_widths": (2, 9)}
TRANSLATORS = [
    *(
        (ConvolutionalEncoderDecoder, FConvConfig(embed_dim=8, encoder_layers="8x3", decoder_layers=layers, **options))
        for layers, options in product(
            ("8x3*2", "6x4 8x1", "6x1+6x5+8x1"),
            ({}, {"share_embeddings": "decoder"}, {"share_embeddings": "none", "out_embed_dim": 5}),
        )
    ),
    *(
        (make, LightConvConfig(**LIGHT, pre_norm=pre_norm, glu=glu))
        for make, pre_norm, glu in product((lightconv, dynamicconv), (True, False), (True, False))
    ),
]
CONTINUERS = [
    {"layers": layers, **options}
    for layers, options in product(
        ("16x3*2", "8x1+8x5+16x1 16x2"),
        ({}, {"tie_embeddings": False}, {"tie_embeddings": False, "adaptive_softmax": (8, 12)}),
    )
]


def translator(make: Any, config: Any) -> Any:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    model = make(config, spec=SPEC).eval()
    assert isinstance(model, IncrementalModel)
    return model


def continuer(**options: Any) -> Any:
    """Return a small language model in evaluation mode."""
    torch.manual_seed(0)
    model = fconv_lm(FConvLanguageModelConfig(embed_dim=8, **options), spec=SPEC).eval()
    assert isinstance(model, IncrementalModel)
    return model


def sources() -> Tensor:
    """Return three sentences of unequal lengths."""
    source = torch.randint(4, VOCAB, (3, 6))
    source[1, 4:] = PADDING
    source[2, 2:] = PADDING
    return source


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize(("make", "config"), TRANSLATORS)
@pytest.mark.parametrize("beam", [1, 3])
def test_translating_step_by_step_equals_at_once(make: Any, config: Any, beam: int) -> None:
    """Rows that never change places give the logits of a full forward pass, also when read several at a time."""
    model = translator(make, config)
    source = sources()
    target = torch.randint(4, VOCAB, (3 * beam, 7))
    state = model.start_decoding({"source_tokens": source}, beam=beam)
    steps = [model.decode_step(target[:, start:stop], state) for start, stop in ((0, 1), (1, 2), (2, 6), (6, 7))]

    assert state.length == 7
    assert_same(torch.cat(steps, dim=1), model(source.repeat_interleave(beam, dim=0), target))


@pytest.mark.parametrize("options", CONTINUERS, ids=str)
@pytest.mark.parametrize("prompt_length", [0, 1, 6])
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


@pytest.mark.parametrize("which", [0, 9, 13])
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_reordering_and_dropping_equals_a_full_pass(which: int, data: st.DataObject) -> None:
    """After any history of rows going on from others and sentences ending, the logits are those of the prefixes."""
    model = translator(*TRANSLATORS[which])
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


@pytest.mark.parametrize("which", [0, 9])
def test_sentences_may_be_dropped_before_the_first_step(which: int) -> None:
    """Nothing has been read of the target yet, and that is fine."""
    model = translator(*TRANSLATORS[which])
    source = sources()
    state = model.start_decoding({"source_tokens": source}, beam=2)
    state.keep(torch.tensor([0, 2]))
    target = torch.randint(4, VOCAB, (4, 1))

    assert_same(model.decode_step(target, state), model(source[[0, 2]].repeat_interleave(2, dim=0), target))


@pytest.mark.parametrize("which", [0, 9])
def test_the_source_is_held_once_a_sentence(which: int) -> None:
    """Its keys do not multiply with the beam, and no gradient is kept."""
    state = translator(*TRANSLATORS[which]).start_decoding({"source_tokens": sources()}, beam=5)

    assert all(len(each.keys) == 3 for each in state.source)
    assert not any(each.keys.requires_grad for each in state.source)


def test_a_prompt_is_read_once_whatever_the_beam() -> None:
    """For each prompt, not for each row that goes on from it."""
    model = continuer(layers="8x3")
    seen = []
    model.expand.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    model.start_decoding({"tokens": torch.randint(4, VOCAB, (2, 5))}, beam=4)

    assert seen == [2]
