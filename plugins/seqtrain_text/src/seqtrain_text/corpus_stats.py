"""What was found in text files, and what became of it: said in the log, and as numbers for programs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from seqtrain_text.binarise import Column, LinePolicy
from seqtrain_text.store_meta import ColumnCounts, StoreMeta

logger = logging.getLogger(__name__)

MANY_UNKNOWN = 0.2  # share of tokens; text of another kind has more, text like the training text far fewer


def report(columns: Sequence[Column], policy: LinePolicy, meta: StoreMeta) -> None:
    """Say what was found, each time the text is used."""
    for column, counts in zip(columns, meta.columns, strict=True):
        if counts.empty and policy.empty != "allow":
            _warn(column, counts.empty, "empty", counts.first_empty, {"skip": "left out", "keep": "kept"}[policy.empty])
        if counts.too_long:
            what = f"longer than {policy.max_length} tokens"
            done = {"skip": "left out", "truncate": "cut off"}[policy.too_long]
            _warn(column, counts.too_long, what, counts.first_too_long, done)
        logger.info(
            "%s %s: %d of %d %ss, %d tokens, %.2f %% unknown",
            column.name,
            column.path,
            meta.rows,
            meta.lines,
            column.reader.unit,
            counts.tokens,
            100 * counts.unknown / counts.tokens,
        )
        if counts.unknown > MANY_UNKNOWN * counts.tokens:
            logger.warning(
                "%.0f %% of the tokens of %s are unknown to the %s vocabulary. Check that it is the right text: of "
                "the right language, and split and cased like the training text.",
                100 * counts.unknown / counts.tokens, column.path, column.name,
            )  # fmt: skip


def found(column: Column, policy: LinePolicy, meta: StoreMeta, counts: ColumnCounts) -> dict[str, Any]:
    """Return what `report` says, for programs."""
    return {
        "file": str(column.path),
        "lines": meta.lines,
        "kept": meta.rows,
        "skipped": meta.lines - meta.rows,
        "empty": counts.empty,
        "too_long": counts.too_long,
        "truncated": counts.too_long if policy.too_long == "truncate" else 0,
        "tokens": counts.tokens,
        "unknown": counts.unknown,
    }


def _warn(column: Column, count: int, what: str, first_line: int, done: str) -> None:
    unit = column.reader.unit
    logger.warning(
        "%d %ss of %s are %s (the first: %s %d) and were %s", count, unit, column.path, what, unit, first_line, done
    )
