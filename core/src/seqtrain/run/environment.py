"""
RUN/environment.json: with what a run was started, each time, and what of it decides the bits that come out.

The fields of the latest start stand at the top; `starts` has all of them, the first one and the newest ones where
there are many. Nothing here is needed to go on, so a file that cannot be read is set aside and begun anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MOST_STARTS = 100
_LARGEST = 8_000_000  # bytes
_LONGEST_COMMAND = 2_000  # characters, of each start; the latest is kept whole
_COMPUTING = "computing"
_DECIDING = ("seqtrain", "torch", "numpy")  # the versions of others change no numbers


def read_environment(path: Path) -> dict[str, Any]:
    """
    Return what the file holds; nothing where there is none.

    Raises:
        ValueError: it is no file of ours: not JSON, a link, a pipe, or far too large.
        OSError: it cannot be read, which says nothing of what is in it.
    """
    if not path.exists() and not path.is_symlink():
        return {}
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise ValueError("it is no plain file of a usual size")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(record, dict):
        raise ValueError("it holds no object")  # noqa: TRY004 - what is wrong is the file
    return record


def with_start(record: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a record with one more start: its fields at the top, and itself at the end of `starts`.

    Args:
        record: what `read_environment` has returned.
        start: what is known when a run is started.
    """
    listed = {**start, "command": _shortened(start.get("command"))}
    starts = [*_starts(record), listed]
    if len(starts) > MOST_STARTS:
        starts = [starts[0], *starts[1 - MOST_STARTS :]]
    rest = {key: value for key, value in record.items() if key not in (*start, _COMPUTING, "starts")}
    return {**start, **rest, "starts": starts}


def with_computing(record: Mapping[str, Any], computing: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """
    Add to the latest start how it computes.

    Args:
        record: what `read_environment` has returned.
        computing: what `computing_of` has returned.

    Returns:
        The record, and what differs from the latest start before this one that came as far.
    """
    starts = _starts(record) or [{}]
    latest = {**starts[-1], _COMPUTING: dict(computing)}
    before: Mapping[str, Any] = next((each for each in reversed(starts[:-1]) if _COMPUTING in each), {})
    return {**record, _COMPUTING: dict(computing), "starts": [*starts[:-1], latest]}, changes(before, latest)


def computing_of(device: torch.device, world_size: int) -> dict[str, Any]:
    """Say how this process computes, as far as that decides the order in which sums are formed."""
    import torch  # noqa: PLC0415 - a run's folder is looked at by commands that need no torch

    found: dict[str, Any] = {
        "device": device.type,
        "world_size": world_size,
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    if device.type == "cuda":
        found |= {
            "device_name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what differs between two starts that may change the last bits of results; what one does not tell is equal."""
    versions, versions_now = _versions(before), _versions(now)
    facts, facts_now = _facts(before), _facts(now)
    return [
        *(f"{name} was {versions[name]} and is {versions_now[name]}" for name in _differing(versions, versions_now)),
        *(f"{name} {facts[name]} -> {facts_now[name]}" for name in _differing(facts, facts_now)),
    ]


def _starts(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the starts of a record; of one from before they were listed, the one it is of, which has trained."""
    starts = record.get("starts")
    if isinstance(starts, list):
        return [each for each in starts if isinstance(each, dict)]
    if "started" not in record:
        return []
    fields = ("started", "command", "working_directory", "python", "versions", "plugins", "machine")
    only = {name: record[name] for name in fields if name in record}
    return [{**only, "command": _shortened(only.get("command")), _COMPUTING: {}}]


def _shortened(command: object) -> list[str]:
    """Keep the words of a command up to a length."""
    kept: list[str] = []
    for word in command if isinstance(command, list) else []:
        if sum(map(len, kept)) + len(str(word)) > _LONGEST_COMMAND:
            return [*kept, "..."]
        kept.append(str(word))
    return kept


def _map(start: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = start.get(name)
    return value if isinstance(value, dict) else {}


def _versions(start: Mapping[str, Any]) -> dict[str, str]:
    plugins = _map(start, "plugins").items()
    return _texts(
        {
            "python": start.get("python"),
            **{name: _map(start, "versions").get(name) for name in _DECIDING},
            **{f"plugin {name}": each.get("version") for name, each in plugins if isinstance(each, dict)},
        }
    )


def _facts(start: Mapping[str, Any]) -> dict[str, str]:
    return _texts({"processor": _map(start, "machine").get("processor"), **_map(start, _COMPUTING)})


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if isinstance(value, str | int) and value != ""}


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in before if name in now and before[name] != now[name]]
