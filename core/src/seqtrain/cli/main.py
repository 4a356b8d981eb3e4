"""
The command line: `seqtrain COMMAND ...`.

A command's module is imported when that command is called, so that `seqtrain --help` imports none of them, and
nothing here imports torch, numpy or omegaconf.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from operator import attrgetter

import click

from seqtrain.cli.errors import INTERRUPTED, report
from seqtrain.cli.invocation import PLUGINS_PREFIX, Group, Invocation, load_command
from seqtrain.metrics.console import protect_terminal
from seqtrain.metrics.streams import STDOUT, leave_streams, secure_streams

# Name -> (where the command is, what help says of it).
_COMMANDS = {
    "train": ("seqtrain.cli.train:train", "Train a model, or go on with a run."),
    "evaluate": ("seqtrain.cli.evaluate:evaluate", "Measure a checkpoint on a split."),
    "predict": ("seqtrain.cli.predict:predict", "Translate, continue or label text with a trained model."),
    "plugins": ("seqtrain.cli.plugins:plugins", "Show what is installed and what it offers."),
    "config": ("seqtrain.cli.config:config", "Show or check a resolved configuration."),
    "checkpoints": ("seqtrain.cli.checkpoints:checkpoints", "List, verify or average the checkpoints of a run."),
    "verify-resume": ("seqtrain.cli.verify_resume:verify_resume", "Prove that a killed run resumes bit for bit."),
    "export": ("seqtrain.cli.exchange:export", "Write a trained model in another program's format."),
    "import": ("seqtrain.cli.exchange:import_", "Make a run of a model that another program has trained."),
}


def run() -> None:
    """Run the command line of this process; the console script."""
    secure_streams()
    protect_terminal()
    sys.exit(leave_streams(main(sys.argv[1:])))


def main(arguments: Sequence[str]) -> int:
    """
    Run one command line and return its exit code.

    Every error ends here: what a user can fix becomes a paragraph on stderr, the rest a traceback.
    """
    invocation = Invocation(tuple(arguments))
    try:
        result = seqtrain.main(list(arguments), prog_name="seqtrain", standalone_mode=False, obj=invocation)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:  # noqa: BLE001 - the outermost place
        if isinstance(error, BrokenPipeError) and error.filename == STDOUT:  # whoever read it has seen enough
            return 1
        return report(error, verbose=invocation.verbose)
    return result if isinstance(result, int) else 0


class Commands(Group):
    """Commands from the table above and from plugins, each imported when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the options that hold for every command before any of them acts: `--help`, too, asks the plugins."""
        given = self.make_parser(ctx).parse_args(list(args))[0]
        invocation = _invocation(ctx)
        invocation.verbose = bool(given.get("verbose"))
        invocation.plugin_filters = invocation.plugin_filters.with_options(
            no_plugin=given.get("no_plugin") or (),
            no_plugins=bool(given.get("no_plugins")),
            strict=bool(given.get("strict_plugins")),
        )
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, ours first."""
        return [*_COMMANDS, *sorted(_plugin_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of this name."""
        if cmd_name in _COMMANDS:
            return _load(_COMMANDS[cmd_name][0])
        registry = _invocation(ctx).registry
        return load_command(registry, cmd_name) if registry.knows("command", cmd_name) else None

    def hint(self, ctx: click.Context, name: str) -> str:
        """Suggest a command, or name the plugins that may have had this one."""
        return super().hint(ctx, name) or _invocation(ctx).registry.unusable()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from their summaries; click would import every one of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])
        supplied = sorted(_plugin_commands(ctx).items())
        if supplied:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(supplied)


def _plugin_commands(ctx: click.Context) -> dict[str, str]:
    """
    Return the summaries of the commands that plugins offer; one that clashes goes by its qualified name.

    Those for the group `plugins` are listed there.
    """
    registry = _invocation(ctx).registry
    offered = [each for each in registry.components("command") if not each.component.name.startswith(PLUGINS_PREFIX)]
    short = [each.component.name for each in offered]
    return {
        name if name not in _COMMANDS and short.count(name) == 1 else each.qualified_name: each.component.summary
        for name, each in zip(short, offered, strict=True)
    }


def _invocation(ctx: click.Context) -> Invocation:
    return ctx.ensure_object(Invocation)


def _load(reference: str) -> click.Command:
    module, _, name = reference.partition(":")
    command = attrgetter(name)(import_module(module))
    assert isinstance(command, click.Command)
    return command


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version  # 40 ms

    from seqtrain.plugin import ENTRY_POINT_GROUP, PROJECT

    python = ".".join(str(part) for part in sys.version_info[:3])
    api = ENTRY_POINT_GROUP.rpartition(".v")[2]
    click.echo(f"{PROJECT} {version(PROJECT)} (plugin API {api}, Python {python})")
    ctx.exit()


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="These options stand before COMMAND. In the environment, SEQTRAIN_DISABLE_PLUGINS holds ids of plugins not "
    "to load, SEQTRAIN_PLUGINS those of the only ones to load besides core, and SEQTRAIN_PLUGIN_STRICT=1 is "
    "--strict-plugins.\n\n"
    "Exit codes: 0 ok, 1 the run failed, 2 usage, 3 configuration, 4 plugin, 5 data or checkpoint, "
    "129 ended by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM, each after saving.",
)
@click.option("-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of every error.")
@click.option(
    "--no-plugin", multiple=True, metavar="ID", expose_value=False,
    help="Do not load the plugin of this id; may be repeated, or be given ids with commas.",
)  # fmt: skip
@click.option("--no-plugins", is_flag=True, expose_value=False, help="Use nothing but core's own components.")
@click.option(
    "--strict-plugins", is_flag=True, expose_value=False, help="Fail if anything is wrong with any plugin; for CI."
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the versions."
)
@click.pass_context
def seqtrain(ctx: click.Context) -> None:
    """Train sequence models from a small core and installable plugins."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)
    if ctx.invoked_subcommand != "plugins":  # which shows first what there is
        _invocation(ctx).refuse_if_strict()


@seqtrain.result_callback()
@click.pass_context
def _finish(ctx: click.Context, result: object) -> object:
    _invocation(ctx).refuse_if_strict()
    return result
