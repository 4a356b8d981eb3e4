"""Folders that pass leave nothing behind, and take nothing from processes that are alive."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from seqtrain.errors import DataError
from seqtrain_text.corpus import write_corpus
from seqtrain_text.temporary_folder import temporary_folder


def test_a_folder_is_gone_at_its_end_with_what_is_in_it(tmp_path: Path) -> None:
    """Also where the end is an error."""
    with temporary_folder(tmp_path / "cache") as folder:
        (folder / "file").write_text("x")
    with pytest.raises(KeyError), temporary_folder(tmp_path / "cache") as folder:
        raise KeyError

    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.runs
@pytest.mark.fault("F1")
def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    """The lock of a folder tells them apart; one without any, of a process before there were locks, is abandoned."""
    (tmp_path / "unfinished-old" / "made").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    child = os.fork()
    if not child:
        with temporary_folder(tmp_path) as folder:
            (folder / "half").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.glob("unfinished-*/half"))) == 1

    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert {first, second, tmp_path / "other"} == set(tmp_path.iterdir())


def test_a_cache_that_cannot_be_made_is_an_error_with_its_setting(tmp_path: Path) -> None:
    """Here a file is in its place."""
    (tmp_path / "cache").write_text("x")

    with pytest.raises(DataError, match=r"write binarised text to .*data\.cache_dir=FOLDER"):
        temporary_folder(tmp_path / "cache").__enter__()
    with pytest.raises(DataError, match="write the built-in corpus to"):
        write_corpus({"a": "text"}, tmp_path / "cache" / "corpus")
