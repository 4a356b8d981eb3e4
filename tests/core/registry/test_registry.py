from __future__ import annotations

import dataclasses
from itertools import permutations

import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component
from seqtrain.registry.discovery import discover
from seqtrain.registry.first_party import FIRST_PARTY
from seqtrain.registry.installed import BadRecord, Plugin
from seqtrain.registry.registry import NoConfig, RegisteredComponent, Registry


def plugin(plugin_id: str, *names: str, kind: str = "model", **fields: object) -> Plugin:
    components = tuple(Component(kind=kind, name=name, ref=f"zoo_code:{name}") for name in names)
    return Plugin(id=plugin_id, distribution=f"zoo-{plugin_id}", version="1.0", components=components, **fields)


def message(registry: Registry, kind: str, name: str) -> str:
    with pytest.raises(PluginError) as caught:
        registry.get(kind, name)
    return str(caught.value)


TWO = Registry([plugin("acme", "rnn", "cnn"), plugin("other", "rnn", "gru"), plugin("opt", "rnn", kind="optimizer")])


def test_a_component_has_two_names():
    """The short name where only one plugin offers it, and the qualified one always."""
    assert TWO.get("model", "cnn") == TWO.get("model", "acme/cnn")
    assert TWO.get("model", "acme/rnn").qualified_name == "acme/rnn"
    assert TWO.get("optimizer", "rnn").plugin.id == "opt"


def test_an_ambiguous_name_is_refused_with_both_qualified_ones():
    """Neither the order of installation nor anything else decides."""
    assert message(TWO, "model", "rnn") == "2 plugins offer a model 'rnn': write 'acme/rnn' or 'other/rnn'."


def test_what_a_recipe_means_by_a_name_is_ours_where_others_took_it():
    """Runs of those who named nothing go on; a name that one plugin offers, and one that is not ours, stay as they are."""
    ours = [plugin("transformer", "transformer"), plugin("core", "tensorboard", kind="tracker")]
    taken = [plugin("acme", "transformer", "rnn"), plugin("acme2", "tensorboard", kind="tracker"), plugin("b", "rnn")]
    registry = Registry([*ours, *taken])

    assert registry.settled("model", "transformer/tiny") == "transformer/transformer/tiny"
    assert registry.settled("tracker", "tensorboard") == "core/tensorboard"
    assert registry.settled("model", "rnn") == "rnn"
    assert Registry(ours).settled("model", "transformer/tiny") == "transformer/tiny"
    assert (
        Registry([ours[0], plugin("acme", "transformer", kind="task")]).settled("task", "transformer") == "transformer"
    )


def test_ambiguous_names_are_told():
    """All of them, or those of a kind."""
    rnn = "2 plugins offer a model 'rnn': write 'acme/rnn' or 'other/rnn'."

    assert TWO.ambiguous() == TWO.ambiguous("model") == [rnn]
    assert TWO.ambiguous("optimizer") == []
    assert [each.qualified_name for each in TWO.components() if TWO.is_ambiguous(each)] == ["acme/rnn", "other/rnn"]


def test_selections_are_put_in_the_order_of_their_components():
    """Whatever the order in a configuration, and by whichever of their names."""
    names = ["gru", "acme/cnn", "other/rnn", "acme/rnn"]
    selections = [Selection("model", name, None) for name in names]

    for order in permutations(selections):
        assert [each.name for each in TWO.in_order(order)] == ["acme/rnn", "acme/cnn", "other/rnn", "gru"]


def test_a_component_whose_record_is_bad_is_refused_with_what_is_wrong():
    """By either name, while the plugin's other components are handed out."""
    bad = BadRecord(kind="model", name="lstm", note="model/lstm: ref is wrong")
    registry = Registry([plugin("acme", "rnn", bad_records=(bad,)), plugin("other", "gru")])

    for name in ("lstm", "acme/lstm"):
        assert message(registry, "model", name) == (
            f"model {name!r} of plugin 'acme' (zoo-acme 1.0) cannot be used: model/lstm: ref is wrong. "
            "Only its author can fix that: try `pip install --upgrade zoo-acme`, or remove it: `pip uninstall zoo-acme`."
        )
        assert registry.knows("model", name)
    assert registry.get("model", "rnn").plugin.id == "acme"
    assert not registry.knows("optimizer", "lstm")
    assert not registry.knows("model", "other/lstm")
    assert "No optimizer is named 'lstm'" in message(registry, "optimizer", "lstm")


