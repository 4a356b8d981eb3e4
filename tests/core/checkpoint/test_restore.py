"""A checkpoint that does not fit the model is refused in a paragraph that says why."""

from __future__ import annotations

import pytest

from seqtrain.checkpoint.checkpointer import check_match
from seqtrain.errors import CheckpointError

MODEL = {"embed_tokens.weight": (100, 8), "layer.weight": (8, 8)}


def complaint(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    with pytest.raises(CheckpointError) as caught:
        check_match(expected, found, "RUN/checkpoints/step-00000500")
    return str(caught.value)


def test_equal_names_and_shapes_fit() -> None:
    """The order does not matter, nor whether a shape is a list or a tuple."""
    check_match(MODEL, {"layer.weight": [8, 8], "embed_tokens.weight": [100, 8]}, "x")


def test_another_vocabulary_is_recognised() -> None:
    """Only embedding rows differ: the vocabulary does not fit the checkpoint."""
    text = complaint(MODEL, MODEL | {"embed_tokens.weight": (120, 8)})

    assert "RUN/checkpoints/step-00000500" in text
    assert "embed_tokens.weight is (120, 8) there and (100, 8) here" in text
    assert "belongs to another vocabulary" in text
    assert "task/" in text


@pytest.mark.parametrize(
    "found",
    [
        MODEL | {"embed_tokens.weight": (100, 16)},
        MODEL | {"layer.weight": (9, 8)},
        MODEL | {"embed_tokens.weight": (120, 8), "extra": (1,)},
    ],
)
def test_another_model_is_not_taken_for_another_vocabulary(found: dict[str, tuple[int, ...]]) -> None:
    """Other sizes within, or other weights altogether."""
    text = complaint(MODEL, found)

    assert "checkpoint of another model" in text
    assert "vocabulary" not in text


def test_missing_and_left_over_names_are_both_told() -> None:
    """The first few, and how many more there are."""
    text = complaint(MODEL, {f"old.{index}": (1,) for index in range(9)})

    assert "Missing there: embed_tokens.weight; layer.weight." in text
    assert "Unknown here: old.0; old.1; old.2; old.3; old.4; and 4 more." in text
