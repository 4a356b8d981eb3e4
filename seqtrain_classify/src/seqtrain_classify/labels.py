"""Labels: their names in tables, and their numbers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import final

from seqtrain.api import CheckpointError
from seqtrain_classify.cells import NUMBER
from seqtrain_classify.look_alikes import difference, skeleton, warn_of_look_alikes
from seqtrain_text.records import shorten
from seqtrain_text.tokenizer import read_plain, write_whole

logger = logging.getLogger(__name__)

FILE_NAME = "labels.json"
SHOWN = 10  # labels in a message
LOGGED = 50
COMPARED = 20_000  # labels among which a misspelt one is looked for; more take seconds

_MISSING = frozenset(
    ("nan", "-nan", "nat", "<na>", "na", "n/a", "#n/a", "null", "none", "inf", "-inf", "infinity", "-infinity")
)


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
            if reads_as_missing(label):
                raise ValueError(
                    f"the label is {shorten(label)}, which stands for a missing one beside {known}{more}. "
                    "Fill it in or remove the row; if it is a class, give it another name."
                )
            raise ValueError(
                f"no training row has the label {shorten(label)}, only {known}{more}.{self._guess(label)} "
                "Mend or remove the row, or train on rows with that label too."
            )
        return self._numbers[label]

    def _guess(self, label: str) -> str:
        wanted = skeleton(label)
        twin = next((each for each in self.labels if skeleton(each) == wanted), None)
        if twin is not None:
            return f" Did you mean {shorten(twin)}? They differ in {difference(label, twin)}."
        close = get_close_matches(label, self.labels, n=1) if len(self.labels) <= COMPARED else []
        return f" Did you mean {shorten(close[0])}?" if close else ""


def reads_as_missing(label: str) -> bool:
    """Say whether programs write missing values so; it may be a label all the same: `nan` is a language."""
    return label.casefold() in _MISSING


def choose_labels(counts: Mapping[str, int], where: str) -> list[str]:
    """
    Return the labels in the order of their numbers, and warn of doubtful ones.

    Where all others are numbers, `nan` and its like are no labels: `LabelMap.number` then refuses the rows that have
    them, with their place.

    Args:
        counts: rows with each label.
        where: names the files.
    """
    doubtful = sorted(filter(reads_as_missing, counts))
    others = [label for label in counts if not reads_as_missing(label)]
    if doubtful and others and all(map(NUMBER.fullmatch, others)):
        return in_order(others)
    if doubtful:
        logger.warning(
            "%s: taken for labels like any other, though programs write missing ones so: %s. "
            "If these rows have no label, fill it in or remove them",
            where, ", ".join(f"{shorten(label)} ({counts[label]} rows)" for label in doubtful),
        )  # fmt: skip
    warn_of_look_alikes(counts, where)
    return in_order(counts)


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels so that their numbers do not depend on the rows' order: whole numbers by size, others as texts."""
    labels = list(labels)
    if all(re.fullmatch(r"-?[0-9]{1,99}", label) for label in labels):  # Python reads no numbers of thousands of digits
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)


def listed(counts: Mapping[str, int], labels: Sequence[str]) -> str:
    """Say how often labels occur, or the first of them where there are many."""
    more = f" and {len(labels) - LOGGED} more" if len(labels) > LOGGED else ""
    return ", ".join(f"{label} ({counts[label]})" for label in labels[:LOGGED]) + more


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