def test_a_good_component_is_found_where_another_plugins_record_of_that_name_is_bad():
    """What nobody can use offers nothing."""
    bad = BadRecord(kind="model", name="gru", note="x")
    registry = Registry([plugin("acme", "rnn", bad_records=(bad,)), plugin("other", "gru")])

    assert registry.get("model", "gru").plugin.id == "other"


def test_components_are_listed_by_kind():
    """All of them, or those of one kind, in the order of their plugins."""
    assert [each.qualified_name for each in TWO.components()] == [
        "acme/rnn", "acme/cnn", "other/rnn", "other/gru", "opt/rnn",
    ]  # fmt: skip
    assert [each.qualified_name for each in TWO.components("optimizer")] == ["opt/rnn"]
    assert TWO.components("task") == ()


def test_an_unknown_name_gets_a_suggestion_and_what_is_there():
    """The message ends with the command that shows more."""
    assert message(TWO, "model", "cn") == (
        "No model is named 'cn'. Did you mean 'cnn'? Installed: cnn, gru, rnn. See `seqtrain plugins list --components`."
    )
    assert "Did you mean 'acme/rnn'?" in message(TWO, "model", "acm/rnn")
    assert "Installed: none." in message(TWO, "task", "painting")


def test_a_missing_component_of_ours_says_what_to_install():
    """Also by its qualified name, but not as somebody else's."""
    assert message(TWO, "model", "transformer") == (
        "model 'transformer' is not installed. It comes with `pip install seqtrain-transformer`."
    )
    assert "pip install seqtrain-optim" in message(TWO, "optimizer", "optim/adam")
    assert "pip install" not in message(TWO, "optimizer", "acme/adam")
    assert "pip install" not in message(TWO, "model", "adam")


@pytest.mark.parametrize("name", ["rnn", "rnn/rnn", "rnn/other"])
def test_a_component_of_an_unusable_plugin_brings_that_plugins_error(name):
    """Where the plugin's id says that the component is its own."""
    registry = Registry([plugin("rnn", state="broken", note="ImportError: no luck", remedy="Do this.")])

    assert message(registry, "model", name) == (
        f"model {name!r} is not available: plugin 'rnn' (zoo-rnn 1.0) is broken: ImportError: no luck. Do this."
    )


def test_a_component_of_ours_in_an_unusable_plugin_brings_that_plugins_error():
    """Our own table says which plugin it would be."""
    registry = Registry([plugin("optim", state="disabled", note="listed", remedy="Unlist it.")])

    assert message(registry, "optimizer", "adam") == (
        "optimizer 'adam' is not available: plugin 'optim' (zoo-optim 1.0) is disabled: listed. Unlist it."
    )


def test_other_unusable_plugins_are_mentioned():
    """What could not be asked might have offered it."""
    registry = Registry([plugin("bad", state="broken", note="x"), plugin("off", state="disabled", note="y")])

    assert "Plugins that could not be asked: bad (broken: x), off (disabled)." in message(registry, "model", "rnn")


def test_our_installed_plugin_without_the_component_is_no_reason_to_install_it():
    """An older version of it may lack the component; then the usual message is the honest one."""
    assert message(Registry([plugin("optim", "rnn")]), "optimizer", "adam").startswith("No optimizer is named 'adam'.")


@pytest.mark.parametrize(
    ("text", "qualified", "preset"),
    [
        ("cnn", "acme/cnn", None),
        ("acme/rnn", "acme/rnn", None),
        ("cnn/tiny", "acme/cnn", "tiny"),
        ("other/rnn/tiny", "other/rnn", "tiny"),
        ("gru/", "other/gru", ""),
    ],
)
def test_split_tells_presets_from_qualified_names(text, qualified, preset):
    """NAME, PLUGIN/NAME, NAME/PRESET and PLUGIN/NAME/PRESET."""
    registered, found = TWO.split("model", text)

    assert (registered.qualified_name, found) == (qualified, preset)


