"""Layers, and which of them wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seqtrain.config.resolve import Resolved, resolve
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.training.cadence import Every

Resolve = Callable[..., Resolved]


def names(selections: tuple) -> list[str]:
    return [each.name for each in selections]


def test_a_task_alone_gives_a_whole_configuration(resolved: Resolve) -> None:
    """The recipe chooses the rest, so that --task is enough."""
    config = resolved().config

    assert ["transformer", "nll", "adam", "fixed"] == names(
        (config.model, config.criterion, config.optimizer, config.lr_scheduler)
    )
    assert config.trainer.max_epochs == 7
    assert config.optimizer.config.lr == 5e-4


def test_a_recipe_keeps_norwegian(resolved: Resolve) -> None:
    """`source_lang: no` is a language, not a boolean."""
    assert resolved().config.task.config.source_lang == "no"


def test_the_builtin_recipe_applies_only_without_training_text(resolved: Resolve) -> None:
    """It is laid over the recipe unless the user sets task.train."""
    assert resolved().config.trainer.max_steps == 100
    assert resolved("task.train=corpus").config.trainer.max_steps is None
    assert resolved(yaml="task: {train: corpus}").config.trainer.max_steps is None
    assert resolved(yaml="trainer: {max_steps: 5}").config.trainer.max_steps == 5


@pytest.mark.parametrize(
    ("arguments", "steps", "epochs", "patience"),
    [
        ([], 100, 7, 4),
        (["trainer.max_steps=20"], 20, None, None),
        (["trainer.max_epochs=3"], None, 3, None),
        (["trainer.max_steps=20", "trainer.max_epochs=3", "trainer.patience=1"], 20, 3, 1),
        (["trainer.max_steps=null"], None, 7, 4),
        (["trainer.patience=2"], 100, 7, 2),
    ],
)
def test_where_the_user_sets_a_length_the_limits_of_recipes_give_way(
    resolved: Resolve, arguments: list[str], steps: int | None, epochs: int | None, patience: int | None
) -> None:
    """What was asked for is reached; null asks for nothing, and patience alone is no length."""
    for config in (resolved(*arguments).config.trainer, resolved(yaml=_as_yaml(arguments)).config.trainer):
        assert (steps, epochs, patience) == (config.max_steps, config.max_epochs, config.patience)
        assert config.on_bad_step == "skip"  # no limit, so the recipe's stands


def _as_yaml(arguments: list[str]) -> str:
    settings = [each.removeprefix("trainer.").replace("=", ": ") for each in arguments]
    return f"trainer: {{{', '.join(settings)}}}"


def test_the_training_text_of_another_task_does_not_count(resolved: Resolve) -> None:
    """What a file says of task bare is dropped, train included, when --task chooses copy."""
    assert resolved(yaml="task: {name: bare, train: corpus}").config.trainer.max_steps == 100


def test_a_recipes_own_fields_lie_over_the_preset_it_names(resolved: Resolve) -> None:
    """A recipe that names transformer/tiny may still change its dropout."""
    config = resolved().config.model.config

    assert (64, 4, 0.3) == (config.hidden_dim, config.heads, config.dropout)


def test_a_preset_that_the_user_names_lies_over_the_recipe(resolved: Resolve) -> None:
    """default < recipe < preset."""
    config = resolved(model="transformer/tiny").config.model.config

    assert config.dropout == 0.2


def test_a_preset_lies_under_all_that_the_user_wrote(resolved: Resolve) -> None:
    """--model transformer/big does not take back what the file says of the model."""
    config = resolved(yaml="model: {heads: 2}", model="transformer/big").config.model.config

    assert (1024, 2, 0.3) == (config.hidden_dim, config.heads, config.dropout)


def test_presets_may_be_named_anywhere_and_by_alias(resolved: Resolve) -> None:
    """In a file, in an argument, qualified, or under another name."""
    for options in (
        {"yaml": "model: {name: transformer/nano}"},
        {"model": "acme/transformer/nano"},
        {"yaml": "model: {name: lstm}", "model": "transformer/tiny"},
    ):
        assert resolved(**options).config.model.config.hidden_dim == 64
    assert resolved("model.name=transformer/tiny").config.model.name == "transformer"


def test_naming_the_same_model_again_keeps_its_preset(resolved: Resolve) -> None:
    """--model transformer is what the recipe says already."""
    assert resolved(model="transformer").config == resolved().config
    assert resolved(model="acme/transformer").config.model.config == resolved().config.model.config


def test_another_model_gets_nothing_of_the_old_one(resolved: Resolve) -> None:
    """Neither the recipe's dropout nor its preset leaks into lstm."""
    config = resolved(model="lstm").config.model.config

    assert (256, 0.3) == (config.hidden_dim, config.dropout)
    assert resolved(yaml="model: {dropout: 0.5}", model="lstm").config.model.config.dropout == 0.3


