"""The settings of the components that come with core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TensorBoardConfig:
    """TensorBoard has nothing to set."""
