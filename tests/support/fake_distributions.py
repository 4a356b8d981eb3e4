"""Distributions that are installed as pip leaves them, without pip: a folder of metadata on `sys.path`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

GROUP = "seqtrain.plugins.v1"


def write_distribution(
    folder: Path,
    name: str,
    *entry_points: tuple[str, str],
    version: str = "1.0",
    group: str = GROUP,
    requires: Iterable[str] = (),
) -> Path:
    """
    Install a distribution into a folder; a second call adds entry points.

    Args:
        folder: what stands for site-packages.
        name: of the distribution.
        entry_points: pairs of a plugin's id and its module.
        version, group, requires: as pip writes them down.

    Returns:
        The folder of its metadata.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    (info / "METADATA").write_text("\n".join([*metadata, ""]), encoding="utf-8")
    with (info / "entry_points.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"[{group}]\n{plugin_id} = {module}\n" for plugin_id, module in entry_points)
    importlib.invalidate_caches()
    return info
