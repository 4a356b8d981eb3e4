from __future__ import annotations

import pytest

from seqtrain.registry.filters import Switches

NOTHING = Switches()


def test_nothing_is_switched_off_where_nobody_asked():
    """Variables that are empty are as good as missing."""
    empty = {"SEQTRAIN_DISABLE_PLUGINS": " ", "SEQTRAIN_PLUGINS": "", "SEQTRAIN_PLUGIN_STRICT": ""}

    assert Switches.from_environment({}) == Switches.from_environment(empty) == NOTHING
    assert NOTHING.why_off("acme") == ("", "")


@pytest.mark.parametrize(
    ("switches", "note", "remedy"),
    [
        (
            NOTHING.with_options(no_plugin=["x", "acme,y"]),
            "switched off by --no-plugin acme",
            "To use it, leave out `--no-plugin acme`.",
        ),
        (NOTHING.with_options(no_plugins=True), "switched off by --no-plugins", "To use it, leave out `--no-plugins`."),
        (
            Switches.from_environment({"SEQTRAIN_DISABLE_PLUGINS": "x, acme y"}),
            "switched off by SEQTRAIN_DISABLE_PLUGINS=x,acme,y",
            "To use it, `export SEQTRAIN_DISABLE_PLUGINS=x,y`.",
        ),
        (
            Switches.from_environment({"SEQTRAIN_DISABLE_PLUGINS": "acme"}),
            "switched off by SEQTRAIN_DISABLE_PLUGINS=acme",
            "To use it, `unset SEQTRAIN_DISABLE_PLUGINS`.",
        ),
        (
            Switches.from_environment({"SEQTRAIN_PLUGINS": "x,y"}),
            "switched off by SEQTRAIN_PLUGINS=x,y, which does not name it",
            "To use it, `export SEQTRAIN_PLUGINS=x,y,acme`.",
        ),
        (
            Switches(no_plugin=("acme",), allowed=("x",)),
            "switched off by --no-plugin acme and by SEQTRAIN_PLUGINS=x, which does not name it",
            "To use it, leave out `--no-plugin acme` and `export SEQTRAIN_PLUGINS=x,acme`.",
        ),
    ],
    ids=["option", "all", "variable", "alone", "allowed", "two"],
)
def test_a_switch_says_how_to_undo_it(switches, note, remedy):
    """What is to be typed undoes this switch and no other."""
    assert switches.why_off("acme") == (note, remedy)


@pytest.mark.parametrize("switches", [Switches(no_plugins=True), Switches(allowed=("x",))], ids=["all", "allowed"])
def test_core_stays(switches):
    """Its components are part of seqtrain itself."""
    assert switches.why_off("core") == ("", "")
    assert switches.why_off("acme") != ("", "")


def test_core_can_be_switched_off_by_name():
    """Whoever names it means it."""
    assert Switches(no_plugin=("core",)).why_off("core") != ("", "")


@pytest.mark.parametrize("value", ["1", "true", "yes", "ON"])
def test_strictness_comes_from_the_environment(value):
    """As CI sets it once for all commands."""
    assert Switches.from_environment({"SEQTRAIN_PLUGIN_STRICT": value}).strict


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_strictness_can_be_denied(value):
    """A variable with a value that says no is not strict; the option still is."""
    switches = Switches.from_environment({"SEQTRAIN_PLUGIN_STRICT": value})

    assert not switches.strict
    assert switches.with_options(strict=True).strict


@pytest.mark.parametrize(
    "switches",
    [
        NOTHING,
        Switches(no_plugin=("a", "b")),
        Switches(no_plugins=True, allowed=("a",)),
        Switches(disabled=("a",), no_plugin=("b",), strict=True),
        Switches(allowed=("a", "core"), no_plugin=("a",)),
    ],
    ids=str,
)
def test_a_child_process_uses_the_same_plugins(switches):
    """By its environment, whatever that was before."""
    before = {"SEQTRAIN_DISABLE_PLUGINS": "c", "SEQTRAIN_PLUGINS": "d", "SEQTRAIN_PLUGIN_STRICT": "1", "PATH": "/bin"}
    child = Switches.from_environment({**before, **switches.to_environment()})

    for plugin_id in ("core", "a", "b", "c", "d"):
        assert bool(switches.why_off(plugin_id)[0]) == bool(child.why_off(plugin_id)[0])
    assert child.strict == switches.strict


def test_an_id_that_nobody_has_is_told():
    """It is most likely misspelled; elsewhere the plugin may be installed."""
    switches = Switches(no_plugin=("acm", "acme"), disabled=("zzz",), allowed=("optin",))

    assert switches.unknown_ids(["acme", "optim"]) == [
        "--no-plugin names 'acm', and no installed plugin has that id. Did you mean 'acme'?",
        "SEQTRAIN_DISABLE_PLUGINS names 'zzz', and no installed plugin has that id.",
        "SEQTRAIN_PLUGINS names 'optin', and no installed plugin has that id. Did you mean 'optim'?",
    ]
