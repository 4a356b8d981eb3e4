"""From lines to answers, in the same order."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqtrain.api import DataError
from seqtrain_classify.classifier import Classifier
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.dataset import TOKENS_NAME
from seqtrain_classify.encoding import PAIR_SEPARATOR, RowEncoder
from seqtrain_classify.kind import Scores
from seqtrain_classify.probabilities import num_shown
from seqtrain_text.flat_rows import IntArray, ended_rows
from seqtrain_text.line_buffers import line_buffers
from seqtrain_text.padded import pad_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictor:
    """
    Answers lines as `seqtrain predict` writes them.

    Args:
        classifier: scores rows.
        encoder: turns lines into rows.
        config: how answers are written.
    """

    classifier: Classifier
    encoder: RowEncoder
    config: ClassifyConfig

    def __call__(self, lines: Iterable[str]) -> Iterator[str]:
        """
        Answer each line, reading no further ahead than a buffer; at the end, say how many were cut.

        Each answer is the label, or the labels, and the probabilities that `prediction.probabilities` says, with tabs
        between; or the number. With `prediction.format=json` it is an object.

        Raises:
            DataError: a line should be a pair and is none.
        """
        self._log_probabilities()
        number = num_cut = first_cut = 0
        for buffer in line_buffers(lines, self.config.buffer_lines, self.classifier.workers):
            texts = [self._text(line, number + place) for place, line in enumerate(buffer, start=1)]
            answers, too_long = self._answers(texts)
            if too_long:
                num_cut, first_cut = num_cut + len(too_long), first_cut or number + too_long[0] + 1
            yield from answers
            number += len(buffer)
        if num_cut:
            what = f"longer than {self.config.max_length} tokens"
            remedy = ". task.max_length=N has the model read more, unless its positions are learned"
            logger.warning(
                "%d of %d lines are %s (the first: line %d) and were cut%s", num_cut, number, what, first_cut, remedy
            )

    def _log_probabilities(self) -> None:
        """Say that labels are left out of the answers, where the user did not."""
        limit, num_classes = self.config.prediction.probabilities, self.classifier.kind.num_classes
        shown = num_shown(num_classes, limit)
        if limit is None and shown < num_classes:
            logger.info(
                "There are %d labels, so each answer has the probabilities of the %d most probable; "
                "task.prediction.probabilities=N writes those of N",
                num_classes, shown,
            )  # fmt: skip

    def _text(self, line: str, number: int) -> str:
        """Bring a line into the form that texts of tables have."""
        if not self.config.is_pair:
            return line.replace(PAIR_SEPARATOR, " ").strip()
        parts = line.split(PAIR_SEPARATOR) if line else ["", ""]
        if len(parts) != 2:
            raise DataError(
                f"Line {number} of the input has {len(parts) - 1} tabs. This run was trained on pairs of texts: "
                "write each pair as TEXT<tab>TEXT, without tabs in the texts."
            )
        return PAIR_SEPARATOR.join(part.strip() for part in parts)

    def _answers(self, texts: Sequence[str]) -> tuple[list[str], Sequence[int]]:
        """Return the answers to texts, and which of these were too long."""
        encoded, tokenizer = self.encoder.encode_batch(texts), self.encoder.tokenizer
        rows = ended_rows(encoded, tokenizer.eos, max_length=self.config.max_length)

        def make_input(indices: IntArray) -> dict[str, Tensor]:
            chosen = rows.take(indices)
            padded = pad_rows(chosen.tokens.astype(np.int64), chosen.lengths, tokenizer.padding)  # (B, T)
            return {TOKENS_NAME: torch.from_numpy(padded)}

        answers = self.classifier.answer_all(rows.lengths, make_input, self._written)
        return answers, np.flatnonzero(encoded[1] >= self.config.max_length).tolist()

    def _written(self, scores: Scores) -> str:
        kind = self.classifier.kind
        if self.config.prediction.format == "json":
            return json.dumps(kind.fields(scores), ensure_ascii=False)
        return "\t".join(kind.cells(scores))
