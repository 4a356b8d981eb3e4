from __future__ import annotations

import pytest

from seqtrain.registry.filters import PluginFilters

NOTHING = PluginFilters()


def test_nothing_is_switched_off_where_nobody_asked():
    """Variables that are empty are as good as missing."""
    empty = {"SEQTRAIN_DISABLE_PLUGINS": " ", "SEQTRAIN_PLUGINS": "", "SEQTRAIN_PLUGIN_STRICT": ""}

    assert PluginFilters.from_environment({}) == PluginFilters.from_environment(empty) == NOTHING
    assert NOTHING.why_off("acme") == ("", "")


@pytest.mark.parametrize(
    ("plugin_filters", "note", "remedy"),
    [
        (
            NOTHING.with_options(no_plugin=["x", "acme,y"]),
            "switched off by --no-plugin acme",
            "To use it, leave out `--no-plugin acme`.",
        ),
        (NOTHING.with_options(no_plugins=True), "switched off by --no-plugins", "To use it, leave out `--no-plugins`."),
        (
            PluginFilters.from_environment({"SEQTRAIN_DISABLE_PLUGINS": "x, acme y"}),
            "switched off by SEQTRAIN_DISABLE_PLUGINS=x,acme,y",
            "To use it, `export SEQTRAIN_DISABLE_PLUGINS=x,y`.",
        ),
        (
            PluginFilters.from_environment({"SEQTRAIN_DISABLE_PLUGINS": "acme"}),
            "switched off by SEQTRAIN_DISABLE_PLUGINS=acme",
            "To use it, `unset SEQTRAIN_DISABLE_PLUGINS`.",
        ),
        (
            PluginFilters.from_environment({"SEQTRAIN_PLUGINS": "x,y"}),
            "switched off by SEQTRAIN_PLUGINS=x,y, which does not name it",
            "To use it, `export SEQTRAIN_PLUGINS=x,y,acme`.",
        ),
        (
            PluginFilters(no_plugin=("acme",), allowed=("x",)),
            "switched off by --no-plugin acme and by SEQTRAIN_PLUGINS=x, which does not name it",
            "To use it, leave out `--no-plugin acme` and `export SEQTRAIN_PLUGINS=x,acme`.",
        ),
    ],
    ids=["option", "all", "variable", "alone", "allowed", "two"],
)
def test_a_switch_says_how_to_undo_it(plugin_filters, note, remedy):
    """What is to be typed undoes this switch and no other."""
    assert plugin_filters.why_off("acme") == (note, remedy)


@pytest.mark.parametrize(
    "plugin_filters", [PluginFilters(no_plugins=True), PluginFilters(allowed=("x",))], ids=["all", "allowed"]
)
def test_core_stays(plugin_filters):
    """Its components are part of seqtrain itself."""
    assert plugin_filters.why_off("core") == ("", "")
    assert plugin_filters.why_off("acme") != ("", "")


def test_core_can_be_switched_off_by_name():
    """Whoever names it means it."""
    assert PluginFilters(no_plugin=("core",)).why_off("core") != ("", "")


@pytest.mark.parametrize("value", ["1", "true", "yes", "ON"])
def test_strictness_comes_from_the_environment(value):
    """As CI sets it once for all commands."""
    assert PluginFilters.from_environment({"SEQTRAIN_PLUGIN_STRICT": value}).strict


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_strictness_can_be_denied(value):
    """A variable with a value that says no is not strict; the option still is."""
    plugin_filters = PluginFilters.from_environment({"SEQTRAIN_PLUGIN_STRICT": value})

    assert not plugin_filters.strict
    assert plugin_filters.with_options(strict=True).strict


@pytest.mark.parametrize(
    "plugin_filters",
    [
        NOTHING,
        PluginFilters(no_plugin=("a", "b")),
        PluginFilters(no_plugins=True, allowed=("a",)),
        PluginFilters(disabled=("a",), no_plugin=("b",), strict=True),
        PluginFilters(allowed=("a", "core"), no_plugin=("a",)),
    ],
    ids=str,
)
def test_a_child_process_uses_the_same_plugins(plugin_filters):
    """By its environment, whatever that was before."""
    before = {"SEQTRAIN_DISABLE_PLUGINS": "c", "SEQTRAIN_PLUGINS": "d", "SEQTRAIN_PLUGIN_STRICT": "1", "PATH": "/bin"}
    child = PluginFilters.from_environment({**before, **plugin_filters.to_environment()})

    for plugin_id in ("core", "a", "b", "c", "d"):
        assert bool(plugin_filters.why_off(plugin_id)[0]) == bool(child.why_off(plugin_id)[0])
    assert child.strict == plugin_filters.strict


def test_an_id_that_nobody_has_is_told():
    """It is most likely misspelled; elsewhere the plugin may be installed."""
    plugin_filters = PluginFilters(no_plugin=("acm", "acme"), disabled=("zzz",), allowed=("optin",))

    assert plugin_filters.unknown_ids(["acme", "optim"]) == [
        "--no-plugin names 'acm', and no installed plugin has that id. Did you mean 'acme'?",
        "SEQTRAIN_DISABLE_PLUGINS names 'zzz', and no installed plugin has that id.",
        "SEQTRAIN_PLUGINS names 'optin', and no installed plugin has that id. Did you mean 'optim'?",
    ]
