"""
The configuration that a run has saved, RUN/config.yaml: perhaps a stranger's.

It holds plain values: `${...}` was replaced when the run began, so one that stands there now is refused. And it says
nothing of this machine: where else files are written or removed, and who starts the run's processes, is for whoever
types the command.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from seqtrain.config.interpolate import refers
from seqtrain.config.paths import expand_home
from seqtrain.config.reader import read_file
from seqtrain.config.tree import MapNode, Problems, Scalar, is_null, scalars

_NAME = "config.yaml"
_BESIDE = ("environment.json", "checkpoints", "task")  # one of them is there where a run was started
_STOP_FILE = "trainer.stop_file"  # is removed when it appears; one in the run's own folder may be
_OUTSIDE = (_STOP_FILE, "data.cache_dir", "distributed.launcher", "distributed.rendezvous")


def is_saved(path: Path) -> bool:
    """Say whether a file is the configuration of a run, and not one that a user has written."""
    return path.name == _NAME and any(os.path.lexists(path.parent / name) for name in _BESIDE)


def read_saved(path: Path, problems: Problems) -> tuple[MapNode | None, dict[str, str]]:
    """
    Read a saved configuration, less what it says of places outside its run.

    Args:
        path: the file.
        problems: gets why it cannot be read, and each value that is to be interpolated.

    Returns:
        What was read, None if that is not possible; and where each key stood that was left out.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        problems.add(str(path), "", "is a link, a pipe or a device, which is refused in a run's folder")
        return None, {}
    layer = read_file(path, problems)
    return (None, {}) if layer is None else _without_outside(layer, path, problems)


def _without_outside(layer: MapNode, path: Path, problems: Problems) -> tuple[MapNode, dict[str, str]]:
    for scalar in scalars(layer):
        if refers(scalar.text):
            what = "a saved configuration holds plain values, so ${ is refused; write the value, or \\${ for a plain ${"
            problems.add(scalar.location, "", what)
    ignored = {}
    for key in _OUTSIDE:
        name, _, field = key.partition(".")
        section = layer.entries.get(name)
        node = section.entries.get(field) if isinstance(section, MapNode) else None
        if isinstance(section, MapNode) and node is not None and not is_null(node):
            if key == _STOP_FILE and isinstance(node, Scalar) and _is_inside(node.text, path.parent):
                continue
            ignored[key] = node.location
            layer = replace(layer, entries={**layer.entries, name: section.without(field)})
    return layer, ignored


def _is_inside(file: str, folder: Path) -> bool:
    """Say whether a path leads into a folder, links followed."""
    path = os.path.realpath(expand_home(file))
    return Path(path).is_relative_to(os.path.realpath(folder))
