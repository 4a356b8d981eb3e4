"""Tokenizers in a run's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtrain.errors import CheckpointError
from seqtrain_text.config import CharConfig
from seqtrain_text.symbols import Symbols, char
from seqtrain_text.tokenizer import write_whole
from seqtrain_text.tokenizer_io import has_tokenizers, load_tokenizers, save_tokenizers


def trained(text: str) -> Symbols:
    made = char(CharConfig())
    made.train([text])
    return made


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Each under its name."""
    assert not has_tokenizers(tmp_path / "task")
    save_tokenizers({"one": trained("abc"), "two": trained("xy")}, tmp_path / "task")
    one, two = char(CharConfig()), char(CharConfig())
    load_tokenizers({"one": one, "two": two}, tmp_path / "task")

    assert has_tokenizers(tmp_path / "task")
    assert [trained("abc").vocabulary(), trained("xy").vocabulary()] == [one.vocabulary(), two.vocabulary()]
    assert ["tokenizers"] == [path.name for path in (tmp_path / "task").iterdir()]


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    """The error says to copy all of the run."""
    with pytest.raises(CheckpointError, match=r"holds no tokenizers.*Copy the whole run folder, task/ included"):
        load_tokenizers({"one": char(CharConfig())}, tmp_path)


def test_whoever_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    """Half of them are none."""

    class Stopped(Exception):
        pass

    class Stopping:
        def save(self, folder: Path) -> None:
            raise Stopped

    with pytest.raises(Stopped):
        save_tokenizers({"one": trained("abc"), "two": Stopping()}, tmp_path)

    assert not has_tokenizers(tmp_path)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_file_is_not_written_through_a_planted_name(tmp_path: Path, plant) -> None:
    """The name that it has while it is unfinished is known to strangers."""
    canary = tmp_path / "canary"
    canary.write_text("mine")
    plant(tmp_path / "labels.json.unfinished", canary)

    write_whole(tmp_path / "labels.json", b"[]")

    assert (canary.read_text(), (tmp_path / "labels.json").read_bytes()) == ("mine", b"[]")
