"""A checkpoint knows the files that its weights depend on, whatever else lies beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.checkpoint.task_files import TaskFiles
from seqtrain.errors import CheckpointError


def linked(descriptor: int) -> str:
    """Return the path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return what a task has prepared."""
    folder = tmp_path / "task"
    (folder / "tokenizers" / "shared").mkdir(parents=True)
    (folder / "tokenizers" / "shared" / "a b ä.json").write_text("[]")
    (folder / "labels.json").write_text("{}")
    (folder / ".hidden").write_text("x")
    (folder / ".unfinished").mkdir()
    (folder / ".unfinished" / "x").write_text("x")
    (folder / "link").symlink_to("labels.json")
    return folder


def test_plain_files_are_known_by_their_hashes(folder: Path) -> None:
    """Those that `sha256sum` gives; neither hidden ones nor links."""
    assert TaskFiles(folder).state_dict() == {
        "labels.json": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "tokenizers/shared/a b ä.json": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
    }


def test_what_is_added_later_does_no_harm(folder: Path) -> None:
    """It is not the task's, so it may go again."""
    state = TaskFiles(folder).state_dict()
    (folder / "notes.txt").write_text("mine")

    resumed = TaskFiles(folder)
    resumed.load_state_dict(state)

    assert resumed.state_dict() == state


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_text("{} "), "is not the file that the checkpoint was trained with"),
        (lambda file: file.unlink(), "is missing"),
        (lambda file: (file.unlink(), file.symlink_to("other.json")), "is a symbolic link"),
        (lambda file: (file.unlink(), file.mkdir()), "is not a plain file"),
    ],
)
@pytest.mark.fault("F22")
def test_a_file_that_is_another_is_refused(folder: Path, damage, said: str) -> None:
    """By its path."""
    state = TaskFiles(folder).state_dict()
    damage(folder / "labels.json")

    with pytest.raises(CheckpointError, match=rf"labels\.json {said}"):
        TaskFiles(folder).load_state_dict(state)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", ".", "a//b", ".hidden", "a\0"])
@pytest.mark.fault("F9")
def test_no_forged_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    """It is refused before anything is opened."""
    with pytest.raises(ValueError, match="which is refused"):
        TaskFiles(folder).load_state_dict({name: "0"})


@pytest.mark.fault("F37")
def test_all_files_and_folders_are_put_on_the_disk_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the folder that has the name of this one; they do not change any more."""
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(linked(descriptor)))
    files = TaskFiles(folder)

    files.flush()
    files.flush()

    assert sorted(flushed) == sorted(
        [
            *(str(folder / name) for name in ("labels.json", "tokenizers/shared/a b ä.json")),
            *(str(path) for path in (folder.parent, folder, folder / "tokenizers", folder / "tokenizers/shared")),
        ]
    )


@pytest.mark.fault("F37")
def test_a_file_that_cannot_be_put_on_the_disk_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again at the next save."""
    files = TaskFiles(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(NotWrittenError, match=r"labels\.json: Input/output error"):
            files.flush()
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)

    files.flush()

    assert 6 == len(flushed)
