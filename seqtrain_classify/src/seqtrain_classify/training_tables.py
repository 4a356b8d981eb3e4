"""What is learned from training tables before their rows become token ids: labels, and the tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqtrain_classify.encoding import PAIR_SEPARATOR
from seqtrain_classify.examples import ExampleReader
from seqtrain_classify.kind import Kind


def learn_labels(kind: Kind, tables: Sequence[Path], reader: ExampleReader) -> None:
    """
    Learn which labels there are in training tables.

    Raises:
        DataError: a label cannot be read, or there is nothing to learn.
    """
    cells = (label for path in tables for label in reader.labels(path, kind.read))
    kind.learn(cells, ", ".join(map(str, tables)))


def training_texts(tables: Sequence[Path], reader: ExampleReader) -> Iterator[str]:
    """Yield the texts of training tables, the two of a pair one after the other."""
    for path in tables:
        for row in reader.rows(path):
            yield from row.text.split(PAIR_SEPARATOR)
