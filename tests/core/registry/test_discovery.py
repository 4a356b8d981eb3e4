from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint

import pytest

from seqtrain.registry.discovery import discover
from seqtrain.registry.filters import PluginFilters

HEADER = "from seqtrain.plugin import Component, hookimpl\n"


def offering(record: str) -> str:
    return f"{HEADER}\n@hookimpl\ndef seqtrain_components():\n    yield {record}\n"


def test_a_good_plugin_is_ok(zoo):
    """It is listed with what it offers and where it is from."""
    zoo.install("acme", distribution="Acme.Seq", version="1.2")

    plugin = zoo.only()

    assert (plugin.id, plugin.state, plugin.note, plugin.traceback) == ("acme", "ok", "", "")
    assert (plugin.distribution, plugin.version) == ("Acme.Seq", "1.2")
    assert (plugin.location, plugin.editable) == (str(zoo.path), False)
    assert [each.name for each in plugin.components] == ["acme"]


def test_an_editable_plugin_says_where_its_project_is(zoo):
    """PEP 610's record names the project folder."""
    zoo.install("acme")
    zoo.write(
        "zoo_acme-1.0.dist-info/direct_url.json",
        '{"dir_info": {"editable": true}, "url": "file:///home/me/acme%20seq"}',
    )

    plugin = zoo.only()

    assert (plugin.location, plugin.editable) == ("/home/me/acme seq", True)


@pytest.mark.parametrize(
    ("record", "location"),
    [('{"dir_info": {"editable": false}, "url": "file:///home/me"}', True), ('{"editable"', False)],
    ids=["copied", "damaged"],
)
def test_other_records_of_the_origin_do_not_matter(zoo, record, location):
    """One installed from a folder lies in site-packages; a damaged record only leaves its place unknown."""
    zoo.install("acme")
    zoo.write("zoo_acme-1.0.dist-info/direct_url.json", record)

    plugin = zoo.only()

    assert (plugin.state, plugin.distribution, plugin.editable) == ("ok", "zoo-acme", False)
    assert plugin.location == (str(zoo.path) if location else None)


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        ("def oops(:", "SyntaxError"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        (offering("1 / 0"), "ZeroDivisionError"),
    ],
)
def test_a_failing_plugin_is_broken(zoo, code, note):
    """Whatever it raises is kept with its traceback, in a note of one line."""
    zoo.install("bad", code)

    plugin = zoo.only()

    assert plugin.state == "broken"
    assert note in plugin.note
    assert plugin.traceback.startswith("Traceback")
    assert plugin.components == ()
    assert not plugin.usable


