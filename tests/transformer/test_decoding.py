"""What the cache of transformers holds; that decoding step by step equals reading at once is in ModelContract."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain_testing import samples
from seqtrain_testing.decoding import Decoding, follow_random_histories
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer

STRICT = {"rtol": 1e-5, "atol": 2e-6}


def build(**options: Any) -> Transformer:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    spec = samples.model_spec("translation")
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 2}
    return Transformer(TransformerConfig(**{**sizes, **options}), spec=spec).eval()


def sources() -> Tensor:
    """Return three sentences of unequal lengths."""
    source = torch.randint(4, samples.VOCABULARY, (3, 6))
    source[1, 4:] = samples.PADDING
    source[2, 2:] = samples.PADDING
    return source


@pytest.mark.parametrize("options", [{}, {"pre_norm": False, "positions": "learned"}, {"attention_heads": 1}], ids=str)
def test_step_by_step_equals_at_once(options: dict[str, Any]) -> None:
    """Whatever beams do."""
    follow_random_histories(build(**options), "translation", tolerance=STRICT)


def test_the_cache_grows() -> None:
    """More positions than there was room for at first are all remembered."""
    model = build(embed_dim=8, ffn_dim=8)
    decoding = Decoding(model, {"source_tokens": sources()}, 2, tolerance=STRICT)
    for _ in range(75):
        decoding.append(1)

    assert decoding.state.length == 75


def test_the_source_is_held_once_a_sentence() -> None:
    """Its keys do not multiply with the beam, and no gradient is kept."""
    state = build().start_decoding({"source_tokens": sources()}, beam=5)

    assert all(each.keys.shape == (3, 2, 6, 8) for each in state.source)
    assert not any(each.keys.requires_grad for each in state.source)


def test_reordering_moves_no_keys() -> None:
    """The cached keys and values stay where they are when rows change places."""
    model = build()
    state = model.start_decoding({"source_tokens": sources()}, beam=2)
    model.decode_step(torch.randint(4, samples.VOCABULARY, (6, 1)), state)
    rooms = [cache._room.data_ptr() for cache in state.target]
    state.reorder(torch.tensor([1, 1, 3, 2, 4, 4]))

    assert rooms == [cache._room.data_ptr() for cache in state.target]
