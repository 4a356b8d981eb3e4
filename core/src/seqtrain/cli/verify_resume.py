"""`seqtrain verify-resume`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from seqtrain.cli.config_options import ConfigCommand, config_options, resolve_options

if TYPE_CHECKING:
    from seqtrain.run.verify_resume import ResumeCheck

_SHOWN = 20  # names of what differs


@click.command("verify-resume", cls=ConfigCommand)
@config_options
@click.option(
    "--steps", type=click.IntRange(min=1), default=20, show_default=True, help="updates before the kill, and after it."
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object.")
def verify_resume(steps: int, as_json: bool, **options: Any) -> int:
    """
    Prove that this run, killed and started again, resumes bit for bit.

    It is trained twice: straight, and killed (SIGKILL) half-way and started again. Then everything that was saved and
    measured is compared. Takes the arguments of `seqtrain train`; exit code 1 if anything differs.
    """
    from seqtrain.cli.invocation import installed_plugins

    registry = installed_plugins()
    config = resolve_options(registry, **options).config

    from seqtrain.run.verify_resume import check_resume, environment
    from seqtrain.training.signals import raise_on_sigterm

    with raise_on_sigterm(), TemporaryDirectory(prefix="seqtrain-") as folder:  # what is being trained ends with us
        check = check_resume(
            config, Path(folder), steps=steps, environ=environment(registry.plugin_filters.to_environment())
        )
    if as_json:
        from seqtrain.cli.invocation import print_json

        print_json("seqtrain.verify-resume/1", steps=2 * steps, items=dict(check.items), differing=check.differing)
    else:
        _show(check, steps)
    return int(bool(check.differing))


def _show(check: ResumeCheck, steps: int) -> None:
    compared = ", ".join(f"{part} {count}" for part, count in check.items.items())
    click.echo(f"Compared after {2 * steps} steps, killed after {steps} or a few more: {compared}.")
    if not check.differing:
        click.echo("All equal bit for bit.")
        return
    click.echo(f"{len(check.differing)} differ:")
    for name in check.differing[:_SHOWN]:
        click.echo(f"  {name}")
    if len(check.differing) > _SHOWN:
        click.echo(f"  and {len(check.differing) - _SHOWN} more")
