"""Every option decodes step by step as it reads at once, and nothing is read once a row that is the sentence's."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain_conv.config import FConvConfig, FConvLanguageModelConfig, LightConvConfig
from seqtrain_conv.fconv import ConvolutionalEncoderDecoder
from seqtrain_conv.fconv_lm import fconv_lm
from seqtrain_conv.lightconv import dynamicconv, lightconv
from seqtrain_testing import samples
from seqtrain_testing.decoding import follow_random_histories

STRICT = {"rtol": 1e-5, "atol": 5e-6}
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
    return make(config, spec=samples.model_spec("translation")).eval()


def continuer(**options: Any) -> Any:
    """Return a small language model in evaluation mode."""
    torch.manual_seed(0)
    return fconv_lm(FConvLanguageModelConfig(embed_dim=8, **options), spec=samples.model_spec("lm")).eval()


def tokens(*shape: int) -> Tensor:
    """Return random words."""
    return torch.randint(4, samples.VOCABULARY, shape)


@pytest.mark.parametrize(("make", "config"), TRANSLATORS)
def test_translating_step_by_step_equals_at_once(make: Any, config: Any) -> None:
    """Whatever beams do."""
    follow_random_histories(translator(make, config), "translation", tolerance=STRICT)


@pytest.mark.parametrize("options", CONTINUERS, ids=str)
def test_continuing_equals_reading_from_the_start(options: dict[str, Any]) -> None:
    """After prompts of any length, none included, and whatever beams do."""
    follow_random_histories(continuer(**options), "lm", tolerance=STRICT)


@pytest.mark.parametrize(("make", "config"), TRANSLATORS)
@pytest.mark.parametrize("beam", [1, 3])
def test_the_state_counts_what_was_appended(make: Any, config: Any, beam: int) -> None:
    """One by one or several at a time."""
    model = translator(make, config)
    state = model.start_decoding({"source_tokens": tokens(3, 6)}, beam=beam)
    for count in (1, 1, 4, 1):
        model.decode_step(tokens(3 * beam, count), state)

    assert state.length == 7


@pytest.mark.parametrize("which", [0, 9])
def test_the_source_is_held_once_a_sentence(which: int) -> None:
    """Its keys do not multiply with the beam, and no gradient is kept."""
    state = translator(*TRANSLATORS[which]).start_decoding({"source_tokens": tokens(3, 6)}, beam=5)

    assert all(len(each.keys) == 3 for each in state.source)
    assert not any(each.keys.requires_grad for each in state.source)


def test_a_prompt_is_read_once_whatever_the_beam() -> None:
    """For each prompt, not for each row that goes on from it."""
    model = continuer(layers="8x3")
    seen = []
    model.expand.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    model.start_decoding({"tokens": tokens(2, 5)}, beam=4)

    assert seen == [2]
