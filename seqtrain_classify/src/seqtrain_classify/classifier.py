"""
From rows of tokens to scores and answers: the one way that validation, `evaluate` and `predict` share.

B rows of a batch, T positions, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seqtrain.api import TrainingError, WorkerGroup
from seqtrain_classify.kind import Kind, Scores
from seqtrain_text.flat_rows import IntArray, similar_lengths

MOST_SCORES = 2**22  # B * C of a batch


@dataclass(frozen=True)
class Classifier:
    """
    Models that score rows.

    Args:
        models: one, or several whose scores are averaged; on their device, in evaluation mode.
        kind: what their output means.
        workers: who divides many rows; all get all answers.
        max_tokens: of a batch, padding included.
    """

    models: Sequence[nn.Module]
    kind: Kind
    workers: WorkerGroup
    max_tokens: int

    def batches(self, lengths: IntArray) -> list[IntArray]:
        """
        Divide N rows into batches, those of similar length together.

        Args:
            lengths: (N,) tokens of each row.

        Returns:
            The indices of the rows of each batch; a batch has no more scores than memory is easily found for.
        """
        most = max(1, MOST_SCORES // self.kind.num_classes)
        longest_first = similar_lengths(lengths, self.max_tokens)
        return [rows[start : start + most] for rows in longest_first for start in range(0, len(rows), most)]

    def answer_all(
        self, lengths: IntArray, make_input: Callable[[IntArray], Mapping[str, Tensor]], write: Callable[[Scores], str]
    ) -> list[str]:
        """
        Answer N rows; workers divide them, and each gets all answers.

        Args:
            lengths: (N,) tokens of each row.
            make_input: makes the input of a batch from the indices of its rows.
            write: turns the scores of a row, (C,), into its answer.
        """
        batches = self.batches(lengths)
        found = self.workers.map(lambda rows: [write(scores) for scores in self(make_input(rows))], batches)
        answers = [""] * len(lengths)
        for rows, of_batch in zip(batches, found, strict=True):
            for row, answer in zip(rows.tolist(), of_batch, strict=True):
                answers[row] = answer
        return answers

    @torch.no_grad()
    def __call__(self, net_input: Mapping[str, Tensor]) -> Scores:
        """
        Score the rows of a batch.

        Returns:
            (B, C), what `Kind.scores` makes of the models' output.

        Raises:
            TrainingError: the models' output is not finite.
        """
        device = next(self.models[0].parameters()).device
        there = {name: each.to(device) for name, each in net_input.items()}
        scores = torch.stack([self.kind.scores(model(**there)) for model in self.models]).mean(0)  # (B, C)
        found: Scores = scores.cpu().numpy()  # the host waits for the device here
        if not np.isfinite(found).all():
            raise TrainingError(
                "The model's output is not finite, so it tells nothing. "
                "Choose an earlier checkpoint with --checkpoint, or train with a lower optimizer.lr."
            )
        return found
