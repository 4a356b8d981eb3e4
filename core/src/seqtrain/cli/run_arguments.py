"""The arguments of commands that use a trained run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtrain.cli.paths import UserPath

if TYPE_CHECKING:
    from seqtrain.config.schema import RunConfig
    from seqtrain.registry.registry import Registry

# How the run was trained says nothing of where it is used.
_ALONE = ("distributed.workers=1", "distributed.nodes=1", "distributed.rendezvous=null", "distributed.max_restarts=0")


def run_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments: the run, its checkpoints, and settings."""
    for add in (
        click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]..."),
        click.argument("run", type=UserPath()),
        click.option(
            "--checkpoint",
            "checkpoints",
            multiple=True,
            metavar="NAME",
            help="best, last, a step, or a folder; several decide together. Default: the best, else the last.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=None,
            metavar="N",
            help="processes on this host that divide the work; the results stay the same. Default: 1.",
        ),
    ):
        command = add(command)
    return command


def config_of_run(registry: Registry, run: Path, overrides: Sequence[str], workers: int | None) -> RunConfig:
    """
    Return a run's configuration with settings for this time.

    Args:
        registry: what is installed.
        run: its folder.
        overrides: `key=value`; `distributed.*` says how this command is launched.
        workers: processes on this host; None leaves it to the overrides, and these to a single one.

    Raises:
        CheckpointError: there is no run.
        ConfigError: a setting is wrong, or makes it a run of another task.
    """
    from seqtrain.config.resolve import resolve
    from seqtrain.run.folder import RunFolder
    from seqtrain.run.open import refuse_other_task

    folder = RunFolder(run)
    folder.require_run()
    alone = _ALONE if workers is None else (*_ALONE, f"distributed.workers={workers}")
    config = resolve(registry, config_file=folder.config, overrides=[*alone, *overrides]).config
    if overrides:
        refuse_other_task(folder, resolve(registry, config_file=folder.config).config, config)
    return config
