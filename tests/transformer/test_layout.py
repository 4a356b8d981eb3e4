"""Which positions may read which."""

from __future__ import annotations

import torch

from seqtrain_transformer.layout import Layout, left_to_right, whole_rows

PADDING = 1


def test_rows_without_padding_need_no_mask() -> None:
    """On a CPU, where that is found out for nothing."""
    assert whole_rows(torch.tensor([[5, 6], [7, 8]]), PADDING) == Layout()


def test_padding_is_read_by_nobody() -> None:
    """The mask is the same for all positions of a row."""
    layout = whole_rows(torch.tensor([[5, 6], [7, PADDING]]), PADDING)

    assert layout.keep.tolist() == [[[[True, True]]], [[[True, False]]]]
    assert not layout.causal
    assert layout.places is None


def test_left_to_right_needs_no_mask_either() -> None:
    """Padding stands at the end, where nobody looks."""
    assert left_to_right() == Layout(causal=True)


def test_documents_keep_to_themselves() -> None:
    """Two documents of two and one tokens: each reads its own; left to right, what is not after it."""
    documents = torch.tensor([[0, 0, 1]])
    both_ways = whole_rows(torch.tensor([[5, 6, 7]]), PADDING, documents)
    one_way = left_to_right(documents)

    assert both_ways.keep.tolist() == [[[[True, True, False], [True, True, False], [False, False, True]]]]
    assert one_way.keep.tolist() == [[[[True, False, False], [True, True, False], [False, False, True]]]]
    assert both_ways.places.tolist() == one_way.places.tolist() == [[0, 1, 0]]
    assert not one_way.causal


def test_padding_is_a_document_of_its_own() -> None:
    """Whatever number it was given, no real token reads it; and every position reads something, or it would be NaN."""
    keep = whole_rows(torch.tensor([[5, 6, PADDING]]), PADDING, torch.tensor([[4, 4, 4]])).keep

    assert keep.tolist() == [[[[True, True, False], [True, True, False], [False, False, True]]]]
