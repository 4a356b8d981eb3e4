"""Settings that do not go together are refused before any file is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.errors import ConfigError
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.single_label import SingleLabel
from seqtrain_testing.registry import RegistryBuilder
from seqtrain_text.config import WordConfig

EXAMPLES = sorted((Path(__file__).parents[2] / "seqtrain_classify" / "examples").glob("*.yaml"))


def config(**settings):
    """Make a config with a training file."""
    return ClassifyConfig(tokenizer=Selection("tokenizer", "word", WordConfig()), **{"train": "x.tsv", **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_column": "a", "label_column": "a"}, "text_column and label_column are both 'a'"),
        ({"text_pair_column": "text"}, "text_column and text_pair_column are both 'text'"),
        (
            {"columns": ("label", "sentence")},
            r"columns names no 'text', which text_column asks for, only label, sentence",
        ),
        ({"columns": ("text", "label"), "text_pair_column": "b"}, "columns names no 'b', which text_pair_column"),
        ({"columns": ("label", "text", "text")}, "has a name twice"),
        ({"label_separator": ""}, "label_separator='' must have at least one character"),
        ({"label_separator": "\t"}, "no tab or line end"),
        ({"train": []}, r"train=\[\] is no file and no list"),
        ({"valid": {}}, "valid is an empty map"),
        ({"test": 3}, "test=3 is no file"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    """The error names the setting and what was allowed."""
    with pytest.raises(ConfigError, match=message):
        config(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"valid": "x.tsv"}, {"test": "x.tsv"}, {"kind": "multi"}, {"format": "csv"}, {"columns": ("label", "text")},
        {"text_column": "line"}, {"text_pair_column": "other"}, {"label_column": "package"},
    ],
)  # fmt: skip
def test_the_builtin_corpus_is_as_it_is(settings):
    """Settings for files of one's own need such files."""
    (name,) = settings

    with pytest.raises(ConfigError, match=rf"{name} is given without train.*Set task\.train=FILE too, or leave out"):
        config(train=None, **settings)


def test_sets_may_have_names_and_training_tables_weights():
    """As in the other tasks."""
    made = config(train=["a.tsv", {"path": "b.tsv", "weight": 2}], valid={"x": "x.tsv", "y": ["y.tsv", "z.tsv"]})

    assert [("a.tsv", 1.0), ("b.tsv", 2.0)] == [(part.path, part.weight) for part in made.parts()]
    assert ["valid/x", "valid/y"] == list(made.sets("valid"))
    assert {} == made.sets("test")


def test_the_recipe_is_a_configuration():
    """It resolves with and without files, and the criterion is the one for labels."""
    registry = RegistryBuilder.with_everything_installed().registry
    for overrides in ([], ["task.train=x.tsv", "task.columns=[label, text]", "task.kind=regression"]):
        resolved = resolve(registry, task="classify", overrides=overrides).config

        assert "sentence_prediction" == resolved.criterion.name
    assert ("label", "text") == resolved.task.config.columns


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_configurations(example):
    """With the files that their first lines ask for."""
    registry = RegistryBuilder.with_everything_installed().registry
    resolved = resolve(registry, config_file=example, overrides=["task.train=x.tsv"]).config

    assert ("label", "text") == resolved.task.config.columns
    assert f"classify/{resolved.trainer.best_metric}" in SingleLabel().metrics
