"""Which probabilities `seqtrain predict` writes: of all labels, or, where there are many, of the most probable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqtrain_classify.kind import Scores

ALL_UP_TO = 100
SHOWN_OF_MORE = 10


def num_shown(num_classes: int, limit: int | None) -> int:
    """Return how many labels are written with their probability, given `prediction.probabilities`."""
    if limit is None:
        return num_classes if num_classes <= ALL_UP_TO else SHOWN_OF_MORE
    return min(limit, num_classes)


def probability_cells(labels: Sequence[str], scores: Scores, limit: int | None) -> list[str]:
    """Write the probability of each label in their order; or the most probable labels, each before its probability."""
    if num_shown(len(labels), limit) == len(labels):
        return [f"{each:.4f}" for each in scores]
    return [cell for number in _most_probable(scores, limit) for cell in (labels[number], _short(scores[number]))]


def probability_fields(labels: Sequence[str], scores: Scores, limit: int | None) -> dict[str, float]:
    """Return probabilities by label, in the labels' order, or, where only some are written, the most probable first."""
    if num_shown(len(labels), limit) == len(labels):
        return {label: round(float(each), 4) for label, each in zip(labels, scores, strict=True)}
    return {labels[number]: float(_short(scores[number])) for number in _most_probable(scores, limit)}


def _short(probability: np.float32) -> str:
    """Write four significant digits, since of many labels even the most probable may have little."""
    return f"{probability:.4g}"


def _most_probable(scores: Scores, limit: int | None) -> list[int]:
    """Return the numbers of the most probable labels; among equals, the first ones, as `argmax` has it."""
    count = num_shown(len(scores), limit)
    least = np.partition(scores, -count)[-count]
    candidates = np.flatnonzero(scores >= least)
    numbers: list[int] = candidates[np.argsort(-scores[candidates], kind="stable")][:count].tolist()
    return numbers
