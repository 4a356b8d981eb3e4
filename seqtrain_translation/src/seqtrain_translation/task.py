"""The translation task: parallel text in, a model's translations and their scores out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from seqtrain.api import ModelSpec, NamedIds, Reader, Tokenizer
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.joiner import undo_joiner
from seqtrain_text.metric import MakeMetric, MakeNamedMetric, OwnMetrics, TextPairs
from seqtrain_text.readers import TextReader
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.text_task import TextTask
from seqtrain_text.tokenizer_io import MakeTokenizer
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.corpus import ParallelCorpus, ParallelFiles
from seqtrain_translation.dataset import ParallelDataset, ParallelStores
from seqtrain_translation.prediction import score_lines, translate_lines
from seqtrain_translation.segmented import warn_of_segmented_text
from seqtrain_translation.tokenizers import new_tokenizers, train_tokenizers
from seqtrain_translation.translator import Translator

logger = logging.getLogger(__name__)

_EXAMINED_LINES = 1000
"""Lines of each split's target side that are looked at before training."""


class TranslationTask(TextTask[ParallelDataset]):
    """
    Learn to translate from parallel text.

    Args:
        config: see `TranslationConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        reader: likewise a reader.
        metrics: makes a metric by its name.
        metric: makes the metric that `task.metric` selects, if one is.
    """

    corpus: ParallelCorpus

    def __init__(
        self,
        config: TranslationConfig,
        *,
        tokenizer: MakeTokenizer,
        reader: Callable[[], Reader],
        metrics: MakeNamedMetric,
        metric: MakeMetric | None = None,
    ) -> None:
        self._config = config
        self._examined: set[str] = set()  # splits
        self._pair = new_tokenizers(tokenizer, shared=config.shared_vocabulary)
        super().__init__(
            config,
            tokenizers=self._pair.by_name(),
            metrics=metrics,
            metric=metric,
            reader=(reader(), config.reader.name),
        )

    def own_metrics(self) -> OwnMetrics:
        """Compare texts by BLEU, chrF and exact match."""
        names = ("translation/bleu", "translation/chrf", "translation/exact_match")
        return OwnMetrics(names=names, settings=self._config.scoring, language=self._config.languages[1])

    def new_corpus(self, cache: Path) -> ParallelCorpus:
        """Return what finds the two files of each prefix."""
        return ParallelCorpus(self._config, self.reader, cache)

    def examine(self, artifacts: Path, *, is_new: bool) -> None:
        """Look for target text whose words are split already, and let the metrics look at the validation set."""
        for split in self.splits():
            _, targets = self.corpus.lines(split)
            lines = list(islice(targets, _EXAMINED_LINES))
            self._warn_of_segmented_text(split, lines)
            if split.partition("/")[0] == "valid" and self._config.score_validation:
                self.metrics.prepare([self._plain_text(line) for line in lines])

    def _warn_of_segmented_text(self, split: str, lines: Sequence[str]) -> None:
        if split not in self._examined:
            self._examined.add(split)
            warn_of_segmented_text(lines, split, self._config.tokenizer)

    def train_tokenizers(self) -> None:
        """Learn the vocabularies of both sides, or the one that they share."""
        logger.info("Learning the vocabulary of %s", " and ".join(self._config.languages))
        train_tokenizers(self._pair, *self.corpus.lines("train"))

    @property
    def model_spec(self) -> ModelSpec:
        """The sizes of the vocabularies and the longest sentences."""
        source, target = self._pair.source, self._pair.target
        return ModelSpec(
            vocab_size=target.vocab_size,
            source_vocab_size=source.vocab_size,
            shared_vocabulary=self._pair.is_shared,
            padding=target.padding,
            max_positions=self._config.max_length,
            max_source_positions=self._config.max_length,
        )

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the tokens of both sides."""
        return {"source": NamedIds.of(self._pair.source), "target": NamedIds.of(self._pair.target)}

    def columns(self, split: str, files: Sequence[ParallelFiles]) -> list[list[Column]]:
        """Return source and target of each pair of files."""
        sampled = self._config.drawn_sides if split == "train" else ""

        def column(side: str, path: Path, tokenizer: Tokenizer, reader: TextReader) -> Column:
            is_sampled, is_written = sampled in (side, "both"), side == "target"
            return Column(path, tokenizer, side, reader, samples=is_sampled, is_written=is_written)

        return [
            [
                column("source", each.source, self._pair.source, each.readers[0]),
                column("target", each.target, self._pair.target, each.readers[1]),
            ]
            for each in files
        ]

    def policy(self, split: str) -> LinePolicy:
        """Leave out pairs that are empty or too long as the settings say, in training."""
        config = self._config
        if split == "train":
            return LinePolicy(empty=config.empty_lines, too_long=config.too_long, max_length=config.max_length)
        return LinePolicy(empty="keep", too_long="truncate", max_length=config.max_length)

    def join(
        self, split: str, files: Sequence[ParallelFiles], stores: Sequence[Sequence[TokenStore]]
    ) -> ParallelDataset:
        """Make a dataset of the pairs of files."""
        pairs = [
            ParallelStores(source, target, each.weight) for each, (source, target) in zip(files, stores, strict=True)
        ]
        return self.join_pairs(pairs, self._config.temperature(split))

    def join_pairs(self, stores: Sequence[ParallelStores], temperature: float = 1.0) -> ParallelDataset:
        """Make a dataset of pairs of stores."""
        return ParallelDataset(
            stores, padding=self._pair.target.padding, bos=self._pair.target.bos, temperature=temperature
        )

    def results(self, split: str, models: Sequence[nn.Module]) -> list[TextPairs]:
        """Translate a split; the references are its lines as they are written in the file."""
        sources, targets = self.corpus.lines(split)
        references = list(targets)
        self._warn_of_segmented_text(split, references[:_EXAMINED_LINES])
        translations = [best[0].text for best in self._translator(models).translate(list(sources))]
        return [TextPairs(translations, [self._plain_text(reference) for reference in references])]

    def _plain_text(self, line: str) -> str:
        """Undo a joiner in text that is already segmented, as decoding does in translations."""
        tokenizer = self._config.tokenizer.config
        return undo_joiner(line, tokenizer.joiner) if isinstance(tokenizer, WhitespaceConfig) else line

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the lines of each file; a line that is skipped is so on both sides."""
        stores = self.plain_dataset(split).stores
        return [side.found for each in stores for side in (each.source, each.target) if side.found]

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Translate lines; or, with `references`, score the translations that are given. See `prediction`."""
        answer = translate_lines if self._config.references is None else score_lines
        return answer(self._translator(models), lines, self._config, self.workers)

    def _translator(self, models: Sequence[nn.Module]) -> Translator:
        return Translator(models, self._pair, self._config, self.workers)
