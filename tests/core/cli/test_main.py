from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from seqtrain import errors
from seqtrain.cli import main as cli
from seqtrain.cli.invocation import installed_plugins
from seqtrain.cli.main import main
from seqtrain.metrics.streams import leave_streams

OFFERS_COMMAND = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind="command", name={name!r}, ref="zoo_command:go", summary="Go somewhere")
"""


@pytest.fixture
def raising(monkeypatch):
    """Let the command `evaluate` raise what it is given."""

    def put(error: BaseException) -> None:
        @click.command()
        def evaluate() -> None:
            raise error

        monkeypatch.setattr(cli, "_load", lambda reference: evaluate)

    return put


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.mark.runs
def test_help_lists_every_command_and_imports_none():
    """Neither the commands' modules nor anything heavy."""
    code = (
        "import sys; from seqtrain.cli.main import main; status = main(['--help']);"
        "ours = [n for n in sys.modules if n.startswith('seqtrain.cli.')];"
        "heavy = {'torch', 'numpy', 'omegaconf', 'yaml', 'rich'} & set(sys.modules);"
        "print(status, sorted(ours), sorted(heavy))"
    )
    done = run("-c", code)

    for name in ("train", "evaluate", "predict", "plugins", "config", "checkpoints"):
        assert f"\n  {name} " in done.stdout
    assert done.stdout.endswith("0 ['seqtrain.cli.errors', 'seqtrain.cli.invocation', 'seqtrain.cli.main'] []\n")


@pytest.mark.runs
def test_python_m_seqtrain_is_seqtrain():
    """The version names the core, the plugin API and Python."""
    done = run("-m", "seqtrain", "--version")

    python = ".".join(map(str, sys.version_info[:3]))
    assert done.stdout == f"seqtrain 0.1.0 (plugin API 1, Python {python})\n"
    assert done.returncode == 0


def test_the_console_script_exits_with_the_code(monkeypatch, capsys):
    """Of the command line of this process."""
    monkeypatch.setattr(sys, "argv", ["seqtrain", "--version"])

    with pytest.raises(SystemExit) as stop:
        cli.run()

    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("seqtrain 0.1.0 (plugin API 1, Python ")


def test_no_command_shows_help_and_fails(capsys):
    """On stderr, so that a script that forgot the command does not take it for a result."""
    assert main([]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: seqtrain [OPTIONS]")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'? See `seqtrain --help`."),
        (["--verbos"], "No such option '--verbos'."),
        (["plugins", "lst"], "No such command 'lst'. Did you mean 'list'? See `seqtrain plugins --help`."),
        (["plugins", "list", "--kind", "modle"], "'modle' is not one of 'task', 'model'"),
        (["plugins", "show"], "Missing argument 'NAME'. See `seqtrain plugins show --help`."),
    ],
)
def test_usage_errors_are_one_paragraph(capsys, arguments, said):
    """With where to read more, and exit code 2."""
    assert main(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seqtrain: error: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SeqtrainError, 1), (errors.UsageError, 2), (errors.ConfigError, 3), (errors.PluginError, 4),
        (errors.DataError, 5), (errors.CheckpointError, 5), (errors.TrainingError, 1), (errors.NonFiniteError, 1),
    ],
)  # fmt: skip
def test_our_errors_end_with_their_exit_code(raising, capsys, kind, code):
    """Their message is all that is shown."""
    raising(kind("train.de: no such file"))

    assert main(["evaluate"]) == code
    assert capsys.readouterr() == ("", "seqtrain: error: train.de: no such file\n")


def test_verbose_adds_the_traceback(raising, capsys):
    """Before the message, which stays the last thing on the screen."""
    raising(errors.DataError("broken"))

    assert main(["-v", "evaluate"]) == 5

    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("seqtrain: error: broken\n")


def test_a_bug_of_ours_shows_its_traceback(raising, capsys):
    """What is no error of the user's cannot be explained in a sentence."""
    raising(ZeroDivisionError("oops"))

    assert main(["evaluate"]) == 1

    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert "ZeroDivisionError: oops" in err
    assert "unexpected ZeroDivisionError; this is a bug" in err


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space is left on the device"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_a_disk_that_refuses_is_explained(raising, capsys, number, said):
    """With the path, and without a traceback."""
    raising(OSError(number, "strerror", "/data/run/config.yaml"))

    assert main(["evaluate"]) == 1

    err = capsys.readouterr().err
    assert err.startswith(f"seqtrain: error: Cannot use /data/run/config.yaml: {said}")
    assert err.count("\n") == 1


