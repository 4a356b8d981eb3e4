"""The settings that name data, the same in every task on text."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from seqtrain.config.option import Selection, option_of
from seqtrain.errors import ConfigError
from seqtrain_classify.config import ClassifyConfig
from seqtrain_lm.config import LMConfig
from seqtrain_text.corpus_config import CorpusConfig
from seqtrain_text.corpus_parts import CorpusPart
from seqtrain_text.dummy_config import DummyConfig
from seqtrain_translation.config import TranslationConfig

MADE_UP = DummyConfig(examples=10)


def test_the_data_is_in_files_built_in_or_made_up() -> None:
    """One of them."""
    files, builtin, made_up = CorpusConfig(train="a"), CorpusConfig(), CorpusConfig(dummy=MADE_UP)

    assert [(False, False), (True, False), (False, True)] == [
        (each.is_builtin, each.is_dummy) for each in (files, builtin, made_up)
    ]
    assert [(CorpusPart("a"),), (), ()] == [each.parts() for each in (files, builtin, made_up)]


def test_only_training_data_is_evened_out() -> None:
    """A validation set of several files is what it is."""
    config = CorpusConfig(train=["a", "b"], train_temperature=3.0)

    assert (3.0, 1.0, 1.0) == tuple(config.temperature(split) for split in ("train", "valid/news", "test"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"valid": "v"}, r"valid is given without train.*Set task\.train=FILE too, or leave out task\.valid"),
        ({"test": "t"}, "test is given without train"),
        ({"dummy": MADE_UP, "train": "a"}, r"train is given together with dummy\.examples=10.*Leave out task\.train"),
        ({"dummy": MADE_UP, "valid": "v"}, "valid is given together with dummy"),
        ({"dummy": MADE_UP, "test": "v"}, "test is given together with dummy"),
        ({"train": []}, "train=.* is no file and no list"),
        ({"train": "a", "valid": {"a/b": "x"}}, "'a/b'"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], message: str) -> None:
    """With what to leave out."""
    with pytest.raises(ConfigError, match=message):
        CorpusConfig(**given)


@pytest.mark.parametrize("given", [{}, {"dummy": MADE_UP}])
def test_another_reader_needs_files(given: dict[str, Any]) -> None:
    """`lines`, under either of its names, is the default and does no harm."""
    config = CorpusConfig(**given)
    for name in ("lines", "text/lines"):
        config.check_reader(Selection("reader", name, None))

    with pytest.raises(ConfigError, match=r"not for the reader 'acme/json'.*leave out task\.reader"):
        config.check_reader(Selection("reader", "acme/json", None))
    CorpusConfig(train="a").check_reader(Selection("reader", "acme/json", None))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 8}, r"length is set, but no examples are made up. Set task\.dummy\.examples=N too"),
        ({"vocab_size": 9}, "vocab_size is set, but"),
        ({"examples": 3, "length": 8, "min_length": 9}, "min_length=9 is above length=8"),
        ({"examples": 3, "min_length": 65}, "min_length=65 is above length=64"),
    ],
)
def test_made_up_data_must_make_sense(given: dict[str, Any], message: str) -> None:
    """Lengths fit each other, and nothing is set for nothing."""
    with pytest.raises(ConfigError, match=message):
        DummyConfig(**given)


@pytest.mark.parametrize(
    ("config_type", "limit"),
    [
        (TranslationConfig, {"max_length": 63}),
        (LMConfig, {"tokens_per_sample": 63}),
        (ClassifyConfig, {"max_length": 63}),
    ],
)
def test_made_up_examples_fit_the_model(config_type: Any, limit: dict[str, int]) -> None:
    """In every task; the message names both settings."""
    (key,) = limit
    made_up = option_default(config_type, "dummy", examples=5)
    config_type(dummy=made_up, **{key: 64})

    with pytest.raises(ConfigError, match=rf"dummy\.length=64 is above {key}=63.*raise task\.{key}"):
        config_type(dummy=made_up, **limit)


def option_default(config_type: Any, name: str, **given: Any) -> Any:
    """Make a nested config with some of its fields given."""
    (field,) = (each for each in fields(config_type) if each.name == name)
    return field.default_factory(**given)


def test_the_tasks_share_these_settings() -> None:
    """Under the same keys, and with the same help where the word for a path does not matter."""
    for config_type in (TranslationConfig, LMConfig, ClassifyConfig):
        names = [each.name for each in fields(config_type)]

        assert ["train", "train_temperature", "valid", "test", "dummy"] == names[:5]
        assert option_of(config_type, "train_temperature") == option_of(CorpusConfig, "train_temperature")
        assert "the first one decides what is best" in option_of(config_type, "valid").help


@pytest.mark.runs
def test_reading_them_needs_nothing_heavy() -> None:
    """Configs of tasks import it."""
    code = (
        "import sys, seqtrain_text.corpus_config;"
        "print([name for name in ('torch', 'numpy', 'omegaconf') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
