"""Labels: their names in tables, and their numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, final

from seqtrain.api import CheckpointError
from seqtrain_classify.tables import shorten
from seqtrain_text.tokenizer import read_plain, write_whole

FILE_NAME = "labels.json"
SHOWN = 10  # labels in a message
LOGGED = 50


@final
class LabelMap:
    """
    Numbers for labels, from 0.

    Args:
        labels: in the order of their numbers, each once.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._numbers = {label: number for number, label in enumerate(labels)}

    def number(self, label: str) -> int:
        """
        Return a label's number.

        Raises:
            ValueError: there is no such label.
        """
        if label not in self._numbers:
            known = ", ".join(map(shorten, self.labels[:SHOWN]))
            more = f" and {len(self.labels) - SHOWN} more" if len(self.labels) > SHOWN else ""
            close = get_close_matches(label, self.labels, n=1)
            guess = f" Did you mean {shorten(close[0])}?" if close else ""
            raise ValueError(
                f"no training row has the label {shorten(label)}, only {known}{more}.{guess} "
                "Mend or remove the row, or train on rows with that label too."
            )
        return self._numbers[label]


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels so that their numbers do not depend on the rows' order: whole numbers by size, others as texts."""
    labels = list(labels)
    if all(re.fullmatch(r"-?[0-9]{1,99}", label) for label in labels):  # Python reads no numbers of thousands of digits
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)


def told(counts: Mapping[str, int], labels: Sequence[str]) -> str:
    """Say how often labels occur, or the first of them where there are many."""
    more = f" and {len(labels) - LOGGED} more" if len(labels) > LOGGED else ""
    return ", ".join(f"{label} ({counts[label]})" for label in labels[:LOGGED]) + more


def read_label(cell: Any) -> str:
    """
    Return the label that a cell holds, without blanks around it.

    Raises:
        ValueError: it holds none.
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    if isinstance(cell, list):
        raise ValueError(f"the label is a list, {shorten(cell)}. Set task.kind=multi if rows may have several labels.")  # noqa: TRY004 - the caller adds the place
    if cell is None or isinstance(cell, str):
        label = " ".join((cell or "").split())  # one line without tabs, since `predict` writes it
        if label:
            return label
        raise ValueError("the label is empty. Fill it in or remove the row.")
    raise ValueError(f"the label is {shorten(cell)}, where a text is expected. Check task.label_column.")


def save_labels(kind: str, labels: Sequence[str], artifacts: Path) -> None:
    """Write which labels there are, and of what kind."""
    text = json.dumps({"kind": kind, "labels": list(labels)}, ensure_ascii=False, indent=1)
    write_whole(artifacts / FILE_NAME, text.encode())


def load_labels(kind: str, artifacts: Path) -> list[str]:
    """
    Read what `save_labels` wrote.

    Raises:
        CheckpointError: it is missing, damaged, or of another kind.
    """
    path = artifacts / FILE_NAME
    try:
        kept = json.loads(read_plain(path))
        kept_kind, labels = kept["kind"], kept["labels"]
        "".join(labels).encode()
        if not isinstance(labels, list) or len(set(labels)) < len(labels):
            raise ValueError("the labels are no list of different texts")  # noqa: TRY301 - told like all else
    except OSError as error:
        raise CheckpointError(
            f"Cannot read the labels {path}: {error.strerror}. Copy the whole run folder, task/ included."
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(
            f"The labels {path} are damaged ({type(error).__name__}: {error}). "
            "Restore the file, or train again in a new run folder."
        ) from error
    if kept_kind != kind:
        raise CheckpointError(
            f"{path} is of task.kind={kept_kind}, but task.kind={kind} is asked for. Leave out task.kind."
        )
    checked: list[str] = labels
    return checked
