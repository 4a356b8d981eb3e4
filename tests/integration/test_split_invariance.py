"""The update depends neither on padding nor on how a step's examples are cut into micro-batches."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seqtrain.batch import Batch
from seqtrain.engine.gradients import multiply_gradients
from seqtrain.protocols import ModelSpec
from seqtrain_criteria.config import CrossEntropyConfig, LabelSmoothedCrossEntropyConfig
from seqtrain_criteria.cross_entropy import cross_entropy, label_smoothed_cross_entropy
from seqtrain_text.flat_rows import FlatRows
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer
from seqtrain_translation.batch import make_batch

SPEC = ModelSpec(
    vocab_size=40,
    source_vocab_size=40,
    shared_vocabulary=True,
    padding=0,
    max_positions=32,
    max_source_positions=32,
)
EXAMPLES = 12
SMALL = TransformerConfig(encoder_layers=2, decoder_layers=2, embed_dim=16, ffn_dim=32, attention_heads=2, dropout=0.0)


def make_rows(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.append(rng.integers(4, 40, rng.integers(0, 12)), 2) for _ in range(EXAMPLES)]


SOURCES, TARGETS = make_rows(1), make_rows(2)


def batch_of(start: int, stop: int, extra_padding: int) -> Batch:
    def flat(rows: list[np.ndarray]) -> FlatRows:
        chosen = rows[start:stop]
        return FlatRows(np.concatenate(chosen), np.array([len(row) for row in chosen]))

    batch = make_batch(np.arange(start, stop), flat(SOURCES), flat(TARGETS), padding=0, bos=1)
    wider = {name: nn.functional.pad(tensor, (0, extra_padding)) for name, tensor in batch.net_input.items()}
    return replace(batch, net_input=wider, target=nn.functional.pad(batch.target, (0, extra_padding)))


def gradient(criterion, pieces: list[tuple[int, int, int]]) -> torch.Tensor:
    """Return the mean gradient over all targets, (N,): summed over the pieces, divided once."""
    torch.manual_seed(3)
    model = Transformer(SMALL, spec=SPEC).train()
    total = 0
    for piece in pieces:
        loss, sample_size, _ = criterion(model, batch_of(*piece))
        loss.backward()
        total += sample_size
    multiply_gradients(list(model.parameters()), 1 / total)
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Cut the examples anywhere, and pad each piece by up to four more columns."""
    edges = [0, *sorted(draw(st.sets(st.integers(1, EXAMPLES - 1)))), EXAMPLES]
    return [(start, stop, draw(st.integers(0, 4))) for start, stop in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    "criterion",
    [
        cross_entropy(CrossEntropyConfig(chunk_rows=7), spec=SPEC),
        label_smoothed_cross_entropy(LabelSmoothedCrossEntropyConfig(label_smoothing=0.1), spec=SPEC),
    ],
    ids=["cross_entropy", "label_smoothed_cross_entropy"],
)
@settings(deadline=None, max_examples=25)
@given(pieces=cuts())
def test_gradients_agree_whatever_the_split_and_the_padding(criterion, pieces) -> None:
    """1 x N, N x 1 and everything between, to 1e-6 of the gradient's length."""
    whole = gradient(criterion, [(0, EXAMPLES, 0)])

    for cut in (pieces, [(each, each + 1, 0) for each in range(EXAMPLES)]):
        assert torch.linalg.vector_norm(gradient(criterion, cut) - whole) <= 1e-6 * torch.linalg.vector_norm(whole)