def test_going_back_to_a_model_finds_what_was_said_of_it(resolved: Resolve) -> None:
    """The recipe's transformer, with lstm in the file, and --model transformer again."""
    config = resolved(yaml="model: {name: lstm, hidden_dim: 7}", model="transformer").config.model.config

    assert (64, 0.3) == (config.hidden_dim, config.dropout)


def test_fields_beside_a_new_name_are_for_it(resolved: Resolve) -> None:
    """A layer may name a component and set its fields, and arguments go on top."""
    config = resolved("model.dropout=0.6", yaml="model: {name: lstm, hidden_dim: 9, dropout: 0.1}").config.model.config

    assert (9, 0.6) == (config.hidden_dim, config.dropout)


def test_each_layer_wins_over_those_below(resolved: Resolve) -> None:
    """default < recipe < file < key=value, the last of which wins."""
    assert resolved().config.trainer.max_epochs == 7
    assert resolved(yaml="trainer: {max_epochs: 8}").config.trainer.max_epochs == 8
    both = resolved("trainer.max_epochs=9", "trainer.max_epochs=10", yaml="trainer: {max_epochs: 8}")
    assert both.config.trainer.max_epochs == 10


def test_a_named_option_wins_over_the_file_and_loses_to_an_argument(resolved: Resolve) -> None:
    """file < --model < model.name=."""
    assert resolved(yaml="model: {name: lstm}", model="transformer").config.model.name == "transformer"
    assert resolved("model.name=lstm", model="transformer").config.model.name == "lstm"


def test_one_unit_of_a_cadence_clears_the_other(resolved: Resolve) -> None:
    """A layer that sets steps takes back the epochs below it, and the other way round."""
    assert resolved().config.trainer.validate == Every(epochs=2)
    assert resolved("trainer.validate.steps=5").config.trainer.validate == Every(steps=5)
    file = "trainer: {validate: {steps: 5}}"
    assert resolved(yaml=file).config.trainer.validate == Every(steps=5)
    assert resolved("trainer.validate={epochs: 3}", yaml=file).config.trainer.validate == Every(epochs=3)
    assert resolved("checkpoint.save.steps=5").config.checkpoint.save == Every(steps=5)


def test_a_null_unit_of_a_cadence_clears_nothing_else(resolved: Resolve) -> None:
    """`epochs: null` beside `steps: 5`, as in a dump, or above it."""
    assert resolved(yaml="trainer: {validate: {steps: 5, epochs: null}}").config.trainer.validate == Every(steps=5)
    assert resolved("logging.every.epochs=null").config.logging.every == Every(steps=50)
    assert resolved("logging.every.steps=null").config.logging.every == Every()


def test_both_units_of_a_cadence_in_one_layer_are_refused(resolved: Resolve) -> None:
    """The cadence itself says so, and the message names it."""
    with pytest.raises(ConfigError, match=r"^trainer\.validate: set steps or epochs, not both"):
        resolved(yaml="trainer: {validate: {steps: 5, epochs: 1}}")


def test_a_tokenizer_is_selected_within_the_task(resolved: Resolve) -> None:
    """Its default is a name; its fields are beside that name; another name drops them."""
    assert resolved().config.task.config.tokenizer.name == "bpe"
    sized = resolved("task.tokenizer.vocab_size=100").config.task.config.tokenizer
    assert (sized.kind, sized.config.vocab_size) == ("tokenizer", 100)
    file = "task: {tokenizer: {vocab_size: 100}}"
    other = resolved("task.tokenizer.name=char", yaml=file).config.task.config.tokenizer
    assert (other.name, other.config.lowercase) == ("char", False)
    assert resolved("task.tokenizer=null").config.task.config.tokenizer is None


def test_nested_defaults_are_those_of_the_field_that_holds_them(resolved: Resolve) -> None:
    """generation defaults to Generation(beam=4), so a beam that nobody sets is 4."""
    generation = resolved("task.generation.lenpen=0.6").config.task.config.generation

    assert (4, 0.6) == (generation.beam, generation.lenpen)


def test_configs_in_a_list_get_their_defaults(resolved: Resolve) -> None:
    """Each item is checked like any other config."""
    corpora = resolved("task.corpora=[{path: a}, {path: b, weight: 2}]").config.task.config.corpora

    assert [("a", 1.0), ("b", 2.0)] == [(each.path, each.weight) for each in corpora]


