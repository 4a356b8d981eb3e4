"""From lines to the lines that `seqtrain predict` writes, in the same order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from seqtrain.api import DataError, WorkerGroup
from seqtrain_text.files import iter_lines
from seqtrain_text.generated_text import output_lines
from seqtrain_text.line_buffers import line_buffers
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.translator import Translator

logger = logging.getLogger(__name__)


def translate_lines(
    translator: Translator, lines: Iterable[str], config: TranslationConfig, workers: WorkerGroup
) -> Iterator[str]:
    """
    Translate lines, reading no further ahead than a buffer; at the end, say how many were cut.

    With `generation.nbest` above 1 each translation is a line of its own: number of the input line, score and text,
    with tabs between.
    """
    number = num_cut = first_cut = 0
    for buffer in line_buffers(lines, config.buffer_lines, workers):
        before = number
        for number, best in enumerate(translator.translate(buffer), start=number + 1):  # noqa: B020 - it continues
            yield from output_lines(number, best, config.generation.nbest)
        if len(translator.cut):
            num_cut, first_cut = num_cut + len(translator.cut), first_cut or before + int(translator.cut[0]) + 1
    if num_cut:
        logger.warning(
            "%d of %d lines have more than task.max_length=%d tokens (the first: line %d) and were cut. "
            "task.max_length=N has the model read more, unless its positions are learned",
            num_cut, number, config.max_length, first_cut,
        )  # fmt: skip


def score_lines(
    translator: Translator, lines: Iterable[str], config: TranslationConfig, workers: WorkerGroup
) -> Iterator[str]:
    """
    Score the translations in the file `references`: each line is the score and the text, with a tab between.

    Raises:
        DataError: the file has fewer lines than the input, or more; that it has more turns out at the end.
    """
    references = Path(config.references or "").expanduser()
    given = iter_lines(references)
    number = 0
    for buffer in line_buffers(lines, config.buffer_lines, workers):
        texts = list(islice(given, len(buffer)))
        if len(texts) < len(buffer):
            raise DataError(
                f"{references} has fewer lines than the input: {number + len(texts)}. Line n of it must be the "
                "translation of line n of the input."
            )
        number += len(buffer)
        for score, text in zip(translator.score(buffer, texts), texts, strict=True):
            yield f"{score:.4f}\t{text}"
    if (more := sum(1 for _ in given)) > 0:
        raise DataError(
            f"{references} has {number + more} lines, and the input only {number}. Line n of it must be the "
            "translation of line n of the input, so the scores may be of the wrong lines."
        )
