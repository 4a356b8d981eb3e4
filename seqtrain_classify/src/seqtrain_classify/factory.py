"""The task, on files or on made-up data."""

from __future__ import annotations

from functools import partial

from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.dummy import DummyClassifyTask
from seqtrain_classify.task import ClassifyTask
from seqtrain_text.dummy_task import DummyTokenizer
from seqtrain_text.metric import MakeMetric
from seqtrain_text.tokenizer_io import MakeTokenizer


def make_task(config: ClassifyConfig, *, tokenizer: MakeTokenizer, metric: MakeMetric | None = None) -> ClassifyTask:
    """Make the task, on tables or on made-up data; see `ClassifyTask` for the arguments."""
    if config.is_dummy:
        return DummyClassifyTask(config, tokenizer=partial(DummyTokenizer, config.dummy.vocab_size))
    return ClassifyTask(config, tokenizer=tokenizer, metric=metric)
