"""
From rows of tokens to scores: the one way that validation, `evaluate` and `predict` share.

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


@dataclass(frozen=True)
class Classifier:
    """
    Models that score rows.

    Args:
        models: one, or several whose scores are averaged; on their device, in evaluation mode.
        kind: what their output means.
        workers: who divides many rows; all get all scores.
        max_tokens: of a batch, padding included.
    """

    models: Sequence[nn.Module]
    kind: Kind
    workers: WorkerGroup
    max_tokens: int

    def score_all(self, lengths: IntArray, make_input: Callable[[IntArray], Mapping[str, Tensor]]) -> Scores:
        """
        Score N rows, those of similar length together.

        Args:
            lengths: (N,) tokens of each row.
            make_input: makes the input of a batch from the indices of its rows.

        Returns:
            (N, C), as for one batch.
        """
        batches = list(similar_lengths(lengths, self.max_tokens))
        found = self.workers.map(lambda indices: self(make_input(indices)).tolist(), batches)
        scores = np.empty((len(lengths), self.kind.num_classes), np.float32)
        for indices, of_batch in zip(batches, found, strict=True):
            scores[indices] = of_batch
        return scores

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