def test_ctrl_c_is_not_taken_for_a_broken_plugin(zoo):
    """A KeyboardInterrupt while a plugin is imported ends the program."""
    zoo.install("slow", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        zoo.discover()


def test_another_api_major_is_incompatible_and_not_imported(zoo):
    """The group's name says so before anything is imported."""
    module = zoo.install("old", group="seqtrain.plugins.v0")

    plugin = zoo.only()

    assert plugin.state == "incompatible"
    assert plugin.note == "made for plugin API 0; this seqtrain speaks 1"
    assert module not in sys.modules


def test_a_plugin_for_two_majors_is_listed_once(zoo):
    """A distribution may serve the cores before and after a change of the API."""
    zoo.install("acme")
    zoo.install("acme", group="seqtrain.plugins.v2")

    assert zoo.only().state == "ok"


@pytest.mark.parametrize("requirement", ["seqtrain>=99", "seqtrain (<0.0.1)", "Seqtrain>=99; python_version>'3'"])
def test_a_requirement_that_excludes_this_core_is_incompatible(zoo, requirement):
    """pip can be made to install such a pair; the plugin is then not imported."""
    module = zoo.install("new", requires=("torch", requirement))

    plugin = zoo.only()

    assert plugin.state == "incompatible"
    assert plugin.note.startswith("needs seqtrain")
    assert module not in sys.modules


@pytest.mark.parametrize(
    "requirement",
    [
        "seqtrain",
        "seqtrain>=0.0.1,<99",
        "seqtrain-text>=99",
        "seqtrain>=99; extra == 'next'",
        "seqtrain ~ nonsense",
        "seqtrain>=99; x == y",
        "seqtrain[x]>=0.0.1",
    ],
)
def test_other_requirements_do_not_matter(zoo, requirement):
    """Only those on core that apply here and can be read decide."""
    zoo.install("acme", requires=(requirement,))

    assert zoo.only().state == "ok"


@pytest.mark.parametrize(
    "options",
    [{"environ": {"SEQTRAIN_DISABLE_PLUGINS": "x, acme"}}, {"plugin_filters": PluginFilters(no_plugins=True)}],
    ids=["variable", "argument"],
)
def test_a_disabled_plugin_is_not_imported(zoo, options):
    """Switching off comes before importing, or it would not help."""
    module = zoo.install("acme")

    assert zoo.only(**options).state == "disabled"
    assert module not in sys.modules


def test_the_second_plugin_of_an_id_is_in_conflict(zoo):
    """The first by the distribution's name has the id; the other is not imported."""
    second = zoo.install("acme", distribution="zoo-b")
    zoo.install("acme", distribution="zoo-a")

    first, other = zoo.discover().plugins

    assert (first.distribution, first.state) == ("zoo-a", "ok")
    assert (other.distribution, other.state) == ("zoo-b", "conflict")
    assert other.note == "its id is taken by plugin 'acme' (zoo-a 1.0)"
    assert other.remedy == "Uninstall one of them: `pip uninstall zoo-a` or `pip uninstall zoo-b`."
    assert second not in sys.modules


def test_nobody_takes_the_id_of_core(zoo):
    """Core comes first, whatever the other distribution is called."""
    zoo.install("core", distribution="aaa")

    states = {plugin.distribution: plugin.state for plugin in discover(environ={}).plugins if plugin.id == "core"}

    assert states == {"seqtrain": "ok", "aaa": "conflict"}


def test_nobody_takes_the_id_of_our_own_packages(zoo):
    """Whatever its distribution is called, a stranger with that id is the one in conflict."""
    zoo.install("optim", distribution="aaa")
    zoo.install("optim", distribution="seqtrain-optim")

    assert [(each.distribution, each.state) for each in zoo.discover().plugins] == [
        ("seqtrain-optim", "ok"),
        ("aaa", "conflict"),
    ]


def test_order_does_not_depend_on_the_order_of_installation(zoo):
    """It is that of distribution and id, so it is equal on all machines."""
    for name in ("b", "c", "a"):
        zoo.install(name)
    entry_points = zoo.entry_points()

    forwards = [each.id for each in zoo.discover(entry_points=entry_points).plugins]
    backwards = [each.id for each in zoo.discover(entry_points=entry_points[::-1]).plugins]

    assert forwards == backwards == ["a", "b", "c"]


def test_a_heavy_import_makes_a_plugin_slow(zoo):
    """It works, and the offending module is named."""
    zoo.write("jax.py", "")
    zoo.install("heavy", "import jax\n" + offering("Component(kind='model', name='m', ref='a:B')"))

    plugin = zoo.only()

    assert plugin.state == "slow"
    assert plugin.note.startswith("imports jax while being listed (")
    assert plugin.usable
    assert len(plugin.components) == 1


def test_what_a_plugin_prints_goes_to_stderr(zoo, capsys):
    """Stdout is for results, which a program may read."""
    zoo.install("loud", "print('hello')\n" + offering("Component(kind='model', name='m', ref='a:B')"))

    zoo.discover()

    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("def seqtrain_componets(): return []", "there is no such hook. Did you mean 'seqtrain_components'?"),
        ("def seqtrain_run_start(trainer): pass", "called on the instances of a run, never on a plugin's module"),
        (
            "def seqtrain_components(registry): return []",
            "implements seqtrain_components with the argument 'registry', which that hook does not have",
        ),
        ("def seqtrain_components(): pass", "gave None, not components; perhaps a `yield` is missing"),
    ],
    ids=["unknown", "misplaced", "argument", "nothing"],
)
def test_a_hook_that_would_not_be_called_breaks_a_plugin(zoo, code, note):
    """A misspelled, misplaced or wrongly declared hook is an error, not silence."""
    zoo.install("bad", f"{HEADER}\n@hookimpl\n{code}")

    plugin = zoo.only()

    assert plugin.state == "broken"
    assert note in plugin.note


def test_an_optional_unknown_hook_is_left_alone(zoo):
    """`optionalhook` is how an author supports two versions of core."""
    code = offering("Component(kind='model', name='m', ref='a:B')")
    zoo.install("acme", code + "\n@hookimpl(optionalhook=True)\ndef seqtrain_later(): pass\n")

    assert zoo.only().state == "ok"


