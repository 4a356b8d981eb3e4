"""What was found in text files, and what became of it: said in the log, and as numbers for programs."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from typing import Any

from seqtrain_text.binarise import Column, LinePolicy
from seqtrain_text.round_trips import RoundTrips
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
        if counts.round_trips is not None and counts.round_trips.changed:
            _report_lost(column, counts.round_trips)


def _report_lost(column: Column, found: RoundTrips) -> None:
    """Say what the tokenizer loses of the text, and what would keep it."""
    only_unknown = all(other == "<unk>" for _, other, _ in found.differences)
    remedies = []
    if found.with_unknown:
        remedies.append(
            "task.tokenizer.character_coverage=1 (bpe, unigram), a larger task.tokenizer.vocab_size (word, char, "
            "whitespace) or more training text leaves less unknown"
        )
    if not only_unknown:
        remedies.append("task.tokenizer.normalization=identity (bpe, unigram) keeps characters and blanks")
    logger.log(
        logging.WARNING if column.is_written or found.with_unknown else logging.INFO,
        "%s %s: %.3g %% of the %ss do not come back from their tokens (%d of %d looked at, %d with unknown tokens)%s. "
        "The commonest differences: %s. In a new run, %s; task.tokenizer.name=hf keeps everything.",
        column.name,
        column.path,
        100 * found.changed / found.lines,
        column.reader.unit,
        found.changed,
        found.lines,
        found.with_unknown,
        ", so no model can write them as they are" if column.is_written else "",
        ", ".join(f"{_named(text)} -> {_named(other)} ({count})" for text, other, count in found.differences),
        "; ".join(remedies),
    )


def _named(part: str) -> str:
    """Name a part of a text: as it is where it can be seen, or by its code points."""
    if not part:
        return "nothing"
    if part == "<unk>" or (part.isprintable() and not part.isspace() and unicodedata.category(part[0])[0] != "M"):
        return part if part == "<unk>" else repr(part)
    return " ".join(f"U+{ord(each):04X}" for each in part[:8])


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
        **({} if counts.round_trips is None else {"round_trips": counts.round_trips.as_json()}),
    }


def _warn(column: Column, count: int, what: str, first_line: int, done: str) -> None:
    unit = column.reader.unit
    logger.warning(
        "%d %ss of %s are %s (the first: %s %d) and were %s", count, unit, column.path, what, unit, first_line, done
    )
