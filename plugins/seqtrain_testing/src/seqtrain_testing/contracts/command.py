"""What holds for every command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache

import click
import pytest
from click.testing import CliRunner

from seqtrain.cli.invocation import Invocation
from seqtrain.cli.main import seqtrain as seqtrain_command
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.discovery import HEAVY
from seqtrain.registry.registry import Registry
from seqtrain_testing.check import components
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.registry import INLINE


class CommandContract(ComponentContract):
    """A command of `seqtrain`, made with click: it explains itself, fast, and refuses what it does not know."""

    kind = "command"

    @pytest.fixture
    def command(self, registered: RegisteredComponent) -> click.Command:
        """The command."""
        command = registered.load()
        assert isinstance(command, click.Command)
        return command

    def test_it_is_a_click_command(self, registered: RegisteredComponent) -> None:
        """Its ref points at the command itself, not at a function that makes one."""
        assert list(components.reference_can_be_called(registered)) == []

    def test_help_says_what_it_does(self, command: click.Command) -> None:
        """`--help` ends well, and prints more than how to call it."""
        result = CliRunner().invoke(command, ["--help"])

        assert result.exit_code == 0
        assert [path for path, each in walk(command) if not (each.help or "").strip()] == []

    def test_every_option_has_a_help_text(self, command: click.Command) -> None:
        """Nobody needs to guess what an option means."""
        silent = [
            f"{path} {option.opts[0]}"
            for path, each in walk(command)
            for option in each.params
            if isinstance(option, click.Option) and not option.hidden and not (option.help or "").strip()
        ]

        assert silent == []

    def test_every_argument_is_explained(self, command: click.Command) -> None:
        """Click has no help texts for arguments, so the command's own names each, in capitals."""
        unnamed = [
            f"{path} {argument.human_readable_name}"
            for path, each in walk(command)
            for argument in each.params
            if isinstance(argument, click.Argument) and argument.human_readable_name not in (each.help or "")
        ]

        assert unnamed == []

    def test_an_unknown_option_is_refused(self, command: click.Command) -> None:
        """It is not taken for an argument; the exit code of a command line that makes no sense is 2."""
        result = CliRunner().invoke(command, ["--no-such-option"], standalone_mode=False)

        assert isinstance(result.exception, click.NoSuchOption)
        assert result.exception.exit_code == 2

    def test_surplus_arguments_are_refused(self, command: click.Command) -> None:
        """What a command does not take, it does not swallow either."""
        leaves = [(path, each) for path, each in walk(command) if not isinstance(each, click.Group)]
        contexts = [each.make_context(path, [], resilient_parsing=True) for path, each in leaves]
        lenient = [each.info_name for each in contexts if each.allow_extra_args]

        assert lenient == []

    def test_its_name_is_free(self, registered: RegisteredComponent) -> None:
        """No command of seqtrain itself has it: that would hide this one."""
        own = Invocation()
        own.registry = Registry(())

        assert registered.component.name not in seqtrain_command.list_commands(click.Context(seqtrain_command, obj=own))

    def test_help_imports_nothing_heavy(self, registered: RegisteredComponent) -> None:
        """`seqtrain NAME --help` answers at once, so torch is imported by the command's body."""
        if registered.plugin.id == INLINE:
            pytest.skip("it is registered by this test alone")

        assert help_in_a_process(registered.component.name) == "0"


@lru_cache
def help_in_a_process(name: str) -> str:
    """Ask for a command's help in a fresh process; return the exit code, what of `HEAVY` was imported, and errors."""
    code = (
        "import sys; sys.path[:] = [each for each in sys.path if each]; from seqtrain.cli.main import main; "
        f"code = main([{name!r}, '--help']); "
        f"print(code, *sorted({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return ended.stderr.strip()


def walk(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, each with the words that call it."""
    path = f"{path} {command.name}".strip()
    yield path, command
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from walk(each, path)
