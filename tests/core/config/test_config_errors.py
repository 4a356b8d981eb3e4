"""What is wrong is reported all at once, each with its location and what was allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from seqtrain.config.resolve import Resolved, resolve
from seqtrain.errors import ConfigError, PluginError
from seqtrain.registry.registry import Registry

Resolve = Callable[..., Resolved]


def problems(resolve_text: Resolve, *overrides: str, **options: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        resolve_text(*overrides, **options)
    text = re.sub(r"[^ \n]*/train.yaml", "train.yaml", str(error.value))
    heading, *listed = text.split("\n  ")
    assert not listed or heading == f"{len(listed)} problems in the configuration:"
    return listed or [heading]


def test_every_problem_is_reported_with_its_location(resolved: Resolve) -> None:
    """Two files' worth of mistakes in one message."""
    text = """\
task:
  generation: {bean: 4}
modle:
  x: 1
model:
  hidden_dmi: 5
  dropout: 1.5
trainer:
  max_steps: abc
  precision: fp8
data: 5
"""
    found = problems(resolved, "trainer.max_epochs=0", "optimizer.lr=-1", "optimizer.foo=1", yaml=text)

    assert sorted(found) == sorted(
        [
            "train.yaml:2:16: task.generation.bean: no such field of 'task.generation'. Did you mean 'beam'?",
            "train.yaml:3:1: modle: no section 'modle'. Did you mean 'model'?",
            "train.yaml:6:3: model.hidden_dmi: no such field of model 'transformer'. Did you mean 'hidden_dim'?",
            "train.yaml:7:12: model.dropout: expected float, in [0, 1), got '1.5'",
            "train.yaml:9:14: trainer.max_steps: expected int or null, steps, >= 1, got 'abc'",
            "train.yaml:10:14: trainer.precision: expected fp32 | bf16 | fp16, got 'fp8'",
            "train.yaml:11:7: data: expected fields, as in data.NAME=VALUE, not a value",
            "argument trainer.max_epochs=0: expected int or null, epochs, >= 1, got '0'",
            "argument optimizer.lr=-1: expected float, > 0, got '-1'",
            "argument optimizer.foo=1: no such field of optimizer 'adam'. It has: lr.",
        ]
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("trainer.seed=true", "expected int, >= 0, got 'true'"),
        ("trainer.seed=1.5", "expected int, >= 0, got '1.5'"),
        ("trainer.seed=", "expected int, >= 0, got ''"),
        ("trainer.seed=null", "expected int, >= 0, got null"),
        ("trainer.seed=[1]", "expected int, >= 0, got a list"),
        ("trainer.seed={a: 1}", "expected int, >= 0, got a map"),
        ("trainer.seed.x=1", "expected int, >= 0, got a map"),
        ("trainer=5", "expected fields, as in trainer.NAME=VALUE, not a value"),
        ("trainer.validate=5", "expected map of fields (steps, epochs), got "),
        ("trainer.validate=null", "expected map of fields (steps, epochs), got "),
        ("task.source_lang=null", 'expected str, got null (in quotes, "null" is a text)'),
        ("model.share=yes", "expected bool, got 'yes'"),
        ("model.share=True", "expected bool, got 'True'"),
        ("model.share=1", "expected bool, got '1'"),
        ("model.dropout=nan", "expected float, in [0, 1), got 'nan'"),
        ("model.norm=middle", "expected pre | post, got 'middle'"),
        ("model=lstm", "expected fields, as in model.NAME=VALUE, not a value"),
        ("model.name=[a]", "expected the name of a model"),
        ("task.tokenizer=bpe", "expected fields, as in task.tokenizer.NAME=VALUE, not a value"),
        ("task.corpora=[{path: a, weight: 0}]", "task.corpora[0].weight: expected float, > 0, got '0'"),
        ("task.corpora=[x]", "expected map of fields (path, weight), got 'x'"),
        ("callbacks.ema=5", "expected a map of its fields ({} for the defaults), or null to leave it out"),
        ("callbacks=[ema]", "expected fields"),
        ("seed=5", "no section 'seed'"),
        ("trainer.seed=[1", "not valid YAML"),
        ("trainer.seed={a: 1", "not valid YAML"),
        ("task.train=[&a x, *a]", "anchors and aliases are not supported"),
        ("trainer.seed=[*a]", "not valid YAML"),
        ("trainer.seed=" + "[" * 1000, "nested too deeply"),
        ("task.train=[!!python/name:os.system x]", "the tag tag:yaml.org,2002:python/name:os.system is not supported"),
        ("trainer..seed=1", "expected KEY=VALUE, as in trainer.max_epochs=10"),
        ("=1", "expected KEY=VALUE"),
        ("trainer.seed", "expected KEY=VALUE"),
    ],
)
def test_a_bad_argument_says_what_was_allowed(resolved: Resolve, argument: str, message: str) -> None:
    """Whatever is written, the argument is repeated and the remedy named."""
    (found,) = problems(resolved, argument)

    assert found.startswith(f"argument {argument[:80]}"), found
    assert message in found


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("numbers=1", "expected list of int, >= 0, got '1' (write [1])"),
        ("numbers=[1, -2]", "expected list of int, >= 0, got a list"),
        ("numbers=[1, x]", "model.numbers[1]: expected int, got 'x'"),
        ("betas=[0.9]", "expected 2 items, got 1"),
        ("betas=[0.9, null]", "model.betas[1]: expected float, got null"),
        ("weights={a: x}", "model.weights.a: expected float, got 'x'"),
        ("weights.a=x", "model.weights.a=x: expected float, got 'x'"),
        ("weights=5", "expected map of float, got '5'"),
        ("mode=4", "expected fast | slow | 3, got '4'"),
        ("level=middle", "expected low | high, got 'middle'"),
        ("folder=", "expected path, got ''"),
        ("number_or_word=[]", "expected int or str, got a list"),
        ("generation.beam=0", "expected int, hypotheses, >= 1, got '0'"),
        ("generation=5", "expected map of fields (beam, lenpen) or null, got '5'"),
        ("splits={a: {weight: 2}, b: 5}", "model.splits.a.path: is required: file"),
        ("splits={a: 5}", "model.splits.a: expected map of fields (path, weight), got '5'"),
        ("splits=5", "expected map of map of fields (path, weight), got '5'"),
        ("count=" + "9" * 5000, "expected int, >= 0"),
        ("count=1e-3", "expected int, >= 0, got '1e-3'"),
        ("ratio=1e999", "expected float, got '1e999'"),
    ],
)
def test_a_wrong_type_says_what_was_expected(resolved: Resolve, argument: str, message: str) -> None:
    """For every kind of type."""
    found = problems(resolved, "model.name=everything", f"model.{argument}")

    assert any(message in each for each in found)