def test_a_plugin_without_the_hook_is_broken(zoo):
    """Most likely the marker was forgotten."""
    zoo.install("bare", "def seqtrain_components(): return []")

    assert "marked with @hookimpl" in zoo.only().note


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ("'transformer'", "which is not a Component"),
        ("Component(kind='modle', name='m', ref='a:B')", "there is no kind 'modle'; kinds are task, model"),
        ("Component(kind='model', name='M', ref='a:B')", "a name is lower-case letters"),
        ("Component(kind='model', name='a/b', ref='a:B')", "a name is lower-case letters"),
        ("Component(kind='model', name='m', ref='a.B')", "ref is 'a.B', not of the form 'package.module:Name'"),
        ("Component(kind='model', name='m', ref='a:B', config='c')", "config is 'c'"),
        ("Component(kind='model', name='m', ref='a:B', presets='/etc/x.yaml')", "presets is '/etc/x.yaml'"),
        ("Component(kind='task', name='m', ref='a:B', recipe='a:/x.yaml')", "recipe is 'a:/x.yaml'"),
        ("from_ := Component(kind='model', name='m', ref='a:B')\n    yield from_", "model/m is offered twice"),
        ("Component(kind=['model'], name='m', ref='a:B')", "there is no kind ['model']"),
        ("Component(kind='model', name=None, ref='a:B')", "name is None, not a text"),
        ("Component(kind='model', name='m', ref=3)", "ref is 3, not a text"),
        ("Component(kind='model', name='m', ref='a:B', config=dict)", "config is <class 'dict'>, not of the form"),
        ("Component(kind='model', name='m', ref='a:B', summary=None)", "summary is None, not a text"),
        ("Component(kind='model', name='m', ref='a:B', for_tasks='lm')", "for_tasks is 'lm', not a tuple of names"),
    ],
)
def test_a_plugin_of_nothing_but_bad_records_is_broken(zoo, record, note):
    """What could not be used later is refused at once."""
    zoo.install("bad", offering(f"({record})" if "\n" not in record else "(" + record.replace("\n", ")\n", 1)))

    plugin = zoo.only()

    assert plugin.state == "broken"
    assert note in plugin.note
    assert plugin.components == ()
    assert "pip uninstall zoo-bad" in plugin.remedy


def test_a_bad_record_marks_its_component_and_no_other(zoo):
    """The plugin is as well as it can be; of two with one name neither can be used."""
    good, again, bad = (
        f"Component(kind='model', name={name!r}, ref={ref!r})"
        for name, ref in (("good", "a:B"), ("again", "a:B"), ("bad", "a.B"))
    )
    zoo.install("acme", offering(f"{good}\n    yield {again}\n    yield {bad}\n    yield {again}\n    yield 3"))

    plugin = zoo.only()

    assert (plugin.state, plugin.note) == ("ok", "")
    assert [each.name for each in plugin.components] == ["good"]
    assert [(each.kind, each.name) for each in plugin.bad_records] == [("model", "bad"), ("", ""), ("model", "again")]
    assert [remark.partition(". Only its author")[0] for remark in plugin.remarks] == [
        "model/bad: ref is 'a.B', not of the form 'package.module:Name'",
        "seqtrain_components gave 3, which is not a Component",
        "model/again is offered twice",
    ]


def test_what_a_plugin_does_to_the_process_is_undone_and_told(zoo, monkeypatch):
    """It can be used, and so can all others."""
    monkeypatch.setenv("ZOO", "as it was")
    zoo.install(
        "acme", "import os\nos.environ['ZOO'] = 'worse'\n" + offering("Component(kind='model', name='m', ref='a:B')")
    )

    plugin = zoo.only()

    assert os.environ["ZOO"] == "as it was"
    assert (plugin.state, plugin.note) == ("ok", "changes os.environ (ZOO)")
    assert "seqtrain --no-plugin acme" in plugin.remedy


@pytest.mark.parametrize("plugin_id", ["a/b", "a b", ".a"])
def test_an_id_that_cannot_be_written_elsewhere_breaks_a_plugin(zoo, plugin_id):
    """It stands before a slash in qualified names, and in lists of plugins to switch off."""
    module = zoo.install(plugin_id, distribution="zoo-odd")

    assert zoo.only().state == "broken"
    assert zoo.only().note.startswith(f"its id {plugin_id!r} is not made of letters")
    assert module not in sys.modules


@pytest.mark.parametrize("value", ["acme/plugin.py", "acme.plugin.", ""])
def test_an_entry_point_that_names_no_module_breaks_a_plugin(value):
    """The message shows what its author has written."""
    (plugin,) = discover(environ={}, entry_points=[EntryPoint("acme", value, "seqtrain.plugins.v1")]).plugins

    assert plugin.state == "broken"
    assert plugin.note == f"its entry point is {value!r}, not of the form 'package.module'"


