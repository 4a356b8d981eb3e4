"""Incremental decoding compared with full decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

import torch
from torch import Tensor

from seqtrain_testing import samples


class Tolerance(TypedDict):
    """By how much logits may differ, as `torch.testing.assert_close` takes it."""

    rtol: float
    atol: float


TOLERANCE: Final[Tolerance] = {"rtol": 0, "atol": 1e-5}
"""float32 sums in another order."""

_FIRST_WORD = 4


class Decoding:
    """
    Random prefixes, read through a model's cache and through its forward pass; the logits must be the same.

    Args:
        model: an incremental one, in evaluation mode.
        net_input: `source_tokens` (B, S), or prompts as `tokens` (B, P) without padding.
        beam: W, rows for each sentence.
        seed: of the tokens that are appended and of the rows that change places.
        tolerance: see `TOLERANCE`.
    """

    def __init__(
        self,
        model: Any,
        net_input: Mapping[str, Tensor],
        beam: int,
        *,
        seed: int = 1,
        tolerance: Tolerance = TOLERANCE,
    ) -> None:
        self._model, self._beam, self._tolerance = model, beam, tolerance
        self.rng = torch.Generator().manual_seed(seed)
        if "tokens" in net_input:
            self._read_as = "tokens"
            self._source: dict[str, Tensor] = {}
            self.prefixes = net_input["tokens"].repeat_interleave(beam, dim=0)  # (B*W, T), T grows
        else:
            self._read_as = "prev_output_tokens"
            self._source = {"source_tokens": net_input["source_tokens"]}
            self.prefixes = torch.empty(len(net_input["source_tokens"]) * beam, 0, dtype=torch.int64)
        self.state = model.start_decoding(net_input, beam=beam)

    @property
    def sentences(self) -> int:
        """B, without those that were dropped."""
        return len(self.prefixes) // self._beam

    @torch.no_grad()
    def append(self, count: int) -> None:
        """Append `count` random tokens to every row, and compare the logits after each."""
        new = self.draw(_FIRST_WORD, samples.VOCABULARY, (len(self.prefixes), count))
        self.prefixes = torch.cat([self.prefixes, new], dim=1)
        logits = self._model.decode_step(new, self.state)

        source = {name: each.repeat_interleave(self._beam, dim=0) for name, each in self._source.items()}
        full = self._model(**source, **{self._read_as: self.prefixes})[:, -count:]
        torch.testing.assert_close(logits.float(), full.float(), **self._tolerance)

    def reorder(self) -> None:
        """Let every row continue a random row of its sentence."""
        first = torch.arange(self.sentences).repeat_interleave(self._beam) * self._beam
        rows = first + self.draw(0, self._beam, first.shape)
        self.state.reorder(rows)
        self.prefixes = self.prefixes[rows]

    def keep(self, sentences: Sequence[int]) -> None:
        """Drop all other sentences."""
        kept = torch.tensor(sentences)
        self.state.keep(kept)
        self._source = {name: each[kept] for name, each in self._source.items()}
        self.prefixes = self.prefixes.view(self.sentences, self._beam, self.prefixes.shape[1])[kept].flatten(0, 1)

    def draw(self, low: int, high: int, size: Sequence[int]) -> Tensor:
        """Return random numbers, at least `low` and less than `high`."""
        return torch.randint(low, high, tuple(size), generator=self.rng)


def follow_random_histories(
    model: Any, form: samples.Form, *, count: int = 12, tolerance: Tolerance = TOLERANCE
) -> None:
    """
    Decode with random beams, prompts, steps of one or two tokens, reordered rows and dropped sentences.

    Args:
        model: an incremental one, in evaluation mode.
        form: "translation", or "lm" for a model that continues prompts.
        count: histories.
        tolerance: see `TOLERANCE`.
    """
    for seed in range(count):
        rng = torch.Generator().manual_seed(seed)
        beam, prompt_length, steps = (
            int(torch.randint(*limits, (), generator=rng)) for limits in ((1, 5), (0, 7), (1, 7))
        )
        net_input: Mapping[str, Tensor]
        if form == "lm":
            size = (5, prompt_length)
            net_input = {"tokens": torch.randint(_FIRST_WORD, samples.VOCABULARY, size, generator=rng)}
        else:
            net_input = samples.make_batch(form, samples.make_examples(form, 5, seed=seed)).net_input
        decoding = Decoding(model, net_input, beam, seed=seed, tolerance=tolerance)
        for _ in range(steps):
            decoding.append(int(decoding.draw(1, 3, ())))
            decoding.reorder()
            kept = decoding.draw(0, 4, (decoding.sentences,)).nonzero().flatten().tolist()  # three of four
            decoding.keep(kept or [0])