def test_a_missing_required_field_is_named(resolved: Resolve) -> None:
    """With its meaning; null is no substitute."""
    assert problems(resolved, model="needy") == [
        "model.tokenizer: is required: how text becomes tokens",
        "model.generation: is required: decoding",
        "model.size: is required: size",
    ]
    needy = ("model.generation={}", "model.size=1")
    assert problems(resolved, "model.tokenizer.name=bpe", "model.other=null", *needy, model="needy") == [
        "argument model.other=null: expected fields, as in model.other.name=NAME"
    ]
    assert problems(resolved, "model.tokenizer=null", *needy, model="needy") == [
        "model.tokenizer: is required: how text becomes tokens"
    ]
    assert problems(resolved, "task.corpora=[{weight: 2}]") == ["task.corpora[0].path: is required: file"]


def test_a_dataclass_that_refuses_its_values_is_named_by_its_section(resolved: Resolve) -> None:
    """What __post_init__ raises gets the section in front."""
    assert problems(resolved, "model.heads=3") == ["model: hidden_dim (64) must be a multiple of heads (3)"]


def test_what_follows_from_another_problem_is_not_reported(resolved: Resolve) -> None:
    """A config with a misspelled or wrong field is not made, so it has nothing to say of its other fields."""
    (found,) = problems(resolved, "model.heads=3", "model.hidden_dmi=63")
    assert "hidden_dmi" in found
    (found,) = problems(resolved, "model.heads=3", "model.share=yes")
    assert "share" in found


