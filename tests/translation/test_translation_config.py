"""What TranslationConfig accepts and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.errors import ConfigError
from seqtrain.registry.discovery import discover
from seqtrain_text.corpus_parts import CorpusPart
from seqtrain_translation.config import TranslationConfig

EXAMPLES = sorted((Path(__file__).parents[2] / "seqtrain_translation" / "examples").glob("*.yaml"))


def config(**fields: Any) -> TranslationConfig:
    return TranslationConfig(**{"train": "data/train", "source_lang": "en", "target_lang": "de", **fields})


def test_nothing_given_means_the_built_in_corpus() -> None:
    """Without files there are no parts, and the languages are the built-in ones."""
    assert () == TranslationConfig().parts()
    assert ("en", "de") == TranslationConfig().languages


@pytest.mark.parametrize("name", ["lines", "text/lines"])
def test_the_built_in_corpus_is_read_by_lines(name: str) -> None:
    """By whichever name it goes."""
    assert () == TranslationConfig(reader=Selection("reader", name, None)).parts()


def test_training_files_may_be_one_several_or_weighted() -> None:
    """A prefix, a list of prefixes, and entries with weights are all read into parts."""
    assert (CorpusPart("data/train"),) == config().parts()
    assert (CorpusPart("a"), CorpusPart("b", 0.5)) == config(train=["a", {"path": "b", "weight": 0.5}]).parts()
    assert (CorpusPart("a"),) == config(train=[{"path": "a"}]).parts()


def test_validation_sets_may_be_named() -> None:
    """One set is called by its split, several by split and name, in the order given."""
    assert {"valid": (CorpusPart("v"),)} == config(valid="v").sets("valid")
    assert {"test": (CorpusPart("a"), CorpusPart("b"))} == config(test=["a", "b"]).sets("test")
    named = config(valid={"news": "n", "talks": ["a", "b"]}).sets("valid")
    assert ["valid/news", "valid/talks"] == list(named)
    assert (CorpusPart("a"), CorpusPart("b")) == named["valid/talks"]
    assert {} == config().sets("test")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_lang": None}, "task.source_lang and task.target_lang"),
        ({"target_lang": ""}, "task.source_lang and task.target_lang"),
        ({"target_lang": "en"}, "both 'en'"),
        ({"train": 7}, "train=7"),
        ({"train": []}, r"train=\[\]"),
        ({"train": ""}, "train holds ''"),
        ({"train": [3]}, "train holds 3"),
        ({"train": {"path": "a"}}, "no prefix of files"),
        ({"train": [{"path": "a", "wieght": 2}]}, "wieght"),
        ({"train": [{"weight": 2}]}, "each entry must be a prefix or {path: PREFIX, weight: W}"),
        ({"train": [{"path": "a", "weight": 0}]}, "weight 0; it must be a number above 0"),
        ({"train": [{"path": "a", "weight": float("nan")}]}, "above 0"),
        ({"train": [{"path": "a", "weight": float("inf")}]}, "above 0"),
        ({"train": [{"path": "a", "weight": True}]}, "above 0"),
        ({"train": [{"path": "a", "weight": "2"}]}, "above 0"),
        ({"valid": [{"path": "a", "weight": 2}]}, "only training files are weighted"),
        ({"valid": {}}, "valid is an empty map"),
        ({"test": {"a/b": "x"}}, "'a/b'"),
        ({"test": {"news": None}}, "test.news=None"),
        ({"train": None, "valid": "v"}, "valid is given without train"),
        (
            {"train": None, "reader": Selection("reader", "acme/json", None)},
            "not for the reader 'acme/json'",
        ),
        ({"train": None, "source_lang": "fr"}, "The built-in corpus is English to German, not 'fr' to 'de'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(fields: dict[str, Any], message: str) -> None:
    """The error names the key, what was found, and what to write instead."""
    with pytest.raises(ConfigError, match=message):
        config(**fields)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_configurations(example: Path) -> None:
    """Every setting that they make exists, and fits the others."""
    config = resolve(discover(), config_file=example, overrides=["task.train=a", "task.valid=b", "task.test=c"]).config

    assert "translation" == config.task.name
