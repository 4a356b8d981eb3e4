"""The task, on files or on made-up data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seqtrain.api import Reader
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.dummy import DummyClassifyTask
from seqtrain_classify.task import ClassifyTask
from seqtrain_text.auto_reader import Auto
from seqtrain_text.dummy_task import DummyTokenizer
from seqtrain_text.metric import MakeMetric, MakeNamedMetric
from seqtrain_text.tokenizer_io import MakeTokenizer


def make_task(
    config: ClassifyConfig,
    *,
    tokenizer: MakeTokenizer,
    metrics: MakeNamedMetric,
    metric: MakeMetric | None = None,
    reader: Callable[[], Reader] = Auto,
) -> ClassifyTask:
    """Make the task, on tables or on made-up data; see `ClassifyTask` for the arguments."""
    if config.is_dummy:
        tokenizer = partial(DummyTokenizer, config.dummy.vocab_size)
        return DummyClassifyTask(config, tokenizer=tokenizer, metrics=metrics)
    return ClassifyTask(config, tokenizer=tokenizer, metrics=metrics, metric=metric, reader=reader)