def test_split_prefers_a_component_that_exists_to_a_preset():
    """Where a plugin and a component share a name, as the transformer does."""
    registry = Registry([plugin("rnn", "rnn", "big")])

    assert registry.split("model", "rnn/big")[1] is None
    assert registry.split("model", "rnn/tiny")[1] == "tiny"
    assert registry.split("model", "rnn/rnn/big")[1] == "big"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rnn/tiny", "2 plugins offer a model 'rnn'"),
        ("acme/gru", "No model is named 'acme/gru'. Did you mean"),
        ("gr/tiny", "No model is named 'gr'. Did you mean 'gru'?"),
        ("acme/gru/tiny", "No model is named 'acme/gru'."),
        ("a/b/c/d", "No model is named 'a/b/c'."),
        ("transformer/tiny", "pip install seqtrain-transformer"),
        ("", "No model is named ''."),
    ],
)
def test_split_refuses_what_means_nothing(text, said):
    """The message is about the part that is wrong."""
    with pytest.raises(PluginError) as caught:
        TWO.split("model", text)

    assert said in str(caught.value)


def test_our_own_table_is_right():
    """Every component it names is offered by the plugin it names, where that is installed and loads."""
    registry = discover(environ={})
    usable = {each.id for each in registry.plugins if each.usable}
    offered = {(each.plugin.id, each.component.kind, each.component.name) for each in registry.components()}

    table = {
        (plugin_id, kind, name)
        for plugin_id, kinds in FIRST_PARTY.items()
        for kind, names in kinds.items()
        for name in names
        if plugin_id in usable
    }
    ours = {each for each in offered if each[0] in FIRST_PARTY}

    assert ours == table


CODE = """
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Config:
        width: int = 3

    class Model:
        @classmethod
        def make(cls, config):
            return cls()
"""
PRESETS = """
    tiny: {summary: Small, aliases: [small, wee], config: {width: 1, source_lang: "no"}}
    big: {config: {width: 9}}
"""


def registered(**fields: object) -> RegisteredComponent:
    component = Component(**{"kind": "model", "name": "rnn", "ref": "zoo_code:Model", **fields})
    return RegisteredComponent(component, plugin("acme"))


def test_references_are_imported_when_asked_for(zoo):
    """A class, a function or an attribute of a class, and the config dataclass."""
    zoo.write("zoo_code.py", CODE)

    assert registered().load().__name__ == "Model"
    assert registered(ref="zoo_code:Model.make").load()({}).__class__.__name__ == "Model"
    assert registered(config="zoo_code:Config").load_config()().width == 3


def test_a_component_without_settings_has_an_empty_config():
    """It is a dataclass like the others, so nobody has to ask."""
    assert registered().load_config() is NoConfig
    assert dataclasses.fields(NoConfig) == ()


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("zoo_code:Nothing", "AttributeError"),
        ("zoo_missing:Model", "ModuleNotFoundError: No module named 'zoo_missing'"),
        ("zoo_exits:Model", "SystemExit: bye"),
    ],
)
def test_a_component_that_cannot_be_imported_names_its_plugin(zoo, ref, said):
    """With the distribution, its version and what to do."""
    zoo.write("zoo_code.py", CODE)
    zoo.write("zoo_exits.py", "raise SystemExit('bye')")

    with pytest.raises(
        PluginError, match=r"model 'rnn' of plugin 'acme' \(zoo-acme 1.0\) cannot be loaded from"
    ) as caught:
        registered(ref=ref).load()

    assert said in str(caught.value)
    assert "pip install --force-reinstall zoo-acme" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_editable_plugin_is_reinstalled_from_its_folder(zoo):
    """Its name alone would bring another copy from an index."""
    acme = dataclasses.replace(plugin("acme"), editable=True, location="/home/me/acme")

    with pytest.raises(PluginError, match="pip install --force-reinstall --editable /home/me/acme"):
        RegisteredComponent(Component(kind="model", name="rnn", ref="zoo_missing:Model"), acme).load()


def test_a_missing_dependency_is_what_is_to_be_installed(zoo):
    """Not the plugin, which is there."""
    zoo.write("zoo_code.py", "import zoo_extra.deep")

    with pytest.raises(PluginError, match="Install what brings the module 'zoo_extra', which it needs"):
        registered(ref="zoo_code:Model").load()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def Model(config): raise KeyError('width')", "KeyError: 'width'"),
        ("def Model(): pass", "TypeError: Model() takes 0 positional arguments but 1 was given"),
        ("def Model(config): raise SystemExit(3)", "SystemExit: 3"),
        ("Model = 3", "TypeError: 'int' object is not callable"),
    ],
)
def test_a_component_that_cannot_be_built_names_its_plugin(zoo, code, said):
    """Whatever is wrong with its code."""
    zoo.write("zoo_code.py", code)

    with pytest.raises(PluginError) as caught:
        registered().build({})

    assert str(caught.value).startswith(f"model 'rnn' of plugin 'acme' (zoo-acme 1.0) cannot be built: {said}. ")
    assert caught.value.__cause__ is not None


