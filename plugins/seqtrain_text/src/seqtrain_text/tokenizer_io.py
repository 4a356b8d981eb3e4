"""Tokenizers in a run's folder: saved once, whole or not at all, and loaded from there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from seqtrain.api import CheckpointError, Tokenizer

MakeTokenizer = Callable[[], Tokenizer]
"""What a task is supplied with for a config field that selects a tokenizer."""

FOLDER_NAME = "tokenizers"


def save_tokenizers(tokenizers: Mapping[str, Tokenizer], artifacts: Path) -> None:
    """
    Save tokenizers; whoever is stopped meanwhile leaves nothing that `has_tokenizers` takes for whole.

    Args:
        tokenizers: by the name of the folder that each gets.
        artifacts: RUN/task.
    """
    artifacts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=artifacts, prefix=f".{FOLDER_NAME}.tmp-") as temporary:
        unfinished = Path(temporary) / FOLDER_NAME
        for name, tokenizer in tokenizers.items():
            tokenizer.save(unfinished / name)
        unfinished.rename(artifacts / FOLDER_NAME)


def has_tokenizers(artifacts: Path) -> bool:
    """Say whether `save_tokenizers` has been here."""
    return (artifacts / FOLDER_NAME).is_dir()


def load_tokenizers(tokenizers: Mapping[str, Tokenizer], artifacts: Path) -> None:
    """
    Load what `save_tokenizers` wrote.

    Raises:
        CheckpointError: there is nothing, or a file is missing or damaged.
    """
    if not has_tokenizers(artifacts):
        raise CheckpointError(
            f"{artifacts} holds no tokenizers, so nothing can be predicted with this run. "
            "Copy the whole run folder, task/ included."
        )
    for name, tokenizer in tokenizers.items():
        tokenizer.load(artifacts / FOLDER_NAME / name)
