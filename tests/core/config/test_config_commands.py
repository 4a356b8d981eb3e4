"""`seqtrain config`, and the options it shares with other commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from seqtrain.cli import config as config_commands
from seqtrain.cli import config_options
from seqtrain.cli.config_options import component_help, sort_words
from seqtrain.errors import ConfigError, PluginError, UsageError
from seqtrain.registry.registry import Registry

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setattr(config_commands, "installed_plugins", lambda: registry)
    monkeypatch.setattr(config_options, "installed_plugins", lambda: registry)

    def run(*words: str) -> Result:
        return CliRunner().invoke(config_commands.config, words)

    return run


def test_show_prints_values_with_their_origins(invoke: Invoke) -> None:
    """In YAML, on stdout."""
    result = invoke("show", "--task", "copy", "data.seed=5", "--model", "lstm")

    assert result.exit_code == 0
    assert "  name: lstm" in result.stdout
    assert any(
        line.split("#") == [f"{'  seed: 5':<46}", " argument data.seed=5"] for line in result.stdout.splitlines()
    )


def test_show_prints_json(invoke: Invoke) -> None:
    """One object with a schema."""
    report = json.loads(invoke("show", "--task", "copy", "--json").stdout)

    assert report["schema"] == "seqtrain.config.show/1"
    assert report["config"]["task"]["source_lang"] == "no"
    assert report["origins"]["model.name"].startswith("recipe acme_parts:recipe.yaml")


def test_what_show_prints_may_be_given_back(invoke: Invoke, tmp_path: Path) -> None:
    """Comments and all."""
    path = tmp_path / "shown.yaml"
    path.write_text(invoke("show", "--task", "copy", "--optimizer", "adam", "--criterion", "nll").stdout)

    assert invoke("check", str(path), "--lr-scheduler", "fixed").stdout == "ok\n"


def test_check_reports_every_error_and_prints_nothing_else(invoke: Invoke) -> None:
    """As a ConfigError, which ends the process with 3."""
    result = invoke("check", "--task", "copy", "trainer.seed=x", "data.seed=y")

    assert isinstance(result.exception, ConfigError)
    assert len(str(result.exception).splitlines()) == 3
    assert result.exception.exit_code == 3
    assert result.stdout == ""


def test_the_first_word_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with an equals sign in its name, if there is such a file."""
    monkeypatch.chdir(tmp_path)
    for name in ("train.yaml", "lr=1.yaml"):
        Path(name).write_text("")
        assert sort_words([name, "a.b=c"]) == (Path(name), ("a.b=c",))
    assert sort_words(["a.b=c"]) == (None, ("a.b=c",))
    assert sort_words([]) == (None, ())


def test_words_that_are_neither_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not exist, and a second file."""
    monkeypatch.chdir(tmp_path)
    Path("train.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        sort_words(["none.yaml"])
    with pytest.raises(UsageError, match=r"'train\.yaml' is no setting of the form KEY=VALUE"):
        sort_words(["a.b=c", "train.yaml"])


def test_help_lists_the_fields_of_what_is_selected(invoke: Invoke) -> None:
    """Of the task, what its recipe or the options choose, the default tokenizer, and core's sections."""
    shown = invoke("show", "--help", "--task", "copy", "--model", "lstm").stdout

    for key in (
        "task.source_lang",
        "task.tokenizer.vocab_size",
        "optimizer.lr",
        "trainer.max_steps",
        "checkpoint.save.steps",
    ):
        assert f"\n{key} " in shown
    assert "task copy: Say it again\n" in shown
    assert "criterion nll\nno settings\n" in shown
    assert "model.heads" not in shown


def test_help_without_a_choice_says_how_to_get_more(invoke: Invoke) -> None:
    """Short by default."""
    shown = invoke("show", "--help").stdout

    assert "--task NAME --help" in shown
    assert "--model NAME[/PRESET]" in shown
    assert "trainer.max_steps" not in shown


def test_help_for_something_unknown_is_an_error(registry: Registry, invoke: Invoke) -> None:
    """As it would be without --help."""
    with pytest.raises(PluginError, match="Did you mean 'copy'"):
        component_help(registry, task="cpy")
    assert isinstance(invoke("show", "--task", "cpy", "--help").exception, PluginError)


def test_other_options_keep_working(registry: Registry) -> None:
    """A command adds its own beside the shared ones."""

    @click.command(cls=config_options.ConfigCommand)
    @config_options.config_options
    @click.option("--fresh", is_flag=True)
    def command(fresh: bool, **options: object) -> None:
        click.echo(json.dumps([fresh, options], default=str))

    shown = CliRunner().invoke(command, ["a.b=1", "--fresh", "--task", "t", "c=2"]).stdout

    assert json.loads(shown) == [
        True,
        {
            "config_file": None,
            "overrides": ["a.b=1", "c=2"],
            "task": "t",
            "model": None,
            "criterion": None,
            "optimizer": None,
            "lr_scheduler": None,
        },
    ]


@pytest.mark.runs
@pytest.mark.parametrize("words", [["show"], ["check"], ["show", "--help"]])
def test_nothing_heavy_is_imported(registry: Registry, words: list[str]) -> None:
    """Neither torch nor numpy, and no omegaconf for want of an interpolation."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from click.testing import CliRunner
from seqtrain.cli import config, config_options
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.plugin import Component
parts = [Component(**fields) for fields in {[vars(each.component) for each in registry.components()]!r}]
config.installed_plugins = config_options.installed_plugins = lambda: Registry([Plugin(id="acme", components=tuple(parts))])
result = CliRunner().invoke(config.config, {words!r} + ["--task", "copy", "trainer.seed=4"])
assert result.exit_code == 0, result.exception
heavy = {{"torch", "numpy", "omegaconf", "tensorboard", "rich"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.runs
def test_interpolation_needs_omegaconf_alone(registry: Registry) -> None:
    """It brings neither torch nor numpy along."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from seqtrain.config.resolve import resolve
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.plugin import Component
parts = [Component(**fields) for fields in {[vars(each.component) for each in registry.components()]!r}]
registry = Registry([Plugin(id="acme", components=tuple(parts))])
config = resolve(registry, task="copy", overrides=["trainer.seed=${{data.seed}}", "data.seed=7"]).config
assert config.trainer.seed == 7
assert "omegaconf" in sys.modules and not {{"torch", "numpy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
