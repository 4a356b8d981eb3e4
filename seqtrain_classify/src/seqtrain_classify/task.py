"""The classification task: labelled texts in; labels, probabilities and numbers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from torch import nn

from seqtrain.api import ModelSpec, NamedIds, Reader
from seqtrain.plugin import Selection
from seqtrain_classify.builtin import SPLITS, write_builtin_corpus
from seqtrain_classify.classifier import Classifier
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.dataset import LabelledDataset, LabelledTable
from seqtrain_classify.encoding import RowEncoder
from seqtrain_classify.examples import ExampleReader, ScannedTable, scan_table
from seqtrain_classify.kind import IntArray
from seqtrain_classify.kinds import make_kind
from seqtrain_classify.labels import load_labels, save_labels
from seqtrain_classify.predictor import Predictor
from seqtrain_classify.training_tables import learn_labels, training_texts
from seqtrain_text.arrow_reader import ArrowRows, parquet
from seqtrain_text.auto_reader import Auto
from seqtrain_text.corpus import BuiltinCorpus, CorpusFile
from seqtrain_text.delimited import Delimited, tsv
from seqtrain_text.json_reader import JSONObjects
from seqtrain_text.metric import MakeMetric, MakeNamedMetric, OwnMetrics, TextPairs
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.text_task import TextTask
from seqtrain_text.tokenizer_io import MakeTokenizer

BY_FORMAT: Mapping[str, Callable[[], Reader]] = {
    "tsv": tsv,
    "csv": Delimited,
    "json": JSONObjects,
    "jsonl": JSONObjects,
    "parquet": parquet,
    "arrow": ArrowRows,
}
"""What `task.format` names."""


class ClassifyTask(TextTask[LabelledDataset]):
    """
    Learn to label texts, or pairs of texts.

    Args:
        config: see `ClassifyConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        reader: likewise a reader; `task.format` names another one.
        metrics: makes a metric by its name.
        metric: makes the metric that `task.metric` selects, if one is.
    """

    builtin = BuiltinCorpus(SPLITS, write_builtin_corpus)
    files_are_tables = True

    def __init__(
        self,
        config: ClassifyConfig,
        *,
        tokenizer: MakeTokenizer,
        metrics: MakeNamedMetric,
        metric: MakeMetric | None = None,
        reader: Callable[[], Reader] = Auto,
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer()
        self._kind = make_kind(config)
        self._scanned: dict[str, list[ScannedTable]] = {}
        # The tokenizer's name is that in runs of the task lm, from which weights may come.
        super().__init__(
            config,
            tokenizers={"text": self._tokenizer},
            metrics=metrics,
            metric=metric,
            reader=_chosen_reader(config, reader),
        )

    def own_metrics(self) -> OwnMetrics:
        """Compare answers as what the kind says they are, and as texts."""
        return OwnMetrics(names=self._kind.metrics, measured_types=(self._kind.results_type, TextPairs))

    @property
    def best_metric(self) -> str:  # type: ignore[override] # which kind of labels there are decides
        """The share of right labels, or F1 of several; the loss of numbers, or where nothing else is measured."""
        name = {"single": "accuracy", "multi": "micro_f1"}.get(self._config.kind, "loss")
        return name if self._config.score_validation and name in self.higher_is_better else "loss"

    def examine(self, artifacts: Path, *, is_new: bool) -> None:
        """Learn the labels, or load those of the run, and look at all rows: a damaged one should be known early."""
        if is_new:
            learn_labels(self._kind, [file.path for file in self.corpus.files("train")], self._examples("train"))
        else:
            self._kind.restore(load_labels(self._config.kind, artifacts))
        for split in self.splits():
            self._scan(split)

    def training_texts(self) -> Iterator[str]:
        """Yield the texts that the vocabulary is learned from, the two of a pair one after the other."""
        return training_texts([file.path for file in self.corpus.files("train")], self._examples("train"))

    def save(self, artifacts: Path) -> None:
        """Save the labels and the tokenizer."""
        save_labels(self._config.kind, self._kind.labels, artifacts)
        super().save(artifacts)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Load the labels and the tokenizer of a run."""
        super().load(artifacts, cache)
        self._kind.restore(load_labels(self._config.kind, artifacts))

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

    def _examples(self, split: str) -> ExampleReader:
        return ExampleReader.of_split(split, self._config, self.reader)

    def _scan(self, split: str) -> list[ScannedTable]:
        if split not in self._scanned:
            reader = self._examples(split)
            self._scanned[split] = [scan_table(file.path, reader, self._kind) for file in self.corpus.files(split)]
        return self._scanned[split]

    def policy(self, split: str) -> LinePolicy:
        """Treat rows that are too long as the settings say, in training."""
        too_long = self._config.too_long if split == "train" else "truncate"
        return LinePolicy(empty="allow", too_long=too_long, max_length=self._config.max_length)

    def columns(self, split: str, files: Sequence[CorpusFile]) -> list[list[Column]]:
        """Return the one column of each table: its texts, pairs joined."""
        encoder = RowEncoder.of(self._tokenizer, self._config, cuts=self.policy(split).too_long == "truncate")
        tables = zip(files, self._scan(split), strict=True)
        return [[Column(file.path, encoder, split, table, samples=split == "train")] for file, table in tables]

    def join(self, split: str, files: Sequence[CorpusFile], stores: Sequence[Sequence[TokenStore]]) -> LabelledDataset:
        """Put labels beside the rows."""
        tables = [
            LabelledTable(store=store, targets=scanned.targets, weight=file.weight)
            for file, scanned, (store,) in zip(files, self._scan(split), stores, strict=True)
        ]
        return self.join_tables(tables, self._config.temperature(split))

    def join_tables(self, tables: Sequence[LabelledTable], temperature: float = 1.0) -> LabelledDataset:
        """Make a dataset of several tables."""
        labels, padding = self._kind.labels, self._tokenizer.padding
        return LabelledDataset(tables, labels=labels, padding=padding, temperature=temperature)

    def results(self, split: str, models: Sequence[nn.Module]) -> list[object]:
        """Return the models' answers to all rows of a split beside their targets, and, if asked for, as texts."""
        dataset, classifier, kind = self.plain_dataset(split), self._classifier(models), self._kind
        wants_texts = self.metrics.measures(TextPairs)

        def compare(share: Sequence[IntArray]) -> tuple[Any, list[tuple[int, str, str]]]:
            tally, texts = kind.new_tally(), list[tuple[int, str, str]]()
            for rows in share:
                batch = dataset.collate(rows)
                both = kind.decide(classifier(batch.net_input)), batch.target.numpy()
                tally.add(rows, *both)
                if wants_texts:
                    texts += zip(rows.tolist(), *map(kind.written, both), strict=True)
            return tally.told(), texts

        batches, num_workers = classifier.batches(dataset.lengths(0, len(dataset))[:, 0]), self.workers.world_size
        shares = [batches[worker::num_workers] for worker in range(num_workers)]
        told, texts = zip(*self.workers.map(compare, shares), strict=True)
        results = [kind.results(told)]
        if wants_texts:
            in_order = sorted(chain.from_iterable(texts), key=itemgetter(0))
            results.append(TextPairs([answer for _, answer, _ in in_order], [target for _, _, target in in_order]))
        return results

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the rows of each table."""
        stores = [each.store.found for each in self.plain_dataset(split).tables if each.store.found]
        return [table.found(rows) for table, rows in zip(self._scan(split), stores, strict=True)] if stores else []

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Label lines, or give each a number; see `Predictor`. A line of a pair has a tab between its texts."""
        encoder = RowEncoder.of(self._tokenizer, self._config, cuts=True)
        yield from Predictor(self._classifier(models), encoder, self._config)(lines)

    def _classifier(self, models: Sequence[nn.Module]) -> Classifier:
        return Classifier(models, self._kind, self.workers, self._config.prediction.max_tokens)


def _chosen_reader(config: ClassifyConfig, reader: Callable[[], Reader]) -> tuple[Reader, str]:
    if config.format != "auto":
        return BY_FORMAT[config.format](), config.format
    return reader(), config.reader.name if isinstance(config.reader, Selection) else "auto"
