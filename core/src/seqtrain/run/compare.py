"""Whether two states are equal bit for bit, and where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

OF_THE_CLOCK = ("train_seconds",)  # no two runs take the same time


def leaves(state: Any, prefix: str = "") -> dict[str, Any]:
    """Return a nested state by dotted names, without what depends on the clock."""
    return {key: value for key, value in _leaves(state, prefix) if key.rsplit(".", 1)[-1] not in OF_THE_CLOCK}


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Name what is not equal bit for bit in two flat states."""
    keys = [*first, *(key for key in second if key not in first)]
    return [key for key in keys if key not in first or key not in second or not _is_same(first[key], second[key])]


def _leaves(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    else:
        return [(prefix, value)]
    below = [leaf for key, each in items for leaf in _leaves(each, f"{prefix}.{key}" if prefix else str(key))]
    return below or [(prefix, repr(value))]


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.dtype == second.dtype and first.shape == second.shape and _same_bits(first, second)
    return type(first) is type(second) and (first == second or first != first)  # noqa: PLR0124 - NaN is itself


def _same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    bits = [each.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for each in (first, second)]
    return torch.equal(*bits)