def test_trackers_default_to_tensorboard(resolved: Resolve) -> None:
    """Until somebody says otherwise."""
    assert names(resolved().config.trackers) == ["tensorboard"]
    assert resolved("trackers.tensorboard=null").config.trackers == ()
    assert resolved("trackers={}").config.trackers == ()
    assert resolved(yaml="trackers:").config.trackers == ()


def test_a_map_that_is_written_out_names_all_that_there_is(resolved: Resolve) -> None:
    """A file's callbacks replace the recipe's; one in both keeps its fields."""
    assert names(resolved(yaml="callbacks: {other: {}}").config.callbacks) == ["other"]
    kept = resolved(yaml="callbacks: {ema: {start: 3}}").config.callbacks[0].config
    assert (0.99, 3) == (kept.decay, kept.start)


def test_a_dotted_key_changes_one_component_of_a_map(resolved: Resolve) -> None:
    """Others stay; a null takes one out; it may come back, from its defaults."""
    assert names(resolved("callbacks.other.warmup=4").config.callbacks) == ["ema", "other"]
    assert names(resolved("callbacks.other={}", "callbacks.ema=null").config.callbacks) == ["other"]
    again = resolved("callbacks.ema=null", "callbacks.ema.start=2").config.callbacks
    assert (0.999, 2) == (again[0].config.decay, again[0].config.start)


def test_two_ways_to_write_a_callback_mean_one(resolved: Resolve) -> None:
    """ema and acme/ema are the same component."""
    callbacks = resolved("callbacks.acme/ema.start=2").config.callbacks

    assert [("acme/ema", 0.99, 2)] == [(each.name, each.config.decay, each.config.start) for each in callbacks]


def test_a_map_of_values_is_replaced_by_a_file_and_changed_by_a_dotted_key(resolved: Resolve) -> None:
    """A name that is absent from a written-out map is gone."""
    file = "task: {valid: {a: x, b: y}}"
    assert resolved("task.valid.b=z", yaml=file).config.task.config.valid == {"a": "x", "b": "z"}
    assert resolved("task.valid={c: z}", yaml=file).config.task.config.valid == {"c": "z"}
    assert resolved("task.valid.c=z", yaml="task: {valid: prefix}").config.task.config.valid == {"c": "z"}


def test_interpolation_takes_the_value_of_another_field(resolved: Resolve) -> None:
    """Given or default, of any type, inside a text or alone."""
    config = resolved(
        "trainer.seed=${data.seed}",
        "data.seed=17",
        "task.target_lang=${task.source_lang}-x",
        "callbacks.ema.decay=${model.dropout}",
        "task.train=${task.valid}",
        "task.valid=${oc.env:NO_SUCH_VARIABLE,no}",
    ).config

    assert (17, "no-x", "no", "no") == (
        config.trainer.seed,
        config.task.config.target_lang,
        config.task.config.train,
        config.task.config.valid,
    )
    assert config.callbacks[0].config.decay == 0.3


def test_interpolation_copies_lists_and_null(resolved: Resolve) -> None:
    """What is referred to keeps its form."""
    assert resolved(
        "task.train=[a, b]", "model.name=everything", "model.names=${task.train}"
    ).config.model.config.names == [
        "a",
        "b",
    ]
    assert resolved("task.target_lang=${trainer.clip_norm}").config.task.config.target_lang is None


def test_an_escaped_interpolation_is_a_text(resolved: Resolve) -> None:
    """`\\${` stands for `${`."""
    assert resolved(r"task.source_lang=a\${b}").config.task.config.source_lang == "a${b}"


def test_a_map_of_any_depth_is_changed_by_dotted_keys(resolved: Resolve) -> None:
    """Its default included; configs in a map get their defaults."""
    config = resolved(
        "model.name=everything", "model.settings.a.c=no", "model.settings.d=2", "model.splits.x.path=p"
    ).config.model.config

    assert config.settings == {"a": {"b": 1, "c": "no"}, "d": 2}
    assert (config.splits["x"].path, config.splits["x"].weight) == ("p", 1.0)


@pytest.mark.parametrize("text", ["${no.such}", "${", "${a", "${trainer.seed}", "${${}}"])
def test_a_bad_interpolation_is_a_config_error(resolved: Resolve, text: str) -> None:
    """Unknown, malformed, or leading back to itself."""
    with pytest.raises(ConfigError, match=r"^argument trainer.seed=.*: cannot interpolate: .*for a plain") as error:
        resolved(f"trainer.seed={text}")
    assert len(str(error.value).splitlines()) == 1