def test_a_full_disk_without_a_path_is_explained(raising, capsys):
    """Writing to an open file gives no name."""
    raising(OSError(errno.ENOSPC, "strerror"))

    assert main(["evaluate"]) == 1
    assert "Cannot use a file: no space is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (SystemExit(143), 143),
        (SystemExit(), 0),
        (SystemExit("no"), 1),
    ],
)
def test_interrupts_and_exits_end_quietly(raising, capsys, error, code):
    """Whoever raised them has said what there was to say."""
    raising(error)

    assert main(["evaluate"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_exit_code_may_be_returned_by_click(monkeypatch):
    """`ctx.exit(7)` in a command ends the process with 7."""

    @click.command()
    @click.pass_context
    def evaluate(ctx: click.Context) -> None:
        ctx.exit(7)

    monkeypatch.setattr(cli, "_load", lambda reference: evaluate)

    assert main(["evaluate"]) == 7


def test_a_click_error_without_context_is_shown(raising, capsys):
    """A command may raise click's own errors."""
    raising(click.ClickException("it did not work"))

    assert main(["evaluate"]) == 1
    assert capsys.readouterr().err == "seqtrain: error: it did not work\n"


def test_output_that_cannot_be_flushed_is_no_error(monkeypatch, capfd):
    """The reader has gone, and what was left to say is dropped, also by the interpreter at its end."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        stdout.write("x")
        assert leave_streams(0) == 1

    assert capfd.readouterr().err == ""


def test_a_command_may_close_stdout(monkeypatch):
    """One that wrote bytes to it may have done so."""

    @click.command()
    def evaluate() -> None:
        sys.stdout.close()

    monkeypatch.setattr(cli, "_load", lambda reference: evaluate)
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert leave_streams(main(["evaluate"])) == 0


@pytest.mark.runs
@pytest.mark.parametrize("code", ["print('x' * 100_000)", "click.echo('x' * 100_000)"])
def test_a_reader_that_goes_away_is_no_error(zoo, code):
    """`seqtrain ... | head` ends quietly."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go"))
    zoo.write("zoo_command.py", f"import click\n@click.command()\ndef go():\n    {code}\n")

    command = f"set -o pipefail; PYTHONPATH={zoo.path} {sys.executable} -m seqtrain go | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_a_plugin_supplies_a_command(zoo, capsys):
    """It is listed with its summary without being imported, and runs like ours."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go"))
    zoo.write("zoo_command.py", "import click\n@click.command()\ndef go():\n    click.echo('gone')\n")

    assert main(["--help"]) == 0
    assert "Commands of plugins:\n  go  Go somewhere" in capsys.readouterr().out
    assert "zoo_command" not in sys.modules
    assert main(["go"]) == 0
    assert capsys.readouterr().out == "gone\n"


def test_a_plugins_command_does_not_take_the_place_of_ours(zoo, capsys):
    """It is reached by its qualified name."""
    zoo.install("goer", OFFERS_COMMAND.format(name="train"))
    zoo.write("zoo_command.py", "import click\n@click.command()\ndef go():\n    click.echo('gone')\n")

    assert main(["goer/train"]) == 0
    assert capsys.readouterr().out == "gone\n"
    assert main(["--help"]) == 0
    assert "  goer/train  Go somewhere" in capsys.readouterr().out


def test_two_plugins_with_one_command_keep_both(zoo, capsys):
    """Under their qualified names, and the short one is refused with both."""
    zoo.install("one", OFFERS_COMMAND.format(name="go"))
    zoo.install("two", OFFERS_COMMAND.format(name="go"))
    zoo.write("zoo_command.py", "import click\n@click.command()\ndef go():\n    click.echo('gone')\n")

    assert main(["two/go"]) == 0
    capsys.readouterr()
    assert main(["go"]) == 4
    assert "2 plugins offer a command 'go': write 'one/go' or 'two/go'." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "said"), [("go = 3", "zoo_command:go is not a click command"), ("import not_there", "cannot be loaded")]
)
def test_a_bad_command_of_a_plugin_names_it(zoo, capsys, code, said):
    """Only when it is called; help goes on working."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go"))
    zoo.write("zoo_command.py", code)

    assert main(["--help"]) == 0
    assert main(["go"]) == 4
    assert said in capsys.readouterr().err


