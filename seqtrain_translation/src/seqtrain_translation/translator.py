"""From sentences to translations: the one way that validation, `evaluate` and `predict` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seqtrain.api import Rows, WorkerGroup
from seqtrain_text.decoding import Decoder, Hypothesis, Sources, score_references
from seqtrain_text.flat_rows import FlatRows, IntArray, ended_rows, similar_lengths
from seqtrain_text.generated_text import GeneratedText
from seqtrain_text.padded import pad_rows
from seqtrain_translation.batch import SOURCE_NAME, make_batch
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.length_limits import length_limits
from seqtrain_translation.tokenizers import TokenizerPair


class Translator:
    """
    Models that translate text, several sentences of similar length at a time.

    Args:
        models: one, or several whose probabilities are averaged; on their device, in evaluation mode.
        tokenizers: of the two sides.
        config: how to translate.
        workers: who divides the sentences; all get all translations.
    """

    def __init__(
        self, models: Sequence[nn.Module], tokenizers: TokenizerPair, config: TranslationConfig, workers: WorkerGroup
    ) -> None:
        self._models, self._workers = models, workers
        self._source, self._target = tokenizers.source, tokenizers.target
        self._config = config
        self._device = next(models[0].parameters()).device
        self._decode = Decoder(models, config.generation, self._target)
        self._num_decoded = 0  # batches
        self.cut: IntArray = np.empty(0, np.int64)
        """Which of the sentences translated last were longer than the model can read."""
        self._prefix = torch.from_numpy(self._target.encode_batch([config.prefix])[0].astype(np.int64))  # (P,)

    def translate(self, sentences: Sequence[str]) -> list[list[GeneratedText]]:
        """
        Translate sentences.

        Returns:
            For each its best translations, `generation.nbest` at most; for an empty one the empty translation.
        """
        encoded = self._source.encode_batch(sentences)
        self.cut = np.flatnonzero(encoded[1] >= self._config.max_length)
        rows = self._encode(encoded, self._source.eos)
        results = [[GeneratedText("", 0.0)] for _ in sentences]
        batches = list(enumerate(_similar_lengths(rows, self._config.generation.max_tokens), start=self._num_decoded))
        self._num_decoded += len(batches)

        def translate(batch: tuple[int, IntArray]) -> list[list[tuple[str, float]]]:
            number, chosen = batch
            found = self._decode(self._sources(rows.take(chosen)), number)
            return [[self._read(hypothesis) for hypothesis in hypotheses] for hypotheses in found]

        for (_, chosen), translations in zip(batches, self._workers.map(translate, batches), strict=True):
            for index, best in zip(chosen.tolist(), translations, strict=True):
                results[index] = [GeneratedText(text, score) for text, score in best]
        return results

    def score(self, sentences: Sequence[str], references: Sequence[str]) -> list[float]:
        """Score a given translation of each sentence as one of the models' own would be; 0 for an empty sentence."""
        source = self._encode(self._source.encode_batch(sentences), self._source.eos)
        target = self._encode(self._target.encode_batch(references), self._target.eos)
        padding = self._target.padding
        batches = list(_similar_lengths(source, self._config.generation.max_tokens))

        def score(chosen: IntArray) -> list[float]:
            batch = make_batch(chosen, source.take(chosen), target.take(chosen), padding=padding, bos=self._target.bos)
            each_token = score_references(self._models, batch.to(self._device), padding=padding)
            return [sum(log_probs) / len(log_probs) ** self._config.generation.lenpen for log_probs in each_token]

        scores = [0.0] * len(sentences)
        for chosen, found in zip(batches, self._workers.map(score, batches), strict=True):
            for index, each in zip(chosen.tolist(), found, strict=True):
                scores[index] = each
        return scores

    def _encode(self, encoded: Rows, eos: int) -> FlatRows:
        """Cut rows to the length that the model can read, and end each with eos."""
        ended = ended_rows(encoded, eos, max_length=self._config.max_length)
        return FlatRows(ended.tokens.astype(np.int64), ended.lengths)

    def _sources(self, rows: FlatRows) -> Sources:
        """Make the input of the decoder."""
        lengths = torch.from_numpy(rows.lengths - 1)  # (B,), the end not counted
        limits = length_limits(lengths, self._config.generation, max_positions=self._config.max_length)
        padded: Tensor = torch.from_numpy(pad_rows(rows.tokens, rows.lengths, self._source.padding))  # (B, S)
        return Sources(
            net_input={SOURCE_NAME: padded.to(self._device)},
            max_lengths=limits.to(self._device),
            prefix=self._prefix.expand(len(lengths), -1).to(self._device) if len(self._prefix) else None,
        )

    def _read(self, hypothesis: Hypothesis) -> tuple[str, float]:
        text = self._target.decode(hypothesis.tokens)
        return text.replace("\n", " "), hypothesis.score  # bytes can spell a line end; this is one line


def _similar_lengths(rows: FlatRows, max_tokens: int) -> Iterator[IntArray]:
    """Yield the indices of the rows that are not empty (an end alone), in batches of similar length, longest first."""
    not_empty = np.flatnonzero(rows.lengths > 1)
    yield from (not_empty[each] for each in similar_lengths(rows.lengths[not_empty], max_tokens))
