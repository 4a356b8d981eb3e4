"""The task, on files or on made-up data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seqtrain.api import Reader
from seqtrain_text.dummy_task import DummyTokenizer
from seqtrain_text.metric import MakeMetric, MakeNamedMetric
from seqtrain_text.tokenizer_io import MakeTokenizer
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.dummy import DummyTranslationTask
from seqtrain_translation.task import TranslationTask


def make_task(
    config: TranslationConfig,
    *,
    tokenizer: MakeTokenizer,
    reader: Callable[[], Reader],
    metrics: MakeNamedMetric,
    metric: MakeMetric | None = None,
) -> TranslationTask:
    """Make the task, on files or on made-up data; see `TranslationTask` for the arguments."""
    if config.is_dummy:
        tokenizer = partial(DummyTokenizer, config.dummy.vocab_size)
        return DummyTranslationTask(config, tokenizer=tokenizer, reader=reader, metrics=metrics)
    return TranslationTask(config, tokenizer=tokenizer, reader=reader, metrics=metrics, metric=metric)
