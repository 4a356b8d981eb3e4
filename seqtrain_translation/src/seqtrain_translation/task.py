"""The translation task: parallel text in, a model's translations and their scores out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from seqtrain.api import DataError, ModelSpec, NamedIds, Reader, Task
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.files import iter_lines
from seqtrain_text.line_buffers import line_buffers
from seqtrain_text.metric import CheckedMetric, MakeMetric
from seqtrain_text.mixing import report_mixture
from seqtrain_text.readers import as_text_reader
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.subword_sampling import SubwordSamplingDataset, TextRules, make_dataset, undrawn
from seqtrain_text.symbols import undo_joiner
from seqtrain_text.tokenizer_io import MakeTokenizer, has_tokenizers, load_tokenizers, save_tokenizers
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.corpus import ParallelCorpus, ParallelFiles
from seqtrain_translation.dataset import ParallelDataset, ParallelStores
from seqtrain_translation.scoring import score_translations
from seqtrain_translation.tokenizers import new_tokenizers, train_tokenizers
from seqtrain_translation.translator import Translator

logger = logging.getLogger(__name__)

OWN_MEASURES = frozenset({"bleu", "chrf", "exact_match"})


class TranslationTask(Task):
    """
    Learn to translate from parallel text.

    Args:
        config: see `TranslationConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        reader: likewise a reader.
        metric: likewise a metric, if one is selected.
    """

    def __init__(
        self,
        config: TranslationConfig,
        *,
        tokenizer: MakeTokenizer,
        reader: Callable[[], Reader],
        metric: MakeMetric | None = None,
    ) -> None:
        self._config = config
        self._tokenizers = new_tokenizers(tokenizer, shared=config.shared_vocabulary)
        self._reader = as_text_reader(reader(), config.reader.name)
        self._metric: CheckedMetric | None = None
        if metric is not None and config.metric is not None:
            self._metric = CheckedMetric(metric(), config.metric.name, taken=OWN_MEASURES)
        self.higher_is_better = OWN_MEASURES | (self._metric.higher_is_better if self._metric else frozenset())
        self._cache = Path()
        self._corpus = ParallelCorpus(config, self._reader, self._cache)
        self._datasets: dict[str, ParallelDataset | SubwordSamplingDataset[ParallelDataset]] = {}
        self._signatures: dict[str, dict[str, str]] = {}

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Train the tokenizers, or load those of the run, and binarise all splits."""
        self._use_cache(cache)
        for split in self.splits():
            self._corpus.files(split)  # a missing file should be known before any work is done
        is_new = not has_tokenizers(artifacts)
        if is_new:
            logger.info("Learning the vocabulary of %s", " and ".join(self._config.languages))
            train_tokenizers(self._tokenizers, *self._corpus.lines("train"))
        else:
            load_tokenizers(self._tokenizers.by_name(), artifacts)
        for split in self.splits():
            self.dataset(split)
        if is_new:  # saved last: had the files turned out unusable, a vocabulary from them should not stay
            save_tokenizers(self._tokenizers.by_name(), artifacts)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Load the tokenizers of a run."""
        self._use_cache(cache)
        load_tokenizers(self._tokenizers.by_name(), artifacts)

    def _use_cache(self, cache: Path) -> None:
        self._cache = cache
        self._corpus = ParallelCorpus(self._config, self._reader, cache)

    @property
    def model_spec(self) -> ModelSpec:
        """The sizes of the vocabularies and the longest sentences."""
        source, target = self._tokenizers.source, self._tokenizers.target
        return ModelSpec(
            vocab_size=target.vocab_size,
            source_vocab_size=source.vocab_size,
            shared_vocabulary=self._tokenizers.is_shared,
            padding=target.padding,
            max_positions=self._config.max_length,
            max_source_positions=self._config.max_length,
        )

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the tokens of both sides."""
        return {"source": NamedIds.of(self._tokenizers.source), "target": NamedIds.of(self._tokenizers.target)}

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return self._corpus.splits()

    def dataset(self, split: str) -> ParallelDataset | SubwordSamplingDataset[ParallelDataset]:
        """Return a split's sentence pairs, binarised when first asked for; those to train on may vary by epoch."""
        if split not in self._datasets:
            self._datasets[split] = self._new_dataset(split)
        return self._datasets[split]

    def _new_dataset(self, split: str) -> ParallelDataset | SubwordSamplingDataset[ParallelDataset]:
        files, rules = self._corpus.files(split), TextRules(cache=self._cache, policy=self._policy(split))
        columns = [self._columns(each, split) for each in files]
        dataset = make_dataset(columns, partial(self._pairs, files, self._config.temperature(split)), rules)
        report_mixture(files, dataset.parts)
        return dataset

    def _columns(self, files: ParallelFiles, split: str) -> list[Column]:
        sides = (
            ("source", files.source, self._tokenizers.source),
            ("target", files.target, self._tokenizers.target),
        )
        drawn = self._config.drawn_sides if split == "train" else ""
        return [
            Column(path, tokenizer, name, self._reader, draws=drawn in (name, "both"))
            for name, path, tokenizer in sides
        ]

    def _pairs(
        self, files: Sequence[ParallelFiles], temperature: float, stores: Sequence[Sequence[TokenStore]]
    ) -> ParallelDataset:
        pairs = [
            ParallelStores(source, target, each.weight) for each, (source, target) in zip(files, stores, strict=True)
        ]
        return self._joined(pairs, temperature)

    def _joined(self, stores: Sequence[ParallelStores], temperature: float = 1.0) -> ParallelDataset:
        side = self._tokenizers.target
        return ParallelDataset(stores, padding=side.padding, bos=side.bos, temperature=temperature)

    def _policy(self, split: str) -> LinePolicy:
        """Return what happens to odd lines: only training may leave any out, or scores could not be compared."""
        config = self._config
        if split == "train":
            return LinePolicy(empty=config.empty_lines, too_long=config.too_long, max_length=config.max_length)
        return LinePolicy(empty="keep", too_long="truncate", max_length=config.max_length)

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """Translate a split and compare every line with the reference as it is written in the file."""
        if split.partition("/")[0] == "valid" and not self._config.score_validation:
            return {}
        sources, references = self._corpus.lines(split)
        best = Translator(models, self._tokenizers, self._config, self.workers).translate(list(sources))
        translations = [each[0].text for each in best]
        expected = [self._plain_text(reference) for reference in references]
        scores = score_translations(translations, expected, self._config.scoring)
        self._signatures[split] = {"bleu": scores.bleu_signature, "chrf": scores.chrf_signature}
        further = {} if self._metric is None else self._metric(translations, expected)
        return {"bleu": scores.bleu, "chrf": scores.chrf, "exact_match": scores.exact_match, **further}

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the lines of each file; a line that is skipped is so on both sides."""
        stores = undrawn(self.dataset(split)).stores
        return [side.found for each in stores for side in (each.source, each.target) if side.found]

    def describe_measures(self, split: str) -> Mapping[str, str]:
        """Return sacrebleu's signatures, once the split was measured."""
        return self._signatures.get(split, {})

    def _plain_text(self, line: str) -> str:
        """Undo a joiner in text that is already segmented, as decoding does in translations."""
        tokenizer = self._config.tokenizer.config
        return undo_joiner(line, tokenizer.joiner) if isinstance(tokenizer, WhitespaceConfig) else line

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """
        Translate lines.

        With `generation.nbest` above 1 each translation is a line of its own: number of the input line, score and
        text, with tabs between. With `references`, each line is the score and the text of the given translation.
        """
        translator = Translator(models, self._tokenizers, self._config, self.workers)
        if self._config.references is not None:
            yield from self._score(translator, lines, Path(self._config.references))
            return
        number = num_cut = first_cut = 0
        for buffer in line_buffers(lines, self._config.buffer_lines, self.workers):
            before = number
            for number, best in enumerate(translator.translate(buffer), start=number + 1):  # noqa: B020 - it goes on
                if self._config.generation.nbest == 1:
                    yield best[0].text
                else:
                    yield from (f"{number}\t{each.score:.4f}\t{each.text}" for each in best)
            if len(translator.cut):
                num_cut, first_cut = num_cut + len(translator.cut), first_cut or before + int(translator.cut[0]) + 1
        if num_cut:
            logger.warning(
                "%d of %d lines have more than task.max_length=%d tokens (the first: line %d) and were cut. "
                "task.max_length=N has the model read more, unless its positions are learned",
                num_cut, number, self._config.max_length, first_cut,
            )  # fmt: skip

    def _score(self, translator: Translator, lines: Iterable[str], references: Path) -> Iterator[str]:
        """Score the translations that are given."""
        given = iter_lines(references)
        for buffer in line_buffers(lines, self._config.buffer_lines, self.workers):
            texts = list(islice(given, len(buffer)))
            if len(texts) < len(buffer):
                raise DataError(
                    f"{references} has fewer lines than the input. Line n must be the translation of line n."
                )
            for score, text in zip(translator.score(buffer, texts), texts, strict=True):
                yield f"{score:.4f}\t{text}"
