from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from seqtrain.cli.main import main
from seqtrain.registry.entry_points import find_entry_points

CODE = """
    from dataclasses import dataclass
    from seqtrain.plugin import Every, option

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = option(256, help="size of the hidden state", unit="units", ge=1)
        kind: str = option("gru", help="which cell", choices=("gru", "lstm"))
"""
PLUGIN = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind={kind!r}, name={name!r}, ref="zoo_code:Model", config="zoo_code:Config",
                    presets="zoo_data:presets.yaml", summary="A recurrent network", for_tasks=("lm",))
"""
TWO_RECORDS = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind="command", name="go", ref="zoo_command:go", summary="Go somewhere")
    yield Component(kind="model", name="bad", ref="zoo_code.Model")
"""
PRESETS = "tiny: {summary: Small, aliases: [wee], config: {width: 1}}\n"


@pytest.fixture
def rnn(zoo):
    """A plugin `acme` with the model `zoo_rnn`, its settings and a preset."""
    zoo.install("acme", PLUGIN.format(kind="model", name="zoo_rnn"))
    zoo.write("zoo_code.py", CODE)
    zoo.write("zoo_data/__init__.py", "")
    zoo.write("zoo_data/presets.yaml", PRESETS)
    return zoo


def output(capsys, *arguments: str) -> str:
    assert main(["plugins", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.runs
def test_no_plugin_stops_the_list(zoo):
    """Every state as it should be, exit code 0, nothing heavy imported and nothing else on stdout."""
    zoo.install("good")
    zoo.install("cannot_import", "import not_there_at_all")
    zoo.install("exits", "print('bye'); import sys; sys.exit(3)")
    zoo.install("old", group="seqtrain.plugins.v0")
    zoo.install("choosy", requires=("seqtrain>=99",))
    zoo.install("good", distribution="zoo-later")
    zoo.install("typo", "from seqtrain.plugin import hookimpl\n@hookimpl\ndef seqtrain_component(): return []")
    zoo.install("heavy", "import jax\nfrom zoo_zoo_good_plugin import seqtrain_components")
    zoo.install("record", "from seqtrain.plugin import hookimpl\n@hookimpl\ndef seqtrain_components(): return [1]")
    zoo.install("off", "raise SystemExit")
    zoo.write("jax.py", "")
    code = (
        "import sys; from seqtrain.cli.main import main; status = main(['plugins', 'list', '--json']);"
        "heavy = {'torch', 'numpy', 'omegaconf', 'tensorboard', 'yaml', 'rich'} & set(sys.modules);"
        "print(status, *sorted(heavy), file=sys.stderr)"
    )
    environ = {**os.environ, "PYTHONPATH": str(zoo.path), "SEQTRAIN_DISABLE_PLUGINS": "off"}

    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)

    listed = json.loads(done.stdout)
    assert listed["schema"] == "seqtrain.plugins.list/1"
    states = {
        each["distribution"]: each["state"] for each in listed["plugins"] if each["distribution"].startswith("zoo-")
    }
    assert states == {
        "zoo-good": "ok", "zoo-cannot_import": "broken", "zoo-exits": "broken", "zoo-old": "incompatible",
        "zoo-choosy": "incompatible", "zoo-later": "conflict", "zoo-typo": "broken", "zoo-heavy": "slow",
        "zoo-record": "broken", "zoo-off": "disabled",
    }  # fmt: skip
    assert done.stderr.endswith("bye\n0\n")


def test_the_table_has_a_row_and_a_remark_for_each(rnn, capsys):
    """What a plugin offers, where it lies, and what to do where something is wrong."""
    rnn.install("bad", "import not_there_at_all")

    text = output(capsys, "list")

    assert text.startswith("PLUGIN ")
    assert " 1 model " in text
    assert str(rnn.path) in text
    assert "! bad: ModuleNotFoundError: No module named 'not_there_at_all'. `seqtrain plugins show bad` prints" in text


def test_plugins_as_json(rnn, capsys):
    """With their records, for a program."""
    content = json.loads(output(capsys, "list", "--json"))

    (found,) = [each for each in content["plugins"] if each["id"] == "acme"]
    assert (found["state"], found["location"]) == ("ok", str(rnn.path))
    assert [each["name"] for each in found["components"]] == ["zoo_rnn"]


def test_components_are_listed_with_their_plugin(rnn, capsys):
    """One that two plugins offer goes by its qualified name, as it must be written."""
    assert ["model", "zoo_rnn", "A", "recurrent", "network", "acme"] in [
        line.split() for line in output(capsys, "list", "--components").splitlines()
    ]

    rnn.install("other", PLUGIN.format(kind="model", name="zoo_rnn"))
    names = [line.split()[1] for line in output(capsys, "list", "--kind", "model").splitlines()]

    assert {"acme/zoo_rnn", "other/zoo_rnn"} < set(names)
    assert "zoo_rnn" not in names
    remark = "! 2 plugins offer a model 'zoo_rnn': write 'acme/zoo_rnn' or 'other/zoo_rnn'."
    assert remark in output(capsys, "list", "--kind", "model").splitlines()
    assert remark in output(capsys, "list").splitlines()
    assert remark not in output(capsys, "list", "--kind", "optimizer")


def test_an_ambiguous_name_is_marked_for_programs(rnn, capsys):
    """On the component, and in the list of plugins."""
    rnn.install("other", PLUGIN.format(kind="model", name="zoo_rnn"))

    listed = json.loads(output(capsys, "list", "--json"))
    components = json.loads(output(capsys, "list", "--kind", "model", "--json"))["components"]

    assert listed["ambiguous"] == ["2 plugins offer a model 'zoo_rnn': write 'acme/zoo_rnn' or 'other/zoo_rnn'."]
    assert {each["qualified_name"] for each in components if each["ambiguous"]} == {"acme/zoo_rnn", "other/zoo_rnn"}


def test_components_as_json(rnn, capsys):
    """With the references, for a program."""
    content = json.loads(output(capsys, "list", "--kind", "model", "--json"))

    assert content["schema"] == "seqtrain.plugins.components/1"
    (found,) = [each for each in content["components"] if each["plugin"] == "acme"]
    assert found["qualified_name"] == "acme/zoo_rnn"
    assert (found["ref"], found["distribution"], found["version"]) == ("zoo_code:Model", "zoo-acme", "1.0")
    assert (found["location"], found["editable"]) == (str(rnn.path), False)
    assert found["entry_point"] == "zoo_zoo_acme_plugin"


def test_a_plugin_is_shown_with_what_it_offers(rnn, capsys):
    """And with the command that shows more of it."""
    text = output(capsys, "show", "acme")

    assert text.startswith("plugin acme: ok\n  distribution  zoo-acme 1.0\n")
    assert f"installed in  {rnn.path}\n" in text
    assert "entry point   zoo_zoo_acme_plugin\n" in text
    assert "model  zoo_rnn  A recurrent network" in text
    assert "seqtrain plugins show model/zoo_rnn" in text


def test_a_broken_plugin_is_shown_with_its_traceback(zoo, capsys):
    """As it was when it failed."""
    zoo.install("bad", "1 / 0")

    text = output(capsys, "show", "bad")

    assert text.startswith("plugin bad: broken\n")
    assert "  because       ZeroDivisionError: division by zero\n" in text
    assert "  what to do    `seqtrain plugins show bad` prints the traceback. Try `pip install" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert "Traceback (most recent call last)" in text


def test_plugins_of_one_id_are_shown_together(zoo, capsys):
    """The one that has the id, and the one in conflict."""
    zoo.install("acme", distribution="zoo-a")
    zoo.install("acme", distribution="zoo-b")

    text = output(capsys, "show", "acme")
    content = json.loads(output(capsys, "show", "acme", "--json"))

    assert "plugin acme: ok" in text
    assert "plugin acme: conflict" in text
    assert "what to do    Uninstall one of them: `pip uninstall zoo-a` or `pip uninstall zoo-b`" in text
    assert [each["state"] for each in content["plugins"]] == ["ok", "conflict"]


@pytest.mark.parametrize("name", ["model/zoo_rnn", "zoo_rnn", "acme/zoo_rnn", "model/acme/zoo_rnn"])
def test_a_component_is_found_by_any_of_its_names(rnn, capsys, name):
    """Shown with its settings and presets, without importing its code."""
    text = output(capsys, "show", name)

    assert text.startswith("model zoo_rnn: A recurrent network\n")
    assert "plugin        acme (zoo-acme 1.0)\n" in text
    assert f"installed in  {rnn.path}\n" in text
    assert "qualified     acme/zoo_rnn\n" in text
    assert "for tasks     lm" in text
    assert "width  int         256      >= 1 units  size of the hidden state\n" in text
    assert "zoo_rnn/tiny  Small    wee" in text
    assert "zoo_code.Model" not in text


def test_the_example_can_be_put_into_a_configuration(rnn, capsys):
    """The section of its kind, with a preset where there is one."""
    text = output(capsys, "show", "model/zoo_rnn")

    assert text.endswith("In a configuration:\n\nmodel:\n  name: zoo_rnn/tiny\n")


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("tokenizer", "task:\n  tokenizer:\n    name: zoo_x\n    width: 256\n    kind: gru\n"),
        ("callback", "callbacks:\n  zoo_x:\n    width: 256\n    kind: gru\n"),
        ("metric", "task:\n  metric:\n    name: zoo_x\n    width: 256\n    kind: gru\n"),
        ("launcher", "distributed:\n  launcher:\n    name: zoo_x\n    width: 256\n    kind: gru\n"),
    ],
)
def test_the_example_depends_on_the_kind(rnn, capsys, kind, example):
    """A callback has a map of its own, others are chosen by a field of another section."""
    rnn.install("x", PLUGIN.format(kind=kind, name="zoo_x").replace("presets=", "presets=None and "))

    assert output(capsys, "show", "zoo_x").endswith(f"In a configuration:\n\n{example}")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("command", "seqtrain zoo_x --help"),
        ("exporter", "seqtrain export RUN --to zoo_x --output PATH"),
        ("importer", "seqtrain import --from zoo_x SOURCE --run-dir RUN"),
    ],
)
def test_what_no_configuration_names_is_shown_as_a_command(rnn, capsys, kind, line):
    """As it would be typed."""
    rnn.install("x", PLUGIN.format(kind=kind, name="zoo_x").replace("presets=", "presets=None and "))

    text = output(capsys, "show", "zoo_x")

    assert "In a configuration" not in text
    assert text.endswith(f"On the command line: {line}\n")


