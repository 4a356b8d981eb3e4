"""From prompts to continuations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from seqtrain.api import DataError, Tokenizer, WorkerGroup
from seqtrain_lm.config import LMConfig
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.rows import TOKENS_NAME
from seqtrain_lm.sliding import SlidingModel
from seqtrain_text.decoding import Decoder, Hypothesis, Sources
from seqtrain_text.generated_text import GeneratedText

LINE_END = r"\n"  # as it is written within a line

_ALONE = WorkerGroup()


@dataclass(frozen=True)
class _Specials:
    """The ids that the search treats in a way of their own."""

    bos: int
    eos: int
    padding: int
    unknown: int


class ContinuationGenerator:
    """
    Models that continue text.

    A model reads the end of a line before a prompt, as it did before every line in training.

    Args:
        models: one, or several whose probabilities are averaged; on their device, in evaluation mode.
        tokenizer: trained or loaded.
        config: how to continue.
        workers: who divides the prompts; all get all continuations.
    """

    def __init__(
        self, models: Sequence[nn.Module], tokenizer: Tokenizer, config: LMConfig, workers: WorkerGroup = _ALONE
    ) -> None:
        self._tokenizer, self._workers = tokenizer, workers
        self._config = config.generation
        self._context = config.tokens_per_sample
        self._device = next(models[0].parameters()).device
        # Where a line's end is not the end, an id that no text has stands for it; min_len keeps it from coming early.
        ends_with_line = self._config.stop == "line"
        end = tokenizer.eos if ends_with_line else tokenizer.bos
        search = self._config if ends_with_line else replace(self._config, min_len=self._config.max_new_tokens)
        special = _Specials(tokenizer.bos, end, tokenizer.padding, tokenizer.unknown)
        self._decode = Decoder([SlidingModel(model, self._context) for model in models], search, special)
        self._num_decoded = 0  # batches

    def __call__(self, prompts: Sequence[str], first_number: int = 1) -> list[list[GeneratedText]]:
        """
        Continue prompts.

        Args:
            prompts: lines of text.
            first_number: of the first prompt, for messages.

        Returns:
            For each its best continuations, `generation.nbest` at most.

        Raises:
            DataError: a prompt is longer than the model can read, and may not be cut.
        """
        tokens, lengths = self._tokenizer.encode_batch(prompts)
        rows = np.split(tokens.astype(np.int64), np.cumsum(lengths)[:-1]) if len(prompts) else []
        read = [self._readable(row, number) for number, row in enumerate(rows, start=first_number)]
        results: list[list[GeneratedText]] = [[] for _ in prompts]
        batches = list(enumerate(_equally_long(read, self._config.max_prompts), start=self._num_decoded))
        self._num_decoded += len(batches)

        def go_on(batch: tuple[int, list[int]]) -> list[list[tuple[str, float]]]:
            number, together = batch
            found = self._decode(self._sources([read[index] for index in together]), number)
            return [
                [self._read(prompts[index], read[index], hypothesis) for hypothesis in hypotheses]
                for index, hypotheses in zip(together, found, strict=True)
            ]

        for (_, together), continuations in zip(batches, self._workers.map(go_on, batches), strict=True):
            for index, found in zip(together, continuations, strict=True):
                results[index] = [GeneratedText(*each) for each in sorted(found, key=lambda each: -each[1])]
        return results

    def _sources(self, prompts: Sequence[IntArray]) -> Sources:
        """Make the input of the decoder from prompts of one length."""
        batch = torch.from_numpy(np.stack(prompts)).to(self._device)  # (B, P)
        return Sources(
            net_input={TOKENS_NAME: batch[:, :-1]},
            max_lengths=batch.new_full((len(prompts),), self._config.max_new_tokens),
            first=batch[:, -1],
        )

    def _readable(self, row: IntArray, number: int) -> IntArray:
        """Put the end of a line before a prompt, and cut it if that is wanted."""
        room = self._context - 1
        if len(row) > room and self._config.long_prompt == "error":
            raise DataError(
                f"Input line {number}: the prompt has {len(row)} tokens, but the model reads {room} at most "
                f"(task.tokens_per_sample={self._context}, less one before the prompt). Shorten it; or set "
                "task.generation.long_prompt=truncate to have its end continued; or set "
                f"task.tokens_per_sample={len(row) + 1} for this command to have it read whole, which a model cannot "
                "that has learned its positions one by one."
            )
        return np.concatenate(([self._tokenizer.eos], row[-room:]))

    def _read(self, prompt: str, read: IntArray, hypothesis: Hypothesis) -> tuple[str, float]:
        """Turn tokens into text, with its score."""
        is_cut = len(hypothesis.tokens) == self._config.max_new_tokens
        log_probs = hypothesis.log_probs[:-1] if is_cut else hypothesis.log_probs  # it did not end: it was stopped
        score = sum(log_probs) / len(log_probs) ** self._config.lenpen
        first, *lines = _split(hypothesis.tokens, self._tokenizer.eos)
        before = self._tokenizer.decode(read.tolist())
        whole = self._tokenizer.decode([*read.tolist(), *first])
        text = prompt + whole.removeprefix(before) if whole.startswith(before) else whole
        texts = [text, *(self._tokenizer.decode(line) for line in lines)]
        return LINE_END.join(each.replace("\n", " ") for each in texts), score


def _equally_long(rows: Sequence[IntArray], max_rows: int) -> list[list[int]]:
    """Return the numbers of rows of equal lengths, `max_rows` at most together, in the order of the first."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(len(row), []).append(index)
    return [group[start : start + max_rows] for group in groups.values() for start in range(0, len(group), max_rows)]


def _split(tokens: Sequence[int], end: int) -> list[list[int]]:
    """Split tokens at every `end`."""
    lines: list[list[int]] = [[]]
    for token in tokens:
        if token == end:
            lines.append([])
        else:
            lines[-1].append(token)
    return lines
