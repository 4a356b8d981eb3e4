"""Each rule fails for a plugin that breaks it, says where and what to do, and passes for one that does not."""

from __future__ import annotations

import json
import re

import pytest

from seqtrain.cli.main import main
from seqtrain.registry.discovery import discover
from seqtrain_testing.check.rules import RULES
from seqtrain_testing.check.subject import find_subjects

INSTALLED = [plugin.id for plugin in discover().plugins]
OPTION = 'option(256, help="size of the hidden state", ge=1)'
RECORD = "    yield Component("
REQUIRES = "Requires-Dist: seqtrain<1,>=0.1"
DECLINED = {"optim": {"P16": "WARN"}}  # the scheduler `manual` is its settings: no default would make sense


def check(capsys, name: str = "zoo-acme") -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit code, and the status and the problems of each rule by its code."""
    capsys.readouterr()
    exit_code = main(["plugins", "check", name, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "seqtrain.plugins.check/1"
    assert report["passed"] == (exit_code == 0)
    (plugin,) = report["plugins"]
    return exit_code, {each["code"]: (each["status"], "; ".join(each["problems"])) for each in plugin["rules"]}


def statuses(found: dict[str, tuple[str, str]], *, other_than: str = "PASS") -> dict[str, str]:
    return {code: status for code, (status, _) in found.items() if status != other_than}


@pytest.mark.parametrize("plugin_id", INSTALLED)
def test_every_plugin_of_ours_keeps_all_rules(capsys, plugin_id):
    """What is asked of others, and advice as well, but for what has been declined with a reason."""
    exit_code, found = check(capsys, plugin_id)

    assert exit_code == 0
    assert statuses(found) == DECLINED.get(plugin_id, {})


def test_codes_are_unique_and_in_order():
    """They are names, for people and programs."""
    codes = [rule.code for rule in RULES]

    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"P\d\d", code) for code in codes)


def test_a_plugin_without_fault_passes(acme, capsys):
    """Found by its id or by the name of its distribution, however that is written."""
    for name in ("zoo-acme", "Zoo_Acme"):
        exit_code, found = check(capsys, name)

        assert exit_code == 0
        assert list(found) == [rule.code for rule in RULES]
        assert statuses(found) == {}


@pytest.mark.parametrize(
    ("code", "file", "old", "new", "said"),
    [
        ("P03", "entry_points.txt", "zoo-acme =", "Zoo.Acme =", "its id 'Zoo.Acme' is not of lower-case letters"),
        ("P03", "entry_points.txt", "zoo-acme =", "seqtrain =", "its id 'seqtrain' belongs to seqtrain"),
        ("P04", "METADATA", REQUIRES, "Requires-Dist: torch", "seqtrain is not among its dependencies"),
        ("P04", "METADATA", REQUIRES, "Requires-Dist: seqtrain-text<1,>=0.1", "seqtrain is not among its dependencies"),
        ("P04", "METADATA", "<1,>=0.1", "", "seqtrain accepts any old version"),
        ("P04", "METADATA", "<1,>=0.1", "<1", "seqtrain<1 accepts any old version"),
        ("P04", "METADATA", "<1,>=0.1", ">=0.1", "seqtrain>=0.1 accepts any later version"),
        ("P05", "plugin.py", "from seqtrain", "import numpy\nfrom seqtrain",
         r"zoo_acme.plugin imports numpy \(.*zoo_acme/plugin.py, line 3\)"),
        ("P05", "plugin.py", RECORD, f"    from zoo_acme.model import RNN\n{RECORD}",
         r"zoo_acme.plugin imports torch \(.*zoo_acme/model.py, line 4\)"),
        ("P06", "plugin.py", "A recurrent network", "", "model/zoo_rnn has no summary"),
        ("P06", "plugin.py", "A recurrent network", "x" * 73, "model/zoo_rnn has a summary of 73 characters: 'x"),
        ("P06", "plugin.py", RECORD, f'    yield Component(kind="modle", name="x", ref="a:b")\n{RECORD}',
         "there is no kind 'modle'"),
        ("P07", "plugin.py", "model:RNN", "model:LSTM", "has no attribute 'LSTM'"),
        ("P07", "plugin.py", "model:RNN", "model:__doc__", "model/zoo_rnn: zoo_acme.model:__doc__ cannot be called"),
        ("P07", "plugin.py", 'kind="model"', 'kind="command"', "zoo_acme.model:RNN is not a click command"),
        ("P07", "model.py", "class RNN", "raise SystemExit(3)\n\nclass RNN", "SystemExit: 3"),
        ("P08", "plugin.py", "config:RNNConfig", "model:RNN", "zoo_acme.model:RNN is not a dataclass"),
        ("P08", "config.py", "frozen=True, ", "", "model/zoo_rnn: RNNConfig is not frozen"),
        ("P08", "config.py", ", kw_only=True", "", "hidden of RNNConfig can be given by position"),
        ("P09", "config.py", "from dataclasses", "import numpy\nfrom dataclasses",
         r"zoo_acme.config imports numpy \(.*zoo_acme/config.py, line 3\)"),
        ("P10", "config.py", OPTION, "256", "model/zoo_rnn: hidden of RNNConfig has no help text"),
        ("P10", "config.py", "size of the hidden state", " ", "hidden of RNNConfig has no help text"),
        ("P11", "config.py", "    hidden:", '    name: str = option("x", help="a name")\n    hidden:',
         "RNNConfig has a setting called name"),
        ("P12", "config.py", "256, help", "0, help", "chosen as zoo-acme/zoo_rnn: .*hidden.*>= 1"),
        ("P13", "plugin.py", "presets.yaml", "missing.yaml", "missing.yaml"),
        ("P13", "presets.yaml", "hidden: 8", "hiden: 8", "chosen as zoo-acme/zoo_rnn/tiny: .*hiden"),
        ("P13", "presets.yaml", "hidden: 8", "hidden: 0", "chosen as zoo-acme/zoo_rnn/tiny: .*>= 1"),
        ("P13", "plugin.py", 'presets="zoo_acme:presets.yaml"', 'recipe="zoo_acme:config.py"', "config.py"),
        ("P14", "model.py", '"""Run it."""', "pass", "no docstring on RNN.forward"),
        ("P14", "model.py", '"""The network."""', "", "no docstring on zoo_acme.model"),
        ("P14", "config.py", '"""Settings of the network."""', "", "no docstring on RNNConfig"),
    ],
)  # fmt: skip
def test_a_fault_is_found_by_its_rule(acme, capsys, code, file, old, new, said):
    """By no other one, with what is wrong in a sentence."""
    if "zoo_acme.model import" in new:
        acme.change("model.py", "class RNN", "import torch\n\nclass RNN")
    acme.change(file, old, new)
    name = "zoo-acme" if code != "P03" else "zoo_acme"
    exit_code, found = check(capsys, name)

    assert exit_code == 4
    assert statuses(found) == {code: "FAIL"}
    assert re.search(said, found[code][1])


def test_settings_that_change_when_they_are_read_again_are_found(acme, capsys):
    """RUN/config.yaml would not repeat the run."""
    more = "    def __post_init__(self): object.__setattr__(self, 'hidden', self.hidden + 1)\n"
    acme.change("config.py", OPTION, f"{OPTION}\n{more}")
    exit_code, found = check(capsys)

    assert exit_code == 4
    assert statuses(found) == {"P12": "FAIL", "P13": "FAIL"}
    said = "chosen as zoo-acme/zoo_rnn: its settings differ after being written and read"
    assert said in found["P12"][1]


RECIPE = "{model: {name: transformer}, criterion: {name: cross_entropy}, optimizer: {name: adam}, %s}"


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (RECIPE % "lr_scheduler: {name: fixed}", None),
        (RECIPE % "lr_scheduler: {name: fixed, warmupsteps: 1}", "warmupsteps"),
        (RECIPE % "lr_scheduler: {name: not_there}", "No lr_scheduler is named 'not_there'"),
        (RECIPE % "lr_scheduler: {name: fixed}, trainer: 7", "trainer"),
        ("- model", "expected sections"),
    ],
)
def test_a_recipe_must_be_one_that_a_task_can_be_trained_with(acme, capsys, recipe, said):
    """It is resolved with what is installed, as `seqtrain train --task NAME` would."""
    acme.change("plugin.py", 'kind="model"', 'kind="task"')
    acme.change("plugin.py", "presets=", "recipe=")
    acme.write("zoo_acme/presets.yaml", recipe)
    _, found = check(capsys)

    assert statuses(found) == ({} if said is None else {"P13": "FAIL"})
    assert (said or "") in found["P13"][1]


@pytest.mark.parametrize("recipe", ["", "- model", "trainer: [a"])
def test_the_recipe_of_a_task_that_needs_settings_must_be_legible(acme, capsys, recipe):
    """There is no telling more without them."""
    acme.change("plugin.py", 'kind="model"', 'kind="task"')
    acme.change("plugin.py", "presets=", "recipe=")
    acme.change("config.py", "option(256,", "option(")
    acme.write("zoo_acme/presets.yaml", recipe)
    _, found = check(capsys)

    assert statuses(found) == ({"P16": "WARN"} if not recipe else {"P13": "FAIL", "P16": "WARN"})


@pytest.mark.parametrize(
    ("code", "file", "old", "new", "said"),
    [
        ("P15", "plugin.py", "zoo_rnn", "transformer",
         "model/transformer is offered by another plugin, too, so that users must write zoo-acme/transformer"),
        ("P16", "config.py", "option(256,", "option(", "model/zoo_rnn cannot be used before hidden is given"),
    ],
)  # fmt: skip
def test_advice_is_given_as_a_warning(acme, capsys, code, file, old, new, said):
    """The exit code is 0."""
    acme.change(file, old, new)
    exit_code, found = check(capsys)

    assert exit_code == 0
    assert statuses(found) == {code: "WARN"}
    assert said in found[code][1]


def test_a_plugin_that_cannot_be_imported_fails_the_first_rule(acme, capsys):
    """What metadata says is checked, what would need the import is skipped."""
    acme.change("plugin.py", "from seqtrain", "import not_there_at_all\nfrom seqtrain")
    exit_code, found = check(capsys)

    assert exit_code == 4
    assert found["P01"][0] == "FAIL"
    assert "it is broken: ModuleNotFoundError: No module named 'not_there_at_all'" in found["P01"][1]
    assert list(statuses(found, other_than="SKIP").values()) == ["FAIL", "PASS", "PASS", "PASS"]


def test_a_plugin_for_another_api_is_told_so(acme, capsys):
    """Its entry point is in a group of another number."""
    acme.change("entry_points.txt", ".v1", ".v7")
    _, found = check(capsys)

    assert found["P01"][0] == found["P02"][0] == "FAIL"
    assert found["P02"][1] == "it is made for plugin API 7"


def test_a_plugin_for_a_later_core_is_told_so(acme, capsys):
    """It is not imported."""
    acme.change("METADATA", "<1,>=0.1", "<99,>=98")
    _, found = check(capsys)

    assert found["P01"][0] == "FAIL"
    assert "needs seqtrain" in found["P01"][1]


def test_a_plugin_that_ends_the_process_does_not_end_the_check(acme, capsys):
    """Nor does one that raises where nobody expects it."""
    (subject,) = find_subjects(discover(), "zoo-acme")
    assert subject.plugin.usable
    acme.change("plugin.py", RECORD, f"    import os; os.environ.get('ZOO_GUARD') and os._exit(7)\n{RECORD}")
    acme.change(
        "config.py", "class RNNConfig:", "class RNNConfig:\n    def __post_init__(self): raise KeyError('no')\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqtrain_testing.check.probe.sys.executable", "/bin/false")
        exit_code, found = check(capsys)

    assert exit_code == 4
    assert "it cannot be checked because of PluginError" in found["P05"][1]
    assert "ended with code 1" in found["P05"][1]
    assert found["P12"][0] == "FAIL"


def test_looking_for_a_module_is_not_importing_it(acme, capsys):
    """A plugin may ask whether torch is installed."""
    acme.change("plugin.py", RECORD, f"    from importlib.util import find_spec; find_spec('torch')\n{RECORD}")
    _, found = check(capsys)

    assert found["P05"] == ("PASS", "")


def test_what_a_plugin_prints_does_not_get_into_the_report(acme, capsys):
    """Neither in this process nor in the one that is measured."""
    acme.change("model.py", "class RNN", "print('hello')\n\nclass RNN")
    acme.change("plugin.py", RECORD, f"    print('hello')\n{RECORD}")

    assert check(capsys)[0] == 0


def test_the_report_for_people_says_what_to_do(acme, capsys):
    """Under each rule that fails."""
    acme.change("config.py", OPTION, "256")

    assert main(["plugins", "check", "zoo-acme"]) == 4
    text = capsys.readouterr().out
    assert text.startswith("plugin 'zoo-acme' (zoo-acme 1.0)\n  PASS  P01  it can be found and imported\n")
    assert (
        "  FAIL  P10  every setting has a help text\n"
        "             model/zoo_rnn: hidden of RNNConfig has no help text.\n"
        '             To do: declare it as `= option(DEFAULT, help="...")`.\n'
    ) in text
    assert text.endswith("16 rules: 15 passed, 1 failed\n")


def test_an_unknown_name_is_a_plugin_error(acme, capsys):
    """With a suggestion, and how a plugin is found at all."""
    assert main(["plugins", "check", "zoo-acm"]) == 4
    assert "No plugin and no distribution is named 'zoo-acm'. Did you mean 'zoo-acme'?" in capsys.readouterr().err


def test_both_plugins_of_a_distribution_are_checked(acme, capsys):
    """A distribution may have several."""
    acme.change("entry_points.txt", "zoo-acme =", "zoo-other = zoo_acme.other\nzoo-acme =")
    acme.write("zoo_acme/other.py", "raise RuntimeError")

    assert main(["plugins", "check", "zoo-acme", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert [(each["id"], each["passed"]) for each in report["plugins"]] == [("zoo-acme", True), ("zoo-other", False)]
