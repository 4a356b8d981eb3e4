"""The one base class: what a task owns, and the step it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from seqtrain.batch import Batch
from seqtrain.protocols import BackwardOptimizer, CountsUpdates, Criterion, Dataset, LoggingOutput, ModelSpec, NamedIds
from seqtrain.workers.group import WorkerGroup


class Task(ABC):
    """
    Knows the data, what a model must know of it, and how results are measured.

    A task is made with its config. For each config field that selects a component
    (`option(..., component="tokenizer")`), a function that makes that component is passed under the field's name::

        TranslationTask(config, tokenizer=make_tokenizer)

    For a field that is a list of names of components, the function is called with a name, and perhaps with a config
    for components whose config class that is.

    After that, either `prepare` (training) or `load` (prediction, with the corpus gone) is called once.
    """

    higher_is_better: frozenset[str] = frozenset()
    """The measures of which more is better; the others are better when smaller."""

    best_metric: str = "loss"
    """The validation measure that decides which checkpoint is best, unless `trainer.best_metric` names another."""

    workers: WorkerGroup = WorkerGroup()
    """Who measures and predicts together, put here by core; each worker does all of it in a task that ignores them."""

    @abstractmethod
    def prepare(self, artifacts: Path, cache: Path) -> None:
        """
        Get ready to train: make tokenizers and vocabularies from the data, or take over those already there.

        Args:
            artifacts: RUN/task. What `predict` needs later goes here. Empty in a new run; in a resumed one it
                holds what the first call wrote, which must then be used and not made again.
            cache: a folder for files that can be made again, shared between runs.

        Raises:
            DataError: the input files are not usable.
        """

    @abstractmethod
    def load(self, artifacts: Path, cache: Path) -> None:
        """Get ready to predict or evaluate, from what `prepare` left in RUN/task; the corpus may be gone."""

    @property
    @abstractmethod
    def model_spec(self) -> ModelSpec:
        """What a model must know of the data."""

    def vocabularies(self) -> Mapping[str, NamedIds]:
        """
        Name the ids that models have rows for, so that a run can start from another one's weights; by default none.

        "target": of the target or only vocabulary; "source": where there is a source; "classes": the labels.
        """
        return {}

    @abstractmethod
    def splits(self) -> Sequence[str]:
        """
        Name the splits there are: "train", then those to validate on, the deciding one first, and tests.

        A single validation set is called "valid", several "valid/NAME"; likewise "test".
        """

    @abstractmethod
    def dataset(self, split: str) -> Dataset:
        """Return the examples of a split that `splits` names; its files are read when it is first asked for."""

    def check_model(self, model: nn.Module) -> None:  # noqa: B027 - nothing is the default
        """
        Refuse a model that cannot learn this task, before anything is trained; by default none.

        That it takes what the batches hold, and gives what the criterion reads, is tried without this.

        Args:
            model: with its initial weights, on its device.

        Raises:
            ConfigError: it is not of the kind that is needed.
        """

    def train_step(
        self,
        sample: Batch,
        model: nn.Module,
        criterion: Criterion,
        optimizer: BackwardOptimizer,
        update_num: int,
        *,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, LoggingOutput]:
        """
        Compute loss and gradient of one micro-batch; the gradient is added to what the parameters hold.

        Args:
            sample: the micro-batch, on the model's device.
            model: the model.
            criterion: see `Criterion`.
            optimizer: its `backward` is used, so that it can scale the loss.
            update_num: updates taken so far.
            ignore_grad: count the gradient as zero (a worker that has no batch left runs a stand-in).

        Returns:
            What the criterion returned: summed loss, sample size, sums to log.
        """
        model.train()
        if isinstance(model, CountsUpdates):
            model.set_num_updates(update_num)
        with record_function("forward"):
            loss, sample_size, logging_output = criterion(model, sample)
        if ignore_grad:
            loss = loss * 0
        with record_function("backward"):
            optimizer.backward(loss)
        return loss, sample_size, logging_output

    @torch.no_grad()
    def valid_step(self, sample: Batch, model: nn.Module, criterion: Criterion) -> tuple[Tensor, int, LoggingOutput]:
        """Compute the loss of one batch without dropout or gradient."""
        model.eval()
        return criterion(model, sample)

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """
        Return measures of a split beyond the criterion's, such as BLEU; by default none.

        Used both in validation and by `seqtrain evaluate`, so that the two agree. All workers call it, and must
        return the same; `self.workers.map` divides the work among them::

            answers = self.workers.map(answer_batch, batches)

        Args:
            split: a name from `splits`.
            models: one model, or several that decide together.
        """
        return {}

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """
        Say what became of the lines of each file of a split, for environment.json; by default nothing.

        Asked for once the split's dataset is there. A file is an object that JSON can hold, such as
        `{"file": ..., "lines": 96, "kept": 94, "skipped": 2}`.
        """
        return []

    def describe_measures(self, split: str) -> Mapping[str, str]:
        """Say how measures were taken, by name, such as a BLEU signature; by default nothing."""
        return {}

    @abstractmethod
    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """
        Turn input lines into output lines, in the same order, reading no further ahead than a buffer.

        How to decode is a matter of the task's config. All workers call it, but only the main one is given lines, and
        only what it yields is written. To have the others help, all take the lines from the main worker, a buffer at a
        time, and divide them::

            lines = iter(lines)
            while buffer := self.workers.by_main(lambda: list(islice(lines, size))):
                yield from self.workers.map(predict_line, buffer)

        Args:
            models: one model, or several that decide together; on their device, in evaluation mode.
            lines: input lines without line ends; none on a worker that is not the main one.
        """