def test_an_entry_point_may_name_an_object(zoo):
    """The hook is then looked for on that."""
    zoo.write(
        "zoo_object.py",
        offering("Component(kind='model', name='m', ref='a:B')") + "import sys\nplugin = sys.modules[__name__]\n",
    )

    (plugin,) = discover(
        environ={}, entry_points=[EntryPoint("acme", "zoo_object:plugin", "seqtrain.plugins.v1")]
    ).plugins

    assert plugin.state == "ok"


def test_an_error_that_cannot_be_shown_is_shown_as_such(zoo):
    """Not even its message takes the command line down."""
    zoo.install("bad", "class E(Exception):\n    def __str__(self): return 1 / 0\nraise E")

    assert "E: <" in zoo.only().note  # the rest depends on the version of Python


def test_a_long_note_is_cut(zoo):
    """A list of plugins is to be read; the traceback has all of it."""
    zoo.install("bad", "raise RuntimeError('x' * 1000)")

    assert len(zoo.only().note) < 310
    assert "x" * 1000 in zoo.only().traceback


@pytest.mark.parametrize("field", ["METADATA", "entry_points.txt"])
def test_metadata_that_is_not_utf8_hides_no_plugin(zoo, field):
    """Without its metadata a plugin works; without its entry points it cannot, which is told."""
    zoo.install("acme")
    info = zoo.path / "zoo_acme-1.0.dist-info"
    (info / field).write_bytes((info / field).read_bytes() + b"# \xe4\n")

    (plugin,) = [each for each in discover(environ={}).plugins if each.location == str(zoo.path) or each.id == "acme"]

    if field == "METADATA":
        assert (plugin.id, plugin.state, plugin.distribution) == ("acme", "ok", None)
    else:
        assert (plugin.id, plugin.state, plugin.distribution) == ("zoo-acme", "broken", "zoo-acme")
        assert plugin.note.startswith("its entry_points.txt cannot be read: 'utf-8' codec can't decode byte 0xe4")
        assert plugin.remedy == "Reinstall it: `pip install --force-reinstall zoo-acme`."


def test_entry_points_of_others_that_are_not_utf8_are_none_of_our_business(zoo):
    """A distribution without a word of seqtrain in it is not listed."""
    zoo.write("other-1.0.dist-info/METADATA", "Name: other\nVersion: 1.0\n")
    (zoo.path / "other-1.0.dist-info" / "entry_points.txt").write_bytes(b"[console_scripts]\n\xe4 = x\n")

    assert "other" not in [plugin.id for plugin in discover(environ={}).plugins]


def test_a_plugin_without_metadata_is_listed(zoo):
    """A damaged installation whose code loads can be used; only its version is not known."""
    zoo.install("acme")
    (zoo.path / "zoo_acme-1.0.dist-info" / "METADATA").unlink()

    plugin = zoo.only()

    assert (plugin.state, plugin.distribution) == ("ok", None)
    assert str(plugin) == "plugin 'acme' (unknown distribution)"


def test_a_damaged_distribution_stops_nothing(zoo):
    """An unreadable entry_points.txt on sys.path, of whomever, is passed over."""
    zoo.install("acme")
    zoo.write("rotten-1.0.dist-info/entry_points.txt", "seqtrain.plugins.v1 [[[\nnothing to see\n")
    zoo.write("worse-1.0.dist-info/METADATA", "Name: worse\nVersion: 1.0\n")
    (zoo.path / "worse-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe seqtrain.plugins.v1")

    assert "acme" in [plugin.id for plugin in discover(environ={}).plugins]


def test_a_shadowed_distribution_is_passed_over(zoo, tmp_path, monkeypatch):
    """Of two installations of a distribution, the first on sys.path is the one that Python imports."""
    zoo.install("acme", version="1.0")
    other = tmp_path / "other"
    other.mkdir()
    type(zoo)(other).install("acme", version="2.0")
    monkeypatch.syspath_prepend(str(other))

    assert [plugin.version for plugin in discover(environ={}).plugins if plugin.id == "acme"] == ["2.0"]


def test_entry_points_need_no_distribution():
    """A test may hand in entry points of its own making."""
    entry_point = EntryPoint("core", "seqtrain.builtin.plugin", "seqtrain.plugins.v1")

    (plugin,) = discover(environ={}, entry_points=[entry_point]).plugins

    assert (plugin.state, plugin.distribution, plugin.location) == ("ok", None, None)