def test_an_interpolated_value_is_checked_like_any_other(resolved: Resolve) -> None:
    """A language is no seed."""
    with pytest.raises(ConfigError, match="expected int, >= 0, got 'no'"):
        resolved("trainer.seed=${task.source_lang}")


def test_origins_name_the_layer_of_every_value(resolved: Resolve, tmp_path: Path) -> None:
    """Default, recipe, preset, file with line and column, option, argument."""
    result = resolved("data.seed=3", yaml="trainer:\n  seed: 2\n", model="transformer")
    origins = result.origins

    assert origins["trainer.clip_norm"] == "default"
    assert origins["trainer.max_epochs"] == "recipe acme_parts:recipe.yaml:13:15"
    assert origins["model.heads"] == "preset transformer/tiny"
    assert origins["model.dropout"].startswith("recipe ")
    assert origins["model.name"] == "--model transformer"
    assert origins["trainer.seed"] == f"{tmp_path}/train.yaml:2:9"
    assert origins["data.seed"] == "argument data.seed=3"
    assert origins["task.tokenizer.vocab_size"] == "default"
    assert result.origin("task.valid.x.y") == "default"


def test_required_choices_are_all_reported(registry: Registry) -> None:
    """A task without a recipe leaves the rest to the user."""
    with pytest.raises(ConfigError) as error:
        resolve(registry, task="bare")

    _, *lines = str(error.value).split("\n  ")
    assert [line.split(":")[0] for line in lines] == [
        "model.name",
        "criterion.name",
        "optimizer.name",
        "lr_scheduler.name",
    ]
    assert "--lr-scheduler NAME. Installed: fixed." in lines[-1]


def test_no_task_is_one_error(registry: Registry) -> None:
    """What else is missing without a recipe is not worth saying."""
    with pytest.raises(ConfigError) as error:
        resolve(registry)

    assert str(error.value) == "task.name: is required: choose one with --task NAME. Installed: bare, copy."


def test_an_unknown_component_alone_is_a_plugin_error(resolved: Resolve) -> None:
    """Exit code 4, with the location of the name."""
    with pytest.raises(PluginError, match=r"^--task cpy: No task is named 'cpy'. Did you mean 'copy'\?"):
        resolved(task="cpy")
    with pytest.raises(PluginError, match=r"train.yaml:1:15: No model is named 'lstn'"):
        resolved(yaml="model: {name: lstn}")
    with pytest.raises(PluginError, match=r"has no preset 'huge'"):
        resolved(model="transformer/huge")
    with pytest.raises(PluginError, match=r"^argument trackers.tensorbord=null: No tracker"):
        resolved("trackers.tensorbord=null")
    with pytest.raises(PluginError, match=r"^argument task.tokenizer.name=bqe: No tokenizer"):
        resolved("task.tokenizer.name=bqe")


def test_an_unknown_component_below_a_known_one_is_no_error(resolved: Resolve) -> None:
    """Only what is selected in the end must be installed."""
    assert resolved(yaml="model: {name: gone}", model="lstm").config.model.name == "lstm"


def test_plugin_and_config_errors_are_reported_together(resolved: Resolve) -> None:
    """As a config error."""
    with pytest.raises(ConfigError) as error:
        resolved("trainer.seed=x", model="lstn")

    assert str(error.value).splitlines()[1] == "  argument trainer.seed=x: expected int, >= 0, got 'x'"
    assert "No model is named 'lstn'" in str(error.value)


def test_a_broken_recipe_or_config_module_is_a_plugin_error(tmp_path: Path) -> None:
    """The fault is the plugin's, and the message names it."""
    component = Component(kind="task", name="t", ref="a:b", recipe="acme_parts:none.yaml", config="acme_none.config:C")

    with pytest.raises(PluginError, match=r"cannot be loaded from acme_parts:none\.yaml") as error:
        resolve(Registry([Plugin(id="bad", components=(component,))]), task="t")
    assert "acme_none.config:C" in str(error.value)


def test_annotations_that_cannot_be_read_are_a_plugin_error(registry: Registry, tmp_path: Path) -> None:
    """A name imported under TYPE_CHECKING does not exist when the fields are read."""
    (tmp_path / "acme_lazy.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass(frozen=True)\nclass C:\n    path: Path = None\n"
    )
    component = Component(kind="model", name="lazy", ref="a:b", config="acme_lazy:C")
    both = Registry([*registry.plugins, Plugin(id="lazy", components=(component,))])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))

        with pytest.raises(PluginError, match="not under TYPE_CHECKING"):
            resolve(both, task="copy", model="lazy")
