"""`seqtrain plugins new`: write a plugin that works."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from seqtrain.cli.invocation import installed_plugins, print_json
from seqtrain.errors import UsageError
from seqtrain.plugin import KINDS


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it offers.")
@click.option("--component", metavar="NAME", help="What it offers is called so. Default: NAME after its first dash.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where its folder is made. Default: the working directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, component: str | None, directory: Path, as_json: bool) -> None:
    """
    Write a new plugin package into the folder NAME.

    It installs, passes `seqtrain plugins check` and its own tests, and can be used at once; what it does is for you to
    change. NAME is what pip will call it, such as acme-rnn.
    """
    from seqtrain_testing.scaffold.names import Names, refuse_taken
    from seqtrain_testing.scaffold.write import write_plugin

    names = Names.of(name, component)
    refuse_taken(names, kind, installed_plugins())
    commands = ctx.find_root().command
    if kind == "command" and isinstance(commands, click.Group) and names.component in commands.list_commands(ctx):
        raise UsageError(f"seqtrain has a command {names.component!r}. Choose another name with --component NAME.")
    written = write_plugin(names, kind, directory)
    next_ = (
        f"cd {shlex.quote(str(written.folder))}",
        "pip install --editable '.[test]'",
        f"seqtrain plugins check {names.distribution}",
        "python -m pytest",
        *written.use,
    )
    if as_json:
        print_json(
            "seqtrain.plugins.new/1",
            name=names.distribution,
            kind=kind,
            component=names.component,
            folder=str(written.folder),
            files=written.files,
            next=next_,
        )
        return
    click.echo(f"The {kind} {names.component!r} is in {written.folder}:")
    for file in written.files:
        click.echo(f"  {file}")
    click.echo("\nNext:")
    for line in next_:
        click.echo(f"  {line}")
