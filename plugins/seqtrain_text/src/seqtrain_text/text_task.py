"""The skeleton of a task on text: what translation, language modelling and classification have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from seqtrain.api import DataError, Dataset, Reader, Task, Tokenizer
from seqtrain_text.corpus import BuiltinCorpus, Corpus, FileCorpus
from seqtrain_text.corpus_config import TextTaskConfig
from seqtrain_text.metric import MakeMetric, MakeNamedMetric, OwnMetrics, TaskMetrics
from seqtrain_text.mixing import report_mixture
from seqtrain_text.readers import Lines, as_text_reader
from seqtrain_text.records import TEXT, Field
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.subword_sampling import SubwordSamplingDataset, TextRules, make_dataset, without_sampling
from seqtrain_text.tokenizer_io import has_tokenizers, load_tokenizers, save_tokenizers

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=Dataset)


class TextTask(Task, Generic[D]):
    """
    A task on files of text: it learns tokenizers, turns text into token ids once, and makes datasets of those.

    A subclass says five things: the `columns` of text that its files have, the `policy` for odd lines, how rows become
    a dataset (`join`), and, as in every `Task`, the `model_spec` and how to `predict`. To be measured by more than the
    loss, it has `own_metrics` and `results`. The other methods have defaults, for files that are texts of one side.

    Args:
        config: see `TextTaskConfig`.
        tokenizers: neither trained nor loaded, by the name of the folder in RUN/task/tokenizers that each gets.
        metrics: makes a metric by its name, for `task.metrics`.
        metric: makes the one that `task.metric` selects, if it does.
        reader: takes records out of files, and its name; by default the reader `lines`.
        field: which of their fields is the text.
    """

    builtin: ClassVar[BuiltinCorpus | None] = None
    """What is trained on where `task.train` is not given; None: it must be given."""

    rows_are_examples: ClassVar[bool] = True
    """Each row of tokens is an example, so none may be longer than a batch; else, `join` makes examples of rows."""

    files_are_tables: ClassVar[bool] = False
    """A file is read as a table even if its name does not say that it is one."""

    def __init__(
        self,
        config: TextTaskConfig,
        *,
        tokenizers: Mapping[str, Tokenizer],
        metrics: MakeNamedMetric,
        metric: MakeMetric | None = None,
        reader: tuple[Reader, str] | None = None,
        field: Field = TEXT,
    ) -> None:
        self._settings = config
        self.tokenizers = tokenizers
        chosen = reader or (Lines(), "lines")
        self.reader = as_text_reader(*chosen, field, config.tables, is_table=self.files_are_tables)
        further = None if metric is None or config.metric is None else (config.metric.name, metric())
        self.metrics = TaskMetrics(self.own_metrics(), config.metrics, metrics, further)
        self.higher_is_better = self.metrics.higher_is_better
        self._datasets: dict[str, D | SubwordSamplingDataset[D]] = {}
        self._use_cache(Path())

    @abstractmethod
    def columns(self, split: str, files: Sequence[Any]) -> Sequence[Sequence[Column]]:
        """Return, for each file of the corpus, its columns of text; what is trained on has `samples`."""

    @abstractmethod
    def policy(self, split: str) -> LinePolicy:
        """Say what happens to odd lines; only training may leave any out, or measures could not be compared."""

    @abstractmethod
    def join(self, split: str, files: Sequence[Any], stores: Sequence[Sequence[TokenStore]]) -> D:
        """Make a dataset of the rows of all files; each has a store for each of its columns."""

    def own_metrics(self) -> OwnMetrics:
        """Say what the task measures, and by which metrics; asked for once, while it is made."""
        return OwnMetrics(names=())

    def results(self, split: str, models: Sequence[nn.Module]) -> Sequence[object]:
        """Return what models make of a split, for the metrics: an object of each class that `own_metrics` names."""
        return ()

    def new_corpus(self, cache: Path) -> Corpus[Any]:
        """Return what knows the files of each split; a built-in corpus is written below `cache`."""
        return FileCorpus(self._settings, self.builtin, cache, packed=self.reader.packed)

    def examine(self, artifacts: Path, *, is_new: bool) -> None:
        """
        Look at the files, all of which are there, before anything is learned from them.

        Args:
            artifacts: RUN/task.
            is_new: nothing has been learned and saved there yet.
        """

    def training_texts(self) -> Iterator[str]:
        """Yield the texts that vocabularies are learned from."""
        return chain.from_iterable(self.reader.at(file.path)(file.path) for file in self.corpus.files("train"))

    def train_tokenizers(self) -> None:
        """Learn the vocabularies."""
        names = ", ".join(map(str, self.corpus.files("train")))
        if not any(self.training_texts()):
            raise DataError(f"{names}: there is no text, or every line is empty. Check task.train.")
        logger.info("Learning the vocabulary of %s", names)
        for tokenizer in self.tokenizers.values():
            tokenizer.train(self.training_texts())

    def save(self, artifacts: Path) -> None:
        """Save what was learned."""
        save_tokenizers(self.tokenizers, artifacts)

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Train the tokenizers, or load those of the run, and turn the text of all splits into ids."""
        self._use_cache(cache)
        for split in self.splits():
            self.corpus.files(split)  # a missing file should be known before any work is done
        is_new = not has_tokenizers(artifacts)
        self.examine(artifacts, is_new=is_new)
        if is_new:
            self.train_tokenizers()
        else:
            load_tokenizers(self.tokenizers, artifacts)
        for split in self.splits():
            self.dataset(split)
        if is_new:  # saved last: had the files turned out unusable, a vocabulary from them should not stay
            self.save(artifacts)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Load the tokenizers of a run."""
        self._use_cache(cache)
        load_tokenizers(self.tokenizers, artifacts)

    def _use_cache(self, cache: Path) -> None:
        self.cache = cache
        self.corpus = self.new_corpus(cache)

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return self.corpus.splits()

    def dataset(self, split: str) -> D | SubwordSamplingDataset[D]:
        """Return a split's examples, made when first asked for; those to train on may vary by epoch."""
        if split not in self._datasets:
            self._datasets[split] = self.new_dataset(split)
        return self._datasets[split]

    def new_dataset(self, split: str) -> D | SubwordSamplingDataset[D]:
        """Make the dataset of a split."""
        files = self.corpus.files(split)
        rules = TextRules(cache=self.cache, policy=self.policy(split), rows_are_examples=self.rows_are_examples)
        dataset = make_dataset(self.columns(split, files), partial(self.join, split, files), rules)
        report_mixture(files, dataset.parts)
        return dataset

    def plain_dataset(self, split: str) -> D:
        """Return a split's examples as they are without subword sampling."""
        return without_sampling(self.dataset(split))

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """Have the metrics measure what models make of a split."""
        if split.partition("/")[0] == "valid" and not self._settings.score_validation:
            return {}
        return self.metrics.measure(split, self.results(split, models))

    def describe_measures(self, split: str) -> Mapping[str, str]:
        """Say how measures were taken, once the split was measured."""
        return self.metrics.notes(split)
