"""Rows that hold several documents, read apart and put together."""

from __future__ import annotations

import torch
from torch import Tensor

from seqtrain.api import apply_to_documents

PADDING = 1
TOKENS = torch.tensor([[10, 11, 20, 21, 22], [30, 40, 41, PADDING, PADDING]])
DOCUMENTS = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 2, 2]])


def read(tokens: Tensor, documents: Tensor) -> tuple[list[list[int]], Tensor]:
    """Return what a model is given, and what comes back if it returns tokens as vectors of one unit."""
    given: list[Tensor] = []

    def model(rows: Tensor) -> Tensor:
        given.append(rows)
        return rows[:, :, None]

    back = apply_to_documents(model, tokens, documents, PADDING)
    return given[0].tolist(), back[:, :, 0]


def test_each_document_gets_a_row() -> None:
    """In the order of the text, filled up with padding; equal numbers in two rows are two documents."""
    given, _ = read(TOKENS, DOCUMENTS)

    assert given == [[10, 11, 1], [20, 21, 22], [30, 1, 1], [40, 41, 1], [1, 1, 1]]


def test_vectors_come_back_where_tokens_were() -> None:
    """What was taken apart is whole again."""
    _, back = read(TOKENS, DOCUMENTS)

    assert torch.equal(back, TOKENS)


def test_one_document_a_row_stays_as_it_is() -> None:
    """There is nothing to take apart."""
    given, back = read(TOKENS, torch.full((2, 5), 3))

    assert given == TOKENS.tolist()
    assert torch.equal(back, TOKENS)


def test_a_number_that_comes_again_is_another_document() -> None:
    """Only neighbours belong together: padding may have the number of the row's first document."""
    given, _ = read(torch.tensor([[10, 20, PADDING]]), torch.tensor([[0, 1, 0]]))

    assert given == [[10], [20], [PADDING]]
