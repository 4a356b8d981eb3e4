"""A checkpoint that is not what was written is noticed, and the message says which file and why."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.checkpoint.manifest import (
    FORMAT,
    NAME,
    FormatError,
    _digest,
    read_manifest,
    verify,
    write_manifest,
)
from seqtrain.errors import CheckpointError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two files with its manifest."""
    path = tmp_path / "step-00000007"
    path.mkdir()
    (path / "model.safetensors").write_bytes(bytes(range(200)))
    (path / "state.json").write_text('{"progress": {"step": 7}}')
    write_manifest(path, step=7, epoch=2, measures={"loss": 1.25, "bleu": math.inf, "odd": math.nan})
    return path


def rewrite(folder: Path, **changes: object) -> None:
    """Forge a manifest whose own hash is right."""
    record = json.loads((folder / NAME).read_text()) | changes
    del record["sha256"]
    record["sha256"] = _digest(record)
    (folder / NAME).write_text(json.dumps(record))


def test_a_manifest_says_what_was_written(folder: Path) -> None:
    """Step, epoch, measures (strange numbers too), sizes and the SHA-256 that `sha256sum` gives."""
    manifest = verify(folder)

    assert (7, 2, 1.25, math.inf) == (
        manifest.step,
        manifest.epoch,
        manifest.measures["loss"],
        manifest.measures["bleu"],
    )
    assert math.isnan(manifest.measures["odd"])
    assert manifest.files["model.safetensors"].size == 200
    assert (
        manifest.files["model.safetensors"].sha256 == "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f"
    )
    assert manifest.files == read_manifest(folder).files


def test_a_manifest_is_strict_json(folder: Path) -> None:
    """Other programs can read it: no NaN or Infinity outside strings."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads((folder / NAME).read_text(), parse_constant=refuse)["format"] == FORMAT


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda file: file.write_bytes(file.read_bytes()[:-1]),
            "model.safetensors has 199 bytes, the manifest says 200",
        ),
        (lambda file: file.write_bytes(b""), "model.safetensors has 0 bytes"),
        (lambda file: file.write_bytes(file.read_bytes() + b"x"), "has 201 bytes"),
        (lambda file: file.write_bytes(bytes(200)), "model.safetensors has other content"),
        (lambda file: file.unlink(), "model.safetensors is missing"),
        (lambda file: (file.unlink(), file.mkdir()), "model.safetensors is not a plain file"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "model.safetensors is not a plain file"),
    ],
)
@pytest.mark.fault("F5")
def test_a_damaged_file_is_named(folder: Path, damage, complaint: str) -> None:
    """Shorter, longer, emptied, edited, gone, or replaced by something that is no file."""
    damage(folder / "model.safetensors")

    with pytest.raises(CheckpointError, match=complaint):
        verify(folder)


@pytest.mark.fault("F5")
def test_swapped_files_are_both_named(folder: Path) -> None:
    """Every problem is told at once."""
    model, state = (folder / "model.safetensors").read_bytes(), (folder / "state.json").read_bytes()
    (folder / "model.safetensors").write_bytes(state)
    (folder / "state.json").write_bytes(model)

    with pytest.raises(CheckpointError, match=r"model\.safetensors.*state\.json"):
        verify(folder)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.fault("F5")
def test_one_flipped_bit_anywhere_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Also in the manifest itself, where a changed measure would make another checkpoint the best."""
    path = tmp_path_factory.mktemp("c")
    (path / "state.json").write_text('{"progress": {"step": 7}}')
    write_manifest(path, step=7, epoch=2, measures={"loss": 1.25})
    file = path / data.draw(st.sampled_from([NAME, "state.json"]))
    content = bytearray(file.read_bytes())
    meant = json.loads(content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)

    try:
        if file.name == NAME and json.loads(content) == meant:
            return  # a blank became another blank
    except ValueError:
        pass
    with pytest.raises(CheckpointError):
        verify(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b'{"a": ' * 50_000]
)
@pytest.mark.fault("F8")
def test_a_manifest_of_garbage_is_an_error_of_ours(folder: Path, content: bytes) -> None:
    """Empty, cut off, of another kind, not UTF-8, or nested to exhaust the stack."""
    (folder / NAME).write_bytes(content)

    with pytest.raises(CheckpointError):
        verify(folder)


@pytest.mark.parametrize("files", [[], {"a": 3}, {"a": {}}, {"a": {"size": "x", "sha256": ""}}, None])
def test_a_manifest_with_odd_entries_is_an_error_of_ours(folder: Path, files: object) -> None:
    """A forged manifest cannot make seqtrain stumble."""
    rewrite(folder, files=files)

    with pytest.raises(CheckpointError, match="lacks an entry"):
        verify(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\\b", "a\n"])
@pytest.mark.fault("F9")
def test_a_manifest_may_not_lead_out_of_its_folder(folder: Path, name: str) -> None:
    """Names with separators, parents and the like are refused, not followed."""
    (folder.parent / "secret").write_text("x")
    rewrite(folder, files={name: {"size": 1, "sha256": "0"}})

    with pytest.raises(CheckpointError, match="not a plain file name"):
        verify(folder)


@pytest.mark.parametrize("name", ["model.safetensors", NAME])
@pytest.mark.fault("F9")
def test_a_symbolic_link_is_refused(folder: Path, name: str) -> None:
    """Even one to the right content."""
    elsewhere = folder.parent / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)

    with pytest.raises(CheckpointError, match=f"{name} is a symbolic link"):
        verify(folder)


def test_files_that_are_not_listed_are_ignored(folder: Path) -> None:
    """They are never read, so they do no harm."""
    (folder / "notes.txt").write_text("mine")

    assert {"model.safetensors", "state.json"} == set(verify(folder).files)


@pytest.mark.fault("F6")
def test_another_format_is_not_called_damage(folder: Path) -> None:
    """A newer seqtrain wrote it: the message says which, and what to install."""
    rewrite(folder, format=2, seqtrain="9.9.9")

    with pytest.raises(FormatError, match=r"format 2, written by seqtrain 9\.9\.9; .* reads format 1"):
        verify(folder)


def test_a_folder_without_a_manifest_is_unfinished(folder: Path) -> None:
    """The manifest is written last."""
    (folder / NAME).unlink()

    with pytest.raises(CheckpointError, match=r"manifest\.json is missing"):
        verify(folder)
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        verify(folder / "nowhere")


@pytest.mark.fault("F8")
def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    """A sparse file of gigabytes costs nothing."""
    with (folder / NAME).open("wb") as file:
        file.truncate(1 << 34)

    with pytest.raises(CheckpointError, match="over 16,000,000 bytes"):
        verify(folder)


@pytest.mark.parametrize("method", ["lstat", "open"])
def test_a_file_that_the_disk_will_not_give_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A bad sector or a lost network folder is told apart from a wrong content."""
    real = getattr(Path, method)

    def refuse(self: Path, *args: object, **settings: object) -> object:
        if self.name == "model.safetensors":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, *args, **settings)

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read \(Input/output error\)"):
        verify(folder)
