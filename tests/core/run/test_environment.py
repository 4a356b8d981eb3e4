"""What RUN/environment.json remembers of each start, and what it makes of differences."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from seqtrain.run.environment import MOST_STARTS, changes, computing_of, read_environment, with_computing, with_start
from seqtrain.run.folder import RunFolder

torch = pytest.importorskip("torch")

COMPUTING = {"device": "cpu", "world_size": 1, "threads": 2, "cpu_capability": "AVX2"}


def start(**fields: Any) -> dict[str, Any]:
    return {
        "started": "2026-01-01T00:00:00+00:00",
        "command": ["seqtrain", "train"],
        "python": "3.11.7",
        "versions": {"torch": "2.13.0", "numpy": "2.0", "pluggy": "1.7"},
        "plugins": {"acme": {"distribution": "acme-seq", "version": "1.0"}},
        "machine": {"host": "a", "processor": "x86_64"},
        **fields,
    }


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def started(folder: RunFolder, **computing: Any) -> list[str]:
    folder.write_environment(command=["seqtrain", "train"], plugins={})
    return folder.add_computing({**COMPUTING, **computing})


def test_each_start_is_appended(folder: RunFolder) -> None:
    """The latest at the top, all of them below, and what else was found out stays."""
    assert started(folder) == []
    folder.add_to_environment(data={"train": []})
    assert started(folder, threads=1) == ["threads 2 -> 1"]
    record = json.loads(folder.environment.read_text())

    assert record["computing"]["threads"] == 1
    assert record["data"] == {"train": []}
    assert record["command"] == ["seqtrain", "train"]
    assert [each["computing"]["threads"] for each in record["starts"]] == [2, 1]
    assert all({"started", "versions", "plugins", "python", "machine"} <= each.keys() for each in record["starts"])


def test_differences_are_told_by_name() -> None:
    """Those that can change bits, and no others."""
    before = start(computing=COMPUTING)
    now = start(
        versions={"torch": "2.14.1", "numpy": "2.0", "pluggy": "1.8"},
        plugins={"acme": {"distribution": "acme-seq", "version": "1.1"}, "new": {"version": "1"}},
        machine={"host": "b", "processor": "aarch64"},
        computing={**COMPUTING, "threads": 1, "device_name": "H200"},
    )

    assert changes(before, now) == [
        "torch was 2.13.0 and is 2.14.1",
        "plugin acme was 1.0 and is 1.1",
        "processor x86_64 -> aarch64",
        "threads 2 -> 1",
    ]
    assert changes(before, before) == []


def test_a_start_that_never_trained_is_not_compared_with() -> None:
    """Nothing was computed in it."""
    record, _ = with_computing(with_start({}, start()), COMPUTING)
    record = with_start(record, start(versions={"torch": "9"}))
    _, changed = with_computing(with_start(record, start()), COMPUTING)

    assert changed == []


def test_a_record_from_before_starts_were_listed_is_the_first() -> None:
    """Its versions are known, and its threads are not."""
    record, changed = with_computing(with_start({**start(), "data": {}}, start(python="3.12.0")), COMPUTING)

    assert [each["python"] for each in record["starts"]] == ["3.11.7", "3.12.0"]
    assert changed == ["python was 3.11.7 and is 3.12.0"]
    assert record["data"] == {}


def test_it_does_not_grow_without_end() -> None:
    """The first start and the newest ones are kept, with commands of a bounded length."""
    record: dict[str, Any] = {}
    for number in range(MOST_STARTS + 20):
        record = with_start(record, start(started=str(number), command=["word"] * 10_000))

    assert len(record["starts"]) == MOST_STARTS
    assert [each["started"] for each in record["starts"]][:2] == ["0", "21"]
    assert record["starts"][-1]["started"] == str(MOST_STARTS + 19)
    assert len(record["command"]) == 10_000
    assert len(json.dumps(record)) < 1_000_000


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"starts": 3}', b'{"starts": [1, {"computing": 5}]}'],
    ids=["empty", "cut", "list", "bytes", "null", "deep", "other", "foreign"],
)
def test_a_damaged_file_stops_nothing(folder: RunFolder, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is set aside with a warning, unless it is an object in which only our part is odd."""
    folder.environment.write_bytes(content)

    with caplog.at_level(logging.WARNING):
        assert started(folder) == []
        assert started(folder, threads=1) == ["threads 2 -> 1"]

    assert json.loads(folder.environment.read_text())["computing"]["threads"] == 1
    is_kept = content.startswith(b'{"')
    aside = folder.path / "environment.json.old-1"
    assert aside.exists() != is_kept
    assert ("cannot be read" in caplog.text) != is_kept
    assert is_kept or aside.read_bytes() == content


def test_a_link_is_not_followed(folder: RunFolder, tmp_path: Path) -> None:
    """What lies elsewhere is neither read nor changed."""
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text('{"secret": 1}')
    folder.environment.symlink_to(elsewhere)

    started(folder)

    assert elsewhere.read_text() == '{"secret": 1}'
    assert "secret" not in folder.environment.read_text()
    assert not folder.environment.is_symlink()


def test_what_decides_bits_is_found_out() -> None:
    """As torch tells it."""
    found = computing_of(torch.device("cpu"), 4)

    assert found["threads"] == torch.get_num_threads()
    assert found["interop_threads"] == torch.get_num_interop_threads()
    assert found["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert (found["device"], found["world_size"]) == ("cpu", 4)


def test_none_is_empty(tmp_path: Path) -> None:
    """A new run has no file yet."""
    assert read_environment(tmp_path / "none") == {}
