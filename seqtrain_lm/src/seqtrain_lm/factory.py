"""The task, on files or on made-up data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seqtrain.api import Reader
from seqtrain_lm.config import LMConfig
from seqtrain_lm.dummy import DummyLMTask
from seqtrain_lm.task import LMTask
from seqtrain_text.dummy_task import DummyTokenizer
from seqtrain_text.metric import MakeMetric, MakeNamedMetric
from seqtrain_text.tokenizer_io import MakeTokenizer


def make_task(
    config: LMConfig,
    *,
    tokenizer: MakeTokenizer,
    reader: Callable[[], Reader],
    metrics: MakeNamedMetric,
    metric: MakeMetric | None = None,
) -> LMTask:
    """Make the task, on files or on made-up data; see `LMTask` for the arguments."""
    if config.is_dummy:
        tokenizer = partial(DummyTokenizer, config.dummy.vocab_size)
        return DummyLMTask(config, tokenizer=tokenizer, reader=reader, metrics=metrics)
    return LMTask(config, tokenizer=tokenizer, reader=reader, metrics=metrics, metric=metric)
