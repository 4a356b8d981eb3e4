"""From lines to the lines that `seqtrain predict` writes, in the same order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np
from torch import nn

from seqtrain.api import ConfigError, Tokenizer, WorkerGroup
from seqtrain_lm.config import LMConfig
from seqtrain_lm.generation import ContinuationGenerator
from seqtrain_lm.scoring import TokenScorer
from seqtrain_lm.spans import line_spans
from seqtrain_text.generated_text import output_lines
from seqtrain_text.line_buffers import line_buffers


def refuse_other_objectives(config: LMConfig) -> None:
    """
    Refuse to predict with a model that was trained to restore hidden text.

    Raises:
        ConfigError: it was.
    """
    if config.objective != "causal":
        raise ConfigError(
            f"This run was trained with task.objective={config.objective}: its model restores hidden text, "
            "and neither continues nor scores lines. Use it to start another run from, or train one with "
            "task.objective=causal."
        )


def continue_lines(
    models: Sequence[nn.Module], tokenizer: Tokenizer, lines: Iterable[str], config: LMConfig, workers: WorkerGroup
) -> Iterator[str]:
    """
    Continue lines, reading no further ahead than a buffer.

    With `generation.nbest` above 1 each continuation is a line of its own: number of the input line, score and text,
    with tabs between.
    """
    generate = ContinuationGenerator(models, tokenizer, config, workers)
    number = 1
    for prompts in line_buffers(lines, config.buffer_lines, workers):
        for number, best in enumerate(generate(prompts, number), start=number):  # noqa: B020 - it continues
            yield from output_lines(number, best, config.generation.nbest)
        number += 1


def score_lines(
    models: Sequence[nn.Module], tokenizer: Tokenizer, lines: Iterable[str], config: LMConfig, workers: WorkerGroup
) -> Iterator[str]:
    """
    Score the tokens of each line by itself.

    Each line that comes out is a JSON object: the negative log-probability in nats, the tokens, the end included, and
    the log-probability of each.
    """
    scorer = TokenScorer.of(models, tokenizer, config)
    for buffer in line_buffers(lines, config.buffer_lines, workers):
        text = line_spans(tokenizer, buffer)
        batches = list(scorer.batches(text.spans))
        found = workers.map(partial(scorer, text.read), batches)
        log_probs = np.empty(len(text.tokens))
        for window, of_window in zip(chain.from_iterable(batches), chain.from_iterable(found), strict=True):
            log_probs[window.scored : window.stop] = of_window
        for start, stop in text.spans:
            yield json.dumps(
                {
                    "nats": -round(math.fsum(log_probs[start:stop]), 4),
                    "tokens": tokenizer.tokens(text.tokens[start:stop].tolist()),
                    "log_probs": [round(each, 4) for each in log_probs[start:stop].tolist()],
                },
                ensure_ascii=False,
            )
