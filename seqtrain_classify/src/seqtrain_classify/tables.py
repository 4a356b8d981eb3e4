"""How messages repeat cells of tables."""

from __future__ import annotations

from seqtrain_text.records import shorten

__all__ = ["shorten"]
