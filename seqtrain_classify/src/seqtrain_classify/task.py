"""The classification task: labelled texts in; labels, probabilities and numbers out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from seqtrain.api import ModelSpec, NamedIds, Task
from seqtrain_classify.builtin import SPLITS, write_builtin_corpus
from seqtrain_classify.classifier import Classifier
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.dataset import LabelledDataset, LabelledTable
from seqtrain_classify.encoding import PAIR_SEPARATOR, RowEncoder
from seqtrain_classify.examples import ExampleReader, ScannedTable, TableColumn, scan_table
from seqtrain_classify.kind import Kind
from seqtrain_classify.labels import load_labels, save_labels
from seqtrain_classify.multi_label import SeveralLabels
from seqtrain_classify.predictor import Predictor
from seqtrain_classify.regression import Number
from seqtrain_classify.single_label import SingleLabel
from seqtrain_text.corpus import BuiltinCorpus, CorpusFile, FileCorpus
from seqtrain_text.metric import CheckedMetric, MakeMetric
from seqtrain_text.mixing import report_mixture
from seqtrain_text.store import LinePolicy, TokenStore
from seqtrain_text.subword_sampling import SubwordSamplingDataset, TextRules, make_dataset, undrawn
from seqtrain_text.tokenizer_io import MakeTokenizer, has_tokenizers, load_tokenizers, save_tokenizers

logger = logging.getLogger(__name__)

BUILTIN = BuiltinCorpus(SPLITS, write_builtin_corpus)
TOKENIZER_NAME = "text"  # as in runs of the task lm, from which weights may come


def make_kind(config: ClassifyConfig) -> Kind:
    """Make what `task.kind` names."""
    if config.kind == "multi":
        return SeveralLabels(config.label_separator, config.prediction.threshold)
    return Number() if config.kind == "regression" else SingleLabel()


class ClassifyTask(Task):
    """
    Learn to label texts, or pairs of texts.

    Args:
        config: see `ClassifyConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        metric: likewise a metric, if one is selected.
    """

    def __init__(self, config: ClassifyConfig, *, tokenizer: MakeTokenizer, metric: MakeMetric | None = None) -> None:
        self._config = config
        self._tokenizer = tokenizer()
        self._kind = make_kind(config)
        self.higher_is_better = self._kind.higher_is_better
        self._metric: CheckedMetric | None = None
        if metric is not None and config.metric is not None:
            self._metric = CheckedMetric(metric(), config.metric.name, taken=self._kind.higher_is_better)
            self.higher_is_better |= self._metric.higher_is_better
        self._cache = Path()
        self._corpus = FileCorpus(config, BUILTIN, self._cache)
        self._scanned: dict[str, list[ScannedTable]] = {}
        self._datasets: dict[str, LabelledDataset | SubwordSamplingDataset[LabelledDataset]] = {}
        self._notes: dict[str, Mapping[str, str]] = {}

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Learn the labels and train the tokenizer, or load those of the run, and binarise all splits."""
        self._use_cache(cache)
        for split in self.splits():
            self._corpus.files(split)  # a missing file should be known before any work is done
        is_new = not has_tokenizers(artifacts)
        if is_new:
            self._learn_labels()
        else:
            self._kind.restore(load_labels(self._config.kind, artifacts))
        for split in self.splits():
            self._scan(split)  # and so should a damaged one
        if is_new:
            logger.info("Learning the vocabulary of %s", self._training_files())
            self._tokenizer.train(self._training_texts())
        else:
            load_tokenizers({TOKENIZER_NAME: self._tokenizer}, artifacts)
        for split in self.splits():
            self.dataset(split)
        if is_new:  # saved last: had the files turned out unusable, a vocabulary from them should not stay
            save_labels(self._config.kind, self._kind.labels, artifacts)
            save_tokenizers({TOKENIZER_NAME: self._tokenizer}, artifacts)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Load the labels and the tokenizer of a run."""
        self._use_cache(cache)
        load_tokenizers({TOKENIZER_NAME: self._tokenizer}, artifacts)
        self._kind.restore(load_labels(self._config.kind, artifacts))

    def _use_cache(self, cache: Path) -> None:
        self._cache = cache
        self._corpus = FileCorpus(self._config, BUILTIN, cache)

    def _learn_labels(self) -> None:
        reader = self._reader("train")
        files = self._corpus.files("train")
        cells = (label for file in files for label in reader.labels(file.path, self._kind.read))
        self._kind.learn(cells, self._training_files())

    def _training_files(self) -> str:
        return ", ".join(map(str, self._corpus.files("train")))

    def _training_texts(self) -> Iterator[str]:
        """Yield the texts that the vocabulary is made from, the two of a pair one after the other."""
        reader = self._reader("train")
        for file in self._corpus.files("train"):
            for row in reader.rows(file.path):
                yield from row.text.split(PAIR_SEPARATOR)

    @property
    def model_spec(self) -> ModelSpec:
        """The size of the vocabulary, the number of labels, and the longest row."""
        return ModelSpec(
            vocab_size=self._tokenizer.vocab_size,
            padding=self._tokenizer.padding,
            num_classes=self._kind.num_classes,
            max_positions=self._config.max_length,
        )

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the tokens and, unless texts have numbers, the labels."""
        labels = {"classes": NamedIds(names=self._kind.labels)} if self._kind.labels else {}
        return {"target": NamedIds.of(self._tokenizer), **labels}

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return self._corpus.splits()

    def _reader(self, split: str) -> ExampleReader:
        """Return what reads a split's tables: only training may leave rows out, or measures could not be compared."""
        return ExampleReader(self._config, self._config.empty_lines if split == "train" else "keep")

    def _scan(self, split: str) -> list[ScannedTable]:
        if split not in self._scanned:
            reader = self._reader(split)
            self._scanned[split] = [scan_table(file.path, reader, self._kind) for file in self._corpus.files(split)]
        return self._scanned[split]

    def dataset(self, split: str) -> LabelledDataset | SubwordSamplingDataset[LabelledDataset]:
        """Return a split's labelled rows, binarised when first asked for; those to train on may vary by epoch."""
        if split not in self._datasets:
            self._datasets[split] = self._new_dataset(split)
        return self._datasets[split]

    def _new_dataset(self, split: str) -> LabelledDataset | SubwordSamplingDataset[LabelledDataset]:
        too_long = self._config.too_long if split == "train" else "truncate"
        policy = LinePolicy(empty="allow", too_long=too_long, max_length=self._config.max_length)
        encoder = self._encoder(cuts=too_long == "truncate")
        files = self._corpus.files(split)
        columns = [
            [TableColumn(file.path, encoder, split, scanned, draws=split == "train")]
            for file, scanned in zip(files, self._scan(split), strict=True)
        ]
        rules = TextRules(cache=self._cache, policy=policy)
        dataset = make_dataset(columns, partial(self._tables, split, files), rules)
        report_mixture(files, dataset.parts)
        return dataset

    def _tables(
        self, split: str, files: Sequence[CorpusFile], stores: Sequence[Sequence[TokenStore]]
    ) -> LabelledDataset:
        tables = [
            LabelledTable(store=store, targets=scanned.targets, weight=file.weight)
            for file, scanned, (store,) in zip(files, self._scan(split), stores, strict=True)
        ]
        return self._joined(tables, self._config.temperature(split))

    def _joined(self, tables: Sequence[LabelledTable], temperature: float = 1.0) -> LabelledDataset:
        return LabelledDataset(
            tables, labels=self._kind.labels, padding=self._tokenizer.padding, temperature=temperature
        )

    def _encoder(self, *, cuts: bool) -> RowEncoder:
        config = self._config
        return RowEncoder(
            tokenizer=self._tokenizer,
            is_pair=config.is_pair,
            prepend_bos=config.prepend_bos,
            cut_to=config.max_length if cuts else None,
        )

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """Compare the models' answers to all rows of a split with their targets."""
        if split.partition("/")[0] == "valid" and not self._config.score_validation:
            return {}
        dataset, classifier = undrawn(self.dataset(split)), self._classifier(models)
        lengths = dataset.lengths(0, len(dataset))[:, 0]
        scores = classifier.score_all(lengths, lambda indices: dataset.collate(indices).net_input)
        both = self._kind.decide(scores), dataset.targets(np.arange(len(dataset))).numpy()
        measured = self._kind.measure(*both)
        self._notes[split] = measured.notes
        further = {} if self._metric is None else self._metric(*map(self._kind.written, both))
        return {**measured.measures, **further}

    def _classifier(self, models: Sequence[nn.Module]) -> Classifier:
        return Classifier(models, self._kind, self.workers, self._config.prediction.max_tokens)

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the rows of each table."""
        tables = undrawn(self.dataset(split)).tables
        stores = [each.store.found for each in tables if each.store.found]
        return [table.found(rows) for table, rows in zip(self._scan(split), stores, strict=True)] if stores else []

    def describe_measures(self, split: str) -> Mapping[str, str]:
        """Say how many rows there are, and what was taken for what, once the split was measured."""
        return self._notes.get(split, {})

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """
        Label lines, or give each a number; a line of a pair has a tab between its texts.

        Each answer is the label, or the labels, and the probability of each label that there is, with tabs between; or
        the number. With `prediction.format=json` it is an object.
        """
        yield from Predictor(self._classifier(models), self._encoder(cuts=True), self._config)(lines)
