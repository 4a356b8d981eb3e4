"""A dumped configuration is the whole of it, and reads back to an equal one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seqtrain.config.dump import to_annotated_yaml, to_yaml
from seqtrain.config.option import Selection
from seqtrain.config.plain import to_tree
from seqtrain.config.resolve import Resolved, resolve
from seqtrain.config.schema import LoggingConfig, RunConfig
from seqtrain.registry.registry import Registry
from seqtrain.training.cadence import Every

Resolve = Callable[..., Resolved]

CASES = {
    "recipe": [],
    "with text": ["task.train=[a, b]", "task.valid={no: x, '007': y}"],
    "other model": ["model.name=lstm", "callbacks.ema=null", "trackers={}"],
    "qualified": ["model.name=acme/transformer/big", "callbacks.acme/ema.start=2", "task.tokenizer.name=acme/char"],
    "null": ["task.tokenizer=null", "checkpoint.save.epochs=null", "data.max_tokens=null", "trainer.max_epochs=null"],
    "cadence": ["trainer.validate.steps=5", "logging.every.epochs=1"],
    "lists of configs": ["task.corpora=[{path: no}, {path: '5', weight: 1e-7}]"],
    "everything": [
        "model.name=everything",
        "model.generation.beam=2",
        "model.weights={a: 1e-10, b: -1e300}",
        "model.names=[no, 'null', '', '5', a b]",
        "model.number_or_word='5'",
        "model.anything=[1, '1', no, null, 'null', {x: 'true'}]",
        "model.maybe_word='null'",
    ],
}


def reloaded(registry: Registry, config: RunConfig, folder: Path) -> RunConfig:
    path = folder / "config.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    return resolve(registry, config_file=path).config


@pytest.mark.parametrize("case", CASES)
def test_dump_then_load_gives_an_equal_configuration(
    registry: Registry, resolved: Resolve, tmp_path: Path, case: str
) -> None:
    """Whatever a recipe or a preset would say otherwise, and the text is the same again."""
    config = resolved(*CASES[case]).config
    again = reloaded(registry, config, tmp_path)

    assert again == config
    assert to_yaml(again) == to_yaml(config)


def test_a_recipe_does_not_show_through_a_dump(registry: Registry, resolved: Resolve, tmp_path: Path) -> None:
    """Neither its callbacks, nor its recipe for the built-in corpus, nor a cadence's other unit."""
    config = resolved("callbacks={}", "trackers={}", "trainer.max_steps=null", "trainer.validate.epochs=null").config
    again = reloaded(registry, config, tmp_path)

    assert ((), (), None, Every()) == (again.callbacks, again.trackers, again.trainer.max_steps, again.trainer.validate)


# Neither halves of characters nor NUL, which the configuration refuses.
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
texts = any_text | st.text("${}\\ab.:'\"#-[]~ \n\t", max_size=12)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing case is shrunk for minutes, to little use
)
@given(
    words=st.lists(
        texts | st.sampled_from(["no", "null", "~", "1e3", "0o7", ".inf", "=", "<<", "---", "${a}", "\\${a}"])
    ),
    number=st.floats(allow_nan=False, allow_infinity=False),
    limit=st.floats(min_value=0, allow_nan=False),
    keys=st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
)
def test_any_text_and_number_survives(
    registry: Registry,
    resolved: Resolve,
    tmp_path: Path,
    words: list[str],
    number: float,
    limit: float,
    keys: dict[str, float],
) -> None:
    """Interpolation marks, quotes, line breaks, control characters, infinities: as values and as keys."""
    base = resolved("model.name=everything").config
    word = words[0] if words else ""
    model = replace(
        base.model.config, word=word, maybe_word=word, number_or_word=word, ratio=number, names=words, weights=keys,
        anything={"words": words, "number": limit}, limit=limit,
    )  # fmt: skip
    config = replace(base, model=Selection(kind="model", name="everything", config=model))

    assert reloaded(registry, config, tmp_path) == config


def test_a_tree_holds_plain_values_only(resolved: Resolve) -> None:
    """Component sections are {name, fields}, callbacks and trackers maps by name."""
    tree = to_tree(resolved("model.name=everything").config)

    assert list(tree) == [
        "task", "model", "criterion", "optimizer", "lr_scheduler",
        "trainer", "data", "checkpoint", "logging", "distributed", "callbacks", "trackers",
    ]  # fmt: skip
    assert tree["criterion"] == {"name": "nll"}
    assert tree["task"]["tokenizer"] == {"name": "bpe", "vocab_size": 8000}
    assert (tree["model"]["folder"], tree["model"]["norm"], tree["model"]["numbers"]) == ("a/b", "pre", [1, 2])
    assert tree["callbacks"] == {"ema": {"decay": 0.99, "start": 0}}
    assert tree["trackers"] == {"tensorboard": {}}


def test_other_yaml_readers_see_the_same_texts(resolved: Resolve) -> None:
    """What YAML 1.1 would take for a boolean or a number stands in quotes."""
    words = ["no", "on", "1e3", "007", "12:30", "null", "", "true", "a", "5"]
    config = resolved("model.name=everything", f"model.names=[{', '.join(map(repr, words))}]").config

    assert yaml.safe_load(to_yaml(config))["model"]["names"] == words


def test_equal_lists_are_written_twice(resolved: Resolve) -> None:
    """An alias would not read back."""
    shared = ["a", "b"]
    base = resolved("model.name=everything").config
    model = replace(base.model.config, names=shared, anything=[shared, shared])

    assert "&id" not in to_yaml(replace(base, model=replace(base.model, config=model)))


def test_the_annotated_dump_gives_each_value_its_origin(registry: Registry, resolved: Resolve, tmp_path: Path) -> None:
    """As comments, so that it still reads back to the same."""
    result = resolved("task.valid={a: 'x\ny', b: z}", "logging.level=error", "data.cache_dir=a #b: c\n\nd")
    text = to_annotated_yaml(result)
    lines = {line.split(":")[0].strip(): line for line in text.splitlines()}
    path = tmp_path / "shown.yaml"
    path.write_text(text, encoding="utf-8")

    assert resolve(registry, config_file=path).config == result.config
    assert lines["level"].endswith("# argument logging.level=error")
    assert lines["max_epochs"].split("#")[1].strip() == "recipe acme_parts:recipe.yaml:13:15"
    assert lines["a"].endswith("# argument task.valid={a: 'x\\ny', b: z}")
    assert lines["keep_last"].endswith("# default")
    assert all("#" in line for line in text.splitlines() if not line.endswith(":"))


def test_the_logging_section_alone_is_readable(resolved: Resolve) -> None:
    """A look at the form."""
    text = to_yaml(resolved().config)

    assert "logging:\n  every:\n    steps: 50\n    epochs: null\n  level: info\n  progress: auto\n" in text
    assert resolved(yaml=text).config.logging == LoggingConfig()


def test_enums_are_written_as_users_write_them(resolved: Resolve) -> None:
    """By value where that is a text."""
    norm = importlib.import_module("acme_parts.config").Norm
    config = resolved("model.norm=pre").config

    assert config.model.config.norm is norm.PRE
    assert "norm: pre\n" in to_yaml(config)
