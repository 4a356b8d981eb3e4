"""
How the positions of a batch relate: which of them others may read, and where they stand.

B sequences, T positions. Masks are boolean, True = attend.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from seqtrain_transformer.positions import places_in_documents


class Layout(NamedTuple):
    """
    What a stack of layers is told besides the tokens.

    Args:
        keep: bool, broadcast to (B, 1, T, S): which positions a position may read; None: all of them.
        causal: each reads itself and those before it; instead of `keep`.
        places: (B, T) int64, where in its document each token stands; None: counted from where the row starts.
        rotation: of T positions, by which queries and keys are turned, if at all.
    """

    keep: Tensor | None = None
    causal: bool = False
    places: Tensor | None = None
    rotation: Tensor | None = None


def whole_rows(tokens: Tensor, padding: int, documents: Tensor | None = None) -> Layout:
    """
    Let each token read its whole row, or its whole document.

    Args:
        tokens: (B, T) int64.
        padding: the id that fills up rows.
        documents: (B, T) int64, which document a token is of; None if a row is one.
    """
    is_real = tokens != padding
    if documents is not None:
        # Padding is a document of its own, since attention to nothing at all would be NaN.
        documents = documents.masked_fill(~is_real, -1)
        return Layout(keep=_same_document(documents), places=places_in_documents(documents))
    if tokens.device.type == "cpu" and is_real.all():  # on another device, finding that out would mean to wait for it
        return Layout()
    return Layout(keep=is_real[:, None, None, :])


def left_to_right(documents: Tensor | None = None) -> Layout:
    """
    Let each token read itself and what is before it in its row, or in its document.

    Padding stands at the end, where no real token looks: being causal is mask enough.

    Args:
        documents: (B, T) int64, which document a token is of; None if a row is one.
    """
    if documents is None:
        return Layout(causal=True)
    return Layout(keep=_same_document(documents).tril(), places=places_in_documents(documents))


def _same_document(documents: Tensor) -> Tensor:
    return (documents[:, :, None] == documents[:, None, :])[:, None]  # (B, 1, T, T)