def test_a_component_without_settings_is_shown(capsys):
    """There is no table, and the example is an empty map."""
    text = output(capsys, "show", "tracker/tensorboard")

    assert "SETTING" not in text
    assert text.endswith("In a configuration:\n\ntrackers:\n  tensorboard: {}\n")


def test_a_component_as_json(rnn, capsys):
    """Record, settings and presets."""
    content = json.loads(output(capsys, "show", "model/zoo_rnn", "--json"))

    assert content["schema"] == "seqtrain.plugins.component/1"
    assert [each["key"] for each in content["settings"]] == ["width", "kind"]
    assert content["preset_details"] == [
        {"name": "tiny", "summary": "Small", "aliases": ["wee"], "config": {"width": 1}}
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zoo_rn", "No plugin or component is named 'zoo_rn'. Did you mean 'zoo_rnn'?"),
        ("model/zoo_rn", "No model is named 'zoo_rn'. Did you mean 'zoo_rnn'?"),
        ("zoo_twice", "'zoo_twice' may be one of model/acme2/zoo_twice, callback/acme3/zoo_twice. Which one?"),
    ],
)
def test_a_name_that_means_nothing_is_a_plugin_error(rnn, capsys, name, said):
    """With a suggestion, and exit code 4."""
    rnn.install("acme2", PLUGIN.format(kind="model", name="zoo_twice"))
    rnn.install("acme3", PLUGIN.format(kind="callback", name="zoo_twice"))

    assert main(["plugins", "show", name]) == 4
    assert said in capsys.readouterr().err


