"""The real model in the real search."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from seqtrain.protocols import ModelSpec
from seqtrain_text.decoding import Hypothesis, Sources, beam_search
from seqtrain_text.search_config import SearchConfig
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer

SPECIAL = SimpleNamespace(padding=0, bos=1, eos=2, unknown=3)
SOURCES = ([5, 9, 2], [4, 4, 7, 11, 8, 2], [2], [10, 6, 2])
LIMITS = (9, 4, 2, 12)


class Rereading(nn.Module):
    """A model whose decoding methods are out of sight."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **net_input: torch.Tensor) -> torch.Tensor:
        return self.model(**net_input)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    config = TransformerConfig(encoder_layers=1, decoder_layers=2, embed_dim=16, ffn_dim=32, attention_heads=2)
    spec = ModelSpec(
        vocab_size=12,
        source_vocab_size=12,
        shared_vocabulary=True,
        padding=0,
        max_positions=64,
        max_source_positions=64,
    )
    model = Transformer(config, spec=spec).eval()
    for parameter in model.parameters():
        parameter.data *= 2  # far enough from uniform that nothing is nearly a tie
    return model


def translate(model: nn.Module, which: list[int], *, beam: int, width: int = 6) -> list[list[Hypothesis]]:
    rows = [SOURCES[index] + [0] * (width - len(SOURCES[index])) for index in which]
    sources = Sources(
        net_input={"source_tokens": torch.tensor(rows)}, max_lengths=torch.tensor([LIMITS[index] for index in which])
    )
    return beam_search([model], sources, SearchConfig(beam=beam, nbest=beam), SPECIAL)


def assert_same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert [each.tokens for each in theirs] == [each.tokens for each in ours]
        assert [each.score for each in theirs] == pytest.approx([each.score for each in ours], abs=1e-4)


@pytest.mark.parametrize("beam", [1, 3])
def test_cached_keys_and_values_equal_rereading(model: nn.Module, beam: int) -> None:
    """The transformer's cache, reordered and thinned out by the search, stands for the whole prefix."""
    assert_same(translate(model, [0, 1, 2, 3], beam=beam), translate(Rereading(model), [0, 1, 2, 3], beam=beam))


@pytest.mark.parametrize("beam", [1, 3])
def test_padding_and_company_change_nothing(model: nn.Module, beam: int) -> None:
    """A sentence gets the same translations alone, among others, and behind more padding."""
    together = translate(model, [0, 1, 2, 3], beam=beam)

    assert_same(translate(model, [0, 1, 2, 3], beam=beam, width=11), together)
    for index, source in enumerate(SOURCES):
        assert_same(translate(model, [index], beam=beam, width=len(source)), [together[index]])
