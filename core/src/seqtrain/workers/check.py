"""All workers run the same: seqtrain, plugins and configuration, compared before anything is built."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from seqtrain.config.plain import to_tree
from seqtrain.config.schema import RunConfig
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import PROJECT
from seqtrain.registry.registry import Registry
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.spec import plugin_set

_OF_THE_HOST = ("data.cache_dir", "logging", "trackers")  # or of the main worker alone
_SHARED_PLACE = ("distributed.engine",)  # all else there may be as the host has it


def refuse_worker_differences(group: WorkerGroup, config: RunConfig, registry: Registry) -> None:
    """
    Compare this worker with the main one; all workers call this, and all of them raise what any has to.

    Raises:
        PluginError: a worker has other software: seqtrain, torch or plugins.
        ConfigError: a worker has other settings.
    """
    mine = {
        "software": {PROJECT: version(PROJECT), "torch": torch.__version__},
        "plugins": {name: " ".join(part or "?" for part in each) for name, each in plugin_set(registry).items()},
        "settings": dict(_flat(to_tree(config))),
    }
    digest = hashlib.sha256(json.dumps(mine, sort_keys=True, default=str).encode()).hexdigest()
    if len(set(group.all_gather_object(digest))) == 1:
        return  # as nearly always; whole configurations of many workers would be much to send
    main, *others = group.all_gather_object(json.loads(json.dumps(mine, default=str)))
    for rank, other in enumerate(others, start=1):
        software = _differing({**main["software"], **main["plugins"]}, {**other["software"], **other["plugins"]}, rank)
        if software:
            raise PluginError(
                f"Worker {rank} has other software than worker 0:\n{software}\n"
                "Install the same distributions in the same versions on every host."
            )
        settings = _differing(main["settings"], other["settings"], rank)
        if settings:
            raise ConfigError(
                f"Worker {rank} has other settings than worker 0:\n{settings}\nGive the same command on every host."
            )


def _differing(main: Mapping[str, Any], other: Mapping[str, Any], rank: int) -> str:
    return "\n".join(
        f"  {key}: {main.get(key, 'none')} on worker 0, {other.get(key, 'none')} on worker {rank}"
        for key in sorted({*main, *other})
        if main.get(key, "none") != other.get(key, "none")
    )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List the settings that have to be the same everywhere, by dotted keys."""
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in _OF_THE_HOST or (key.startswith("distributed.") and key not in _SHARED_PLACE):
            continue
        found += _flat(value, f"{key}.") if isinstance(value, dict) and value else [(key, value)]
    return found
