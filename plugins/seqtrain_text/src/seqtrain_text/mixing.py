"""How often an epoch sees each of several training corpora."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from seqtrain.api import DatasetPart

logger = logging.getLogger(__name__)


def epoch_weights(sizes: Sequence[float], weights: Sequence[float], temperature: float) -> list[float]:
    """
    Even out the sizes of corpora.

    A corpus's share of an epoch is in proportion to weight * size ** (1 / temperature). An epoch has as many examples
    as it would have at temperature 1: the sum of weight * size.

    Args:
        sizes: examples of each corpus, > 0.
        weights: how often an epoch would see each at temperature 1.
        temperature: 1 changes nothing, more makes sizes matter less.

    Returns:
        How often an epoch sees each corpus.

    Example:
        >>> epoch_weights([900, 100], [1.0, 1.0], 2.0)  # shares 30 : 10, so 750 and 250 examples of 1000
        [0.833333333, 2.5]
    """
    if temperature == 1:
        return list(weights)
    total = sum(weight * size for weight, size in zip(weights, sizes, strict=True))
    shares = [weight * size ** (1 / temperature) for weight, size in zip(weights, sizes, strict=True)]
    # Rounded, since machines differ in a power's last digit, and a run must go on on another one.
    return [round(total * share / sum(shares) / size, 9) for share, size in zip(shares, sizes, strict=True)]


def report_mixture(names: Sequence[object], parts: Sequence[DatasetPart]) -> None:
    """Log what an epoch is made of, where it is made of several corpora."""
    if len(parts) < 2:
        return
    seen = [part.weight * (part.stop - part.start) for part in parts]
    for name, examples in zip(names, seen, strict=True):
        logger.info("%s: %.0f examples an epoch, %.1f %% of it", name, examples, 100 * examples / sum(seen))