def test_a_broken_plugin_is_mentioned_where_a_command_is_unknown(zoo, capsys):
    """The command may well have been its own."""
    zoo.install("bad", "import not_there")

    assert main(["qqqqq"]) == 2
    assert "bad (broken: ModuleNotFoundError: No module named 'not_there')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--no-plugin", "goer"], {}),
        (["--no-plugin", "core", "--no-plugin", "other,goer"], {}),
        (["--no-plugins"], {}),
        ([], {"SEQTRAIN_DISABLE_PLUGINS": "goer"}),
        ([], {"SEQTRAIN_PLUGINS": "optim"}),
        (["--no-plugins"], {"SEQTRAIN_PLUGINS": "goer"}),
    ],
)
@pytest.mark.parametrize("command", [["plugins", "list"], ["--help"], ["go"]], ids=" ".join)
def test_a_plugin_that_is_switched_off_is_not_imported(zoo, monkeypatch, capsys, options, variables, command):
    """Whatever the command is; even help asks the plugins."""
    module = zoo.install("goer", OFFERS_COMMAND.format(name="go"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    code = main([*options, *command])

    assert code == (2 if command == ["go"] else 0)
    assert module not in sys.modules
    assert "Go somewhere" not in capsys.readouterr().out


def test_the_options_act_wherever_they_stand_before_the_command(zoo, capsys):
    """Also behind one that ends the command line by itself."""
    module = zoo.install("goer", OFFERS_COMMAND.format(name="go"))

    assert main(["--help", "--no-plugin", "goer"]) == 0
    assert module not in sys.modules
    assert "Commands of plugins" not in capsys.readouterr().out


def test_a_run_that_needs_what_is_switched_off_says_how_to_undo_it(capsys):
    """And nothing more than that."""
    assert main(["--no-plugin", "translation", "config", "check", "--task", "translation"]) == 4
    assert (
        "plugin 'translation' (seqtrain-translation 0.1.0) is disabled: switched off by --no-plugin translation. "
        "To use it, leave out `--no-plugin translation`."
    ) in capsys.readouterr().err


def test_an_id_that_nobody_has_is_warned_of_once(zoo, capsys):
    """Environments differ, so it is no error."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go"))

    assert main(["--no-plugin", "goerr", "plugins", "list", "--json"]) == 0

    out, err = capsys.readouterr()
    assert err == (
        "seqtrain: warning: --no-plugin names 'goerr', and no installed plugin has that id. Did you mean 'goer'?\n"
    )
    assert out.startswith("{")


def test_the_options_stand_before_the_command(capsys):
    """Behind it they are unknown."""
    assert main(["plugins", "list", "--no-plugins"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.fixture
def strict(monkeypatch):
    """Strict mode, with our own plugins as the only others: what else is installed here must not decide."""
    monkeypatch.setenv("SEQTRAIN_PLUGIN_STRICT", "1")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('out of order')", ["RuntimeError: out of order", "Traceback (most recent call last)"]),
        ("import jax\n" + OFFERS_COMMAND.format(name="go"), ["acme (slow): imports jax while being listed"]),
        (OFFERS_COMMAND.format(name="go") + "    yield 3", ["acme (ok): seqtrain_components gave 3"]),
        (
            "import os\nos.environ['ZOO_STRICT'] = '1'\n" + OFFERS_COMMAND.format(name="go"),
            ["acme (ok): changes os.environ"],
        ),
    ],
    ids=["broken", "slow", "record", "environment"],
)
@pytest.mark.parametrize("command", ["config check --task translation", "plugins list", "plugins show acme"])
def test_strict_mode_ends_every_command_where_a_plugin_has_a_fault(zoo, capsys, code, said, command):
    """With what is wrong; the commands about plugins print first what they have to say."""
    zoo.write("jax.py", "")
    zoo.install("acme", code)

    assert main(["--strict-plugins", *command.split()]) == 4

    out, err = capsys.readouterr()
    assert ("acme" in out) == command.startswith("plugins")
    assert "seqtrain: error: " in err
    for each in said:
        assert each in err


@pytest.mark.usefixtures("strict")
def test_strict_mode_is_content_with_plugins_that_are_well_or_switched_off(zoo, capsys):
    """What was switched off was switched off on purpose."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go"))
    zoo.install("bad", "raise RuntimeError")

    assert main(["--no-plugin", "bad", "config", "check", "--task", "translation"]) == 0
    assert main(["--no-plugin", "bad", "plugins", "list"]) == 0
    assert main(["plugins", "list"]) == 4


@pytest.mark.usefixtures("strict")
def test_strict_mode_does_not_take_help_away(zoo):
    """It is needed most where something is wrong."""
    zoo.install("bad", "raise RuntimeError")

    assert main(["--help"]) == 0


def test_a_command_whose_record_is_bad_says_so(zoo, capsys):
    """Rather than being unknown."""
    zoo.install("goer", OFFERS_COMMAND.format(name="go").replace("zoo_command:go", "zoo_command.go"))

    assert main(["go"]) == 4
    assert "ref is 'zoo_command.go', not of the form 'package.module:Name'" in capsys.readouterr().err


def test_commands_run_outside_of_seqtrain_look_at_the_environment(monkeypatch):
    """As when a test calls a command by itself."""
    monkeypatch.setenv("SEQTRAIN_PLUGINS", "core")

    @click.command()
    def bare() -> None:
        click.echo(" ".join(plugin.id for plugin in installed_plugins().plugins if plugin.usable))

    assert CliRunner().invoke(bare).output == "core\n"
