"""Texts longer than a model can read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqtrain_lm.sliding import SlidingModel

VOCABULARY = 13


class SumOfAll(nn.Module):
    """A language model without a memory, that reads `context` tokens and refuses more."""

    def __init__(self, context: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(100, VOCABULARY, generator=torch.Generator().manual_seed(1)))
        self.context = context

    def forward(self, tokens: Tensor) -> Tensor:
        assert tokens.shape[1] <= self.context
        return self.table[tokens.cumsum(1) % 100]


class Remembering(SumOfAll):
    """The same with a memory."""

    def start_decoding(self, net_input: dict[str, Tensor], *, beam: int) -> Memory:
        return Memory(net_input["tokens"].sum(1).repeat_interleave(beam), net_input["tokens"].shape[1], beam)

    def decode_step(self, tokens: Tensor, state: Memory) -> Tensor:
        state.read += tokens.shape[1]
        assert state.read <= self.context
        sums = state.sums[:, None] + tokens.cumsum(1)
        state.sums = sums[:, -1]
        return self.table[sums % 100]


class Memory:
    def __init__(self, sums: Tensor, read: int, beam: int) -> None:
        self.sums, self.read, self.beam = sums, read, beam

    def reorder(self, rows: Tensor) -> None:
        assert torch.equal(rows // self.beam, torch.arange(len(rows)) // self.beam)
        self.sums = self.sums[rows]

    def keep(self, sentences: Tensor) -> None:
        self.sums = self.sums.view(-1, self.beam)[sentences].flatten()


def random_tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [SumOfAll, Remembering])
@pytest.mark.parametrize("prompt", [0, 3, 7])
def test_a_full_memory_is_filled_again_from_the_latter_half(kind: type[SumOfAll], prompt: int) -> None:
    """Up to the context, all is read; then the last half of it, and what follows, until it is full again."""
    model = kind(8)
    sliding, whole = SlidingModel(model, 8), random_tokens(2, 25)
    state = sliding.start_decoding({"tokens": whole[:, :prompt]}, beam=1)
    first = 0
    for place in range(prompt, 25):
        logits = sliding.decode_step(whole[:, place : place + 1], state)
        if place + 1 - first > 8:
            first = place + 1 - 4

        expected = model.table[whole[:, first : place + 1].sum(1) % 100]
        assert (2, 1, VOCABULARY) == logits.shape
        torch.testing.assert_close(logits[:, 0], expected)


@pytest.mark.parametrize("kind", [SumOfAll, Remembering])
def test_rows_move_and_go_before_and_after_the_memory_was_full(kind: type[SumOfAll]) -> None:
    """Two texts of three rows: rows change places, a text is dropped, and the others go on from their own past."""
    model = kind(6)
    sliding, rows = SlidingModel(model, 6), torch.tensor([2, 0, 0, 5, 4, 3])
    state = sliding.start_decoding({"tokens": random_tokens(2, 2)}, beam=3)
    texts = random_tokens(2, 2).repeat_interleave(3, dim=0)
    first = 0
    for step in range(20):
        added = random_tokens(len(texts), 1, seed=step)
        logits = sliding.decode_step(added, state)[:, -1]
        texts = torch.cat([texts, added], dim=1)
        if texts.shape[1] - first > 6:
            first = texts.shape[1] - 3

        torch.testing.assert_close(logits, model.table[texts[:, first:].sum(1) % 100])
        if len(texts) == 6:
            state.reorder(rows)
            texts = texts[rows]
        if step == 12:
            state.keep(torch.tensor([1]))
            texts = texts[3:]


def test_the_parameters_are_the_models() -> None:
    """Whoever asks for the device finds it."""
    model = SumOfAll(4)

    assert [model.table] == list(SlidingModel(model, 4).parameters())