def test_a_component_of_ours_that_is_not_usable_says_why(monkeypatch, capsys):
    """By the bare name, too."""
    monkeypatch.setenv("SEQTRAIN_DISABLE_PLUGINS", "optim")

    assert main(["plugins", "show", "adam"]) == 4
    assert "optimizer 'adam' is not available: plugin 'optim'" in capsys.readouterr().err


def test_a_config_that_cannot_be_imported_names_the_plugin(zoo, capsys):
    """Listing went well; showing needs the settings."""
    zoo.install("acme", PLUGIN.format(kind="model", name="zoo_rnn"))

    assert main(["plugins", "show", "zoo_rnn"]) == 4
    assert "plugin 'acme' (zoo-acme 1.0) cannot be loaded from zoo_code:Config" in capsys.readouterr().err


def test_a_bad_record_is_shown_with_its_plugin_and_refused_by_itself(zoo, capsys):
    """The plugin's other components are shown as ever."""
    zoo.install("acme", TWO_RECORDS)

    text = output(capsys, "show", "acme")

    assert text.startswith("plugin acme: ok\n")
    assert "  model bad     model/bad: ref is 'zoo_code.Model', not of the form 'package.module:Name'\n" in text
    assert "On the command line: seqtrain go --help" in output(capsys, "show", "command/go")
    assert "! acme: model/bad: ref is 'zoo_code.Model'" in output(capsys, "list")
    for name in ("model/bad", "bad"):
        assert main(["plugins", "show", name]) == 4
        assert "model 'bad' of plugin 'acme' (zoo-acme 1.0) cannot be used" in capsys.readouterr().err


