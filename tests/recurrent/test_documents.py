"""Rows that hold several documents, taken apart and put together."""

from __future__ import annotations

import torch

from seqtrain_recurrent.documents import take_apart

TOKENS = torch.tensor([[10, 11, 20, 21, 22], [30, 40, 41, 1, 1]])
DOCUMENTS = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 2, 2]])


def test_each_document_gets_a_row() -> None:
    """In the order of the text, filled up with padding; equal numbers in two rows are two documents."""
    apart = take_apart(TOKENS, DOCUMENTS, padding=1)

    assert apart.tokens.tolist() == [[10, 11, 1], [20, 21, 22], [30, 1, 1], [40, 41, 1], [1, 1, 1]]


def test_vectors_are_put_back_where_tokens_were() -> None:
    """What was taken apart is whole again."""
    apart = take_apart(TOKENS, DOCUMENTS, padding=1)

    assert torch.equal(apart.put_back(apart.tokens[:, :, None])[:, :, 0], TOKENS)


def test_one_document_a_row_stays_as_it_is() -> None:
    """There is nothing to take apart."""
    assert torch.equal(take_apart(TOKENS, torch.full((2, 5), 3), padding=1).tokens, TOKENS)
