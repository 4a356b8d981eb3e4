"""`predict` never writes over what it reads, whatever name that has."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from seqtrain.cli.predict import refuse_to_overwrite
from seqtrain.errors import UsageError
from seqtrain.run.folder import RunFolder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of lines."""
    file = tmp_path / "source.txt"
    file.write_text("a\n")
    return file


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run's folder."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.config.write_text("task: {}")
    (folder.task / "vocabulary").mkdir()
    (folder.task / "vocabulary" / "words").write_text("x")
    return folder


def the_same(file: Path) -> Path:
    return file


def by_dots(file: Path) -> Path:
    return file.parent / "run" / ".." / file.name


def by_link(file: Path) -> Path:
    file.with_name("link").symlink_to(file)
    return file.with_name("link")


def by_hard_link(file: Path) -> Path:
    file.with_name("other").hardlink_to(file)
    return file.with_name("other")


NAMES = [the_same, by_dots, by_link, by_hard_link]


@pytest.mark.parametrize("other_name", NAMES)
def test_an_output_that_is_the_input_is_refused(source: Path, run: RunFolder, other_name) -> None:
    """Under its name, another path, a link, or a second name."""
    with pytest.raises(UsageError, match=r"source.txt and .* are one and the same file.*another --output"):
        refuse_to_overwrite(source, other_name(source), run)


@pytest.mark.parametrize("output", [True, False], ids=["--output", "stdout"])
def test_a_standard_stream_may_be_the_file(
    source: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch, output: bool
) -> None:
    """`predict RUN --output f < f`, and `predict RUN --input f >> f`, which would never end."""
    with source.open() as reading, source.open("a") as appending:
        monkeypatch.setattr(sys, "stdin", reading)
        monkeypatch.setattr(sys, "stdout", appending)
        with pytest.raises(UsageError, match="one and the same file"):
            refuse_to_overwrite(None if output else source, source if output else None, run)


def test_devices_and_closed_streams_are_let_be(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal is input and output; what is closed is told elsewhere."""
    with Path(os.devnull).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        refuse_to_overwrite(None, None, run)
    refuse_to_overwrite(None, None, run)
    monkeypatch.setattr(sys, "stdin", None)
    refuse_to_overwrite(None, None, run)


@pytest.mark.parametrize(
    "name", ["config.yaml", "lock", "train.log", "checkpoints/last", "task", "task/new", "task/vocabulary/words"]
)
def test_an_output_that_is_a_file_of_the_run_is_refused(source: Path, run: RunFolder, name: str) -> None:
    """Be it there or not."""
    with pytest.raises(UsageError, match="is a file of the run itself"):
        refuse_to_overwrite(source, run.path / name, run)


@pytest.mark.parametrize("name", ["config.yaml", "task/vocabulary/words"])
@pytest.mark.parametrize("other_name", [by_link, by_hard_link])
def test_another_name_of_a_file_of_the_run_is_refused(source: Path, run: RunFolder, name: str, other_name) -> None:
    """Outside the run."""
    outside = run.path.parent / "outside"
    output = other_name(run.path / name).rename(outside)

    with pytest.raises(UsageError, match="is a file of the run itself"):
        refuse_to_overwrite(source, output, run)


def test_any_other_output_is_allowed(source: Path, run: RunFolder, tmp_path: Path) -> None:
    """New, old, with a second name of its own, and beside the run's files."""
    (tmp_path / "old").write_text("")
    (tmp_path / "older").hardlink_to(tmp_path / "old")
    for output in (tmp_path / "new", tmp_path / "old", run.path / "predictions.txt", Path(os.devnull)):
        refuse_to_overwrite(source, output, run)
