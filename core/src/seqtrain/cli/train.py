"""`seqtrain train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from seqtrain.cli.config_options import ConfigCommand, config_options, distributed_options, resolve_options
from seqtrain.cli.invocation import Invocation, finish
from seqtrain.cli.paths import UserPath
from seqtrain.config.reader import as_argument
from seqtrain.metrics.streams import may_lose_stdout
from seqtrain.run.folder import RunFolder


@click.command(cls=ConfigCommand)
@config_options
@distributed_options
@click.option(
    "--run-dir",
    type=UserPath(),
    default=None,
    help="where the run's files go; an unfinished run there is resumed. Default: runs/TASK.",
)
@click.option("--fresh", is_flag=True, help="do not resume: set aside the run that lies in --run-dir.")
@click.option(
    "--init-from",
    metavar="RUN",
    type=UserPath(),
    default=None,
    help="start a new run from the weights of another one: its best checkpoint, else its last.",
)
@click.option(
    "--stop-file",
    metavar="FILE",
    type=UserPath(),
    default=None,
    help="save and stop once FILE appears, as on SIGTERM, and remove it: for schedulers that cannot send signals.",
)
@click.option("--accept-changes", is_flag=True, help="resume although settings differ that make it another run.")
@click.pass_obj
def train(
    invocation: Invocation,
    /,
    run_dir: Path | None,
    fresh: bool,
    init_from: Path | None,
    stop_file: Path | None,
    accept_changes: bool,
    **options: Any,
) -> int:
    """
    Train a model.

    CONFIG is a YAML file; KEY=VALUE sets one field, such as trainer.max_steps=1000 or task.train=PREFIX.
    With nothing but --task, the task's built-in corpus is used.
    Ctrl-C, SIGTERM, SIGUSR2 and SIGHUP save and stop, SIGUSR1 saves and goes on. Under nohup SIGHUP is ignored.
    The same command goes on where an interrupted run stopped; --init-from takes over another run's weights, and nothing
    else of it.
    """
    may_lose_stdout()
    registry = invocation.registry
    if run_dir is not None:
        RunFolder(run_dir).refuse_links()
    if run_dir is not None and not _chooses_anything(options) and (run_dir / "config.yaml").is_file():
        options["config_file"] = run_dir / "config.yaml"
    if init_from is not None:
        options["overrides"] = (as_argument("checkpoint.init_from", str(init_from)), *options["overrides"])
    if stop_file is not None:
        options["overrides"] = (as_argument("trainer.stop_file", str(stop_file)), *options["overrides"])
    config = resolve_options(registry, **options).config
    run_dir = run_dir or Path("runs") / config.task.name.replace("/", "-")

    from seqtrain import launch  # torch comes in here, after everything that can be wrong with the arguments
    from seqtrain.run.request import RunRequest

    request = RunRequest(
        config=config, run_dir=run_dir, fresh=fresh, accept_changes=accept_changes, verbose=invocation.verbose
    )
    return finish(launch.call_main(request, registry))


def _chooses_anything(options: dict[str, Any]) -> bool:
    return options.get("config_file") is not None or options.get("task") is not None