def test_fields_without_a_component_are_refused(registry: Registry) -> None:
    """Nobody can know what they mean."""
    with pytest.raises(ConfigError, match=r"argument model.x=1: .*set model.name too: which model do these"):
        resolve(registry, task="bare", overrides=["model.x=1"])


def test_a_type_that_cannot_be_written_is_the_plugins_fault(resolved: Resolve) -> None:
    """Its default may be used all the same."""
    assert resolved(model="strange").config.model.config.numbers == set()
    with pytest.raises(PluginError, match="a configuration cannot express"):
        resolved("model.numbers=5", model="strange")


def test_a_component_without_settings_has_no_fields(resolved: Resolve) -> None:
    """And says so."""
    (found,) = problems(resolved, "criterion.x=1")

    assert found == "argument criterion.x=1: no such field of criterion 'nll'. It has: none."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer:\n  seed: 1\n  seed: 2\n", "train.yaml:3:3: trainer.seed: given twice; first at"),
        ("trainer: {seed: 1\n", "train.yaml:2:1: not valid YAML: while parsing a flow mapping"),
        ("trainer:\n\tseed: 1\n", "train.yaml:2:1: not valid YAML"),
        ("trainer: {seed: 1}\n--- \na: 1\n", "not valid YAML: expected a single document"),
        ("- a\n", "train.yaml:1:1: expected sections"),
        ("5\n", "train.yaml:1:1: expected sections"),
        ("a: \x07\n", "train.yaml:1:4: not valid YAML: the character '\\x07' is not allowed"),
        ("data: {seed: &x 1}\ntrainer: {seed: *x}\n", "anchors and aliases are not supported; repeat a value as ${"),
        ("task: &x\n  generation: *x\n", "anchors and aliases are not supported"),
        ("trainer: !!python/object:os.system {}\n", "train.yaml:1:10: trainer: the tag tag:yaml.org,2002:python"),
        ("trainer: {[a]: 1}\n", "train.yaml:1:11: trainer: a key must be a single word"),
        ("callbacks:\n  ema:\n", "train.yaml:2:7: callbacks.ema: expected a map of its fields ({} for the defaults)"),
    ],
)
def test_malformed_yaml_is_reported_with_line_and_column(resolved: Resolve, text: str, message: str) -> None:
    """The reader refuses what it cannot be sure of."""
    (found,) = problems(resolved, yaml=text)

    assert message in found


def test_a_file_that_is_not_utf8_is_refused(registry: Registry, tmp_path: Path) -> None:
    """With the byte that is not."""
    path = tmp_path / "train.yaml"
    path.write_bytes(b"task: \xff")

    with pytest.raises(ConfigError, match=r"not UTF-8: byte 6 is 0xff"):
        resolve(registry, config_file=path)


def test_a_file_that_cannot_be_read_is_reported_with_the_bad_arguments(registry: Registry, tmp_path: Path) -> None:
    """Both are known before anything else is."""
    with pytest.raises(
        ConfigError, match=r"argument x: expected KEY=VALUE.*\n  .*none.yaml: cannot be read: No such file"
    ):
        resolve(registry, config_file=tmp_path / "none.yaml", overrides=["x"])
    with pytest.raises(ConfigError, match="Is a directory"):
        resolve(registry, config_file=tmp_path)


def test_an_empty_file_says_nothing(resolved: Resolve) -> None:
    """As do comments, empty sections, and a byte order mark."""
    for text in ("", "# nothing\n", "trainer:\nmodel:\n", "\ufeff", "\ufefftrainer: {seed: 1}\n"):
        assert resolved(yaml=text).config == resolved().config