def test_what_is_built_gets_its_config_and_what_its_kind_is_supplied_with(zoo):
    """The config by place, the rest by name."""
    zoo.write("zoo_code.py", "def Model(config, *, spec): return [config, spec]")

    assert registered().build("config", spec="spec") == ["config", "spec"]


def test_an_error_of_ours_passes_when_a_component_is_built(zoo):
    """It was raised on purpose and says what is wrong."""
    zoo.write(
        "zoo_code.py", "from seqtrain.plugin import ConfigError\ndef Model(config): raise ConfigError('width is odd')"
    )

    with pytest.raises(ConfigError, match=r"^width is odd$"):
        registered().build({})


def test_every_component_says_where_it_comes_from():
    """For a program to read."""
    acme = dataclasses.replace(plugin("acme", "rnn"), location="/site", entry_point="acme.plugin")

    assert Registry([acme]).get("model", "rnn").provenance == {
        "qualified_name": "acme/rnn", "plugin": "acme", "distribution": "zoo-acme", "version": "1.0",
        "location": "/site", "editable": False, "entry_point": "acme.plugin",
    }  # fmt: skip


def test_a_config_must_be_a_dataclass(zoo):
    """Help and checking read its fields."""
    zoo.write("zoo_code.py", CODE)

    with pytest.raises(PluginError, match=r"its config zoo_code:Model is not a dataclass"):
        registered(config="zoo_code:Model").load_config()


def test_presets_are_read_from_the_package(zoo):
    """By name, or by any alias."""
    zoo.write("zoo_data/__init__.py", "")
    zoo.write("zoo_data/more/presets.yaml", PRESETS)
    model = registered(presets="zoo_data:more/presets.yaml")

    assert list(model.load_presets()) == ["tiny", "big"]
    assert model.preset("wee") == model.preset("tiny")
    assert model.preset("tiny").summary == "Small"
    assert model.preset("tiny").config == {"width": 1, "source_lang": "no"}
    assert model.preset("big").aliases == ()


def test_an_unknown_preset_gets_a_suggestion(zoo):
    """With what there is, and where to read more."""
    zoo.write("zoo_data/__init__.py", "")
    zoo.write("zoo_data/presets.yaml", PRESETS)

    with pytest.raises(PluginError) as caught:
        registered(presets="zoo_data:presets.yaml").preset("tinny")

    assert str(caught.value) == (
        "model 'rnn' has no preset 'tinny'. Did you mean 'tiny'? Presets: tiny, big. "
        "See `seqtrain plugins show model/rnn`."
    )
    with pytest.raises(PluginError, match=r"Presets: none"):
        registered().preset("tiny")


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "tiny: 3\n", "tiny: {summary: x}\n", "tiny: {config: {}, extra: 1}\n", "a: ["]
)
def test_presets_of_another_form_are_refused(zoo, text):
    """The message says which file, and the form it should have."""
    zoo.write("zoo_data/__init__.py", "")
    zoo.write("zoo_data/presets.yaml", text)

    with pytest.raises(PluginError, match=r"its presets zoo_data:presets.yaml are not of the form"):
        registered(presets="zoo_data:presets.yaml").load_presets()


def test_empty_presets_are_none_at_all(zoo):
    """An empty file is a plugin at its beginning."""
    zoo.write("zoo_data/__init__.py", "")
    zoo.write("zoo_data/presets.yaml", "")

    assert registered(presets="zoo_data:presets.yaml").load_presets() == {}


@pytest.mark.parametrize("reference", ["zoo_missing:recipe.yaml", "zoo_data:missing.yaml"])
def test_a_missing_resource_names_its_plugin(zoo, reference):
    """It was left out of the wheel, most likely."""
    zoo.write("zoo_data/__init__.py", "")

    with pytest.raises(PluginError, match=rf"cannot be loaded from {reference}"):
        registered().read_resource(reference)