OFFERS_SUBCOMMAND = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind="command", name="plugins-go", ref="zoo_command:go", summary="Go somewhere")
"""


@pytest.mark.runs
def test_help_shows_the_commands_of_plugin_authors_without_importing_them():
    """Nor anything heavy; they come from seqtrain-testing."""
    code = (
        "import sys; from seqtrain.cli.main import main; status = main(['plugins', '--help']);"
        "authors = [name for name in sys.modules if name.startswith('seqtrain_testing.')];"
        "heavy = {'torch', 'numpy', 'omegaconf', 'yaml', 'rich', 'pytest'} & set(sys.modules);"
        "print(status, authors, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()[:4]] == [
        "check", "list", "new", "show",
    ]  # fmt: skip
    assert done.stdout.endswith("0 ['seqtrain_testing.plugin'] []\n")


@pytest.mark.parametrize("command", [["new", "acme-x", "--kind", "model"], ["check", "core"]], ids=" ".join)
def test_the_commands_of_plugin_authors_say_what_to_install(monkeypatch, tmp_path, capsys, command):
    """Where seqtrain-testing is absent; `list` and `show` need it not."""
    found = find_entry_points()
    monkeypatch.setattr(
        "seqtrain.registry.discovery.find_entry_points",
        lambda entry_points=None: [each for each in found if each.plugin.id != "testing"],
    )
    monkeypatch.chdir(tmp_path)

    assert main(["plugins", *command]) == 4
    assert "It comes with `pip install seqtrain-testing`." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert "testing" not in output(capsys, "list")


def test_a_plugin_adds_a_command_to_this_group(zoo, capsys):
    """One that is called `plugins-NAME` is `seqtrain plugins NAME`, and stands in the help of this group alone."""
    zoo.install("goer", OFFERS_SUBCOMMAND)
    zoo.write("zoo_command.py", "import click\n@click.command()\ndef go():\n    click.echo('gone')\n")

    assert "  go     Go somewhere\n" in output(capsys, "--help")
    assert "zoo_command" not in sys.modules
    assert output(capsys, "go") == "gone\n"
    assert main(["--help"]) == 0
    assert "Go somewhere" not in capsys.readouterr().out
