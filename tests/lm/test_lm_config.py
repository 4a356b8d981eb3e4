"""The settings of the task, and what is wrong with some."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from seqtrain.config.option import Selection, option_of
from seqtrain.errors import ConfigError
from seqtrain_lm.config import LMConfig
from seqtrain_lm.evaluation_config import EvaluationConfig
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_text.corpus_parts import CorpusPart


def config(**given: Any) -> LMConfig:
    return LMConfig(**{"train": "train.txt", "tokenizer": Selection("tokenizer", "char", None), **given})


def test_training_files_may_be_weighted() -> None:
    """One file, several, or several with weights."""
    assert (CorpusPart("a"),) == config(train="a").parts()
    assert (CorpusPart("a"), CorpusPart("b", 0.5)) == config(train=["a", {"path": "b", "weight": 0.5}]).parts()
    assert () == config(train=None).parts()


def test_validation_and_test_sets_may_have_names() -> None:
    """A map gives several splits, in its order."""
    sets = config(valid={"news": "n", "talks": ["a", "b"]}).sets("valid")

    assert {"valid/news": (CorpusPart("n"),), "valid/talks": (CorpusPart("a"), CorpusPart("b"))} == sets
    assert ["valid/news", "valid/talks"] == list(sets)


def test_a_window_is_as_long_as_a_block_unless_set() -> None:
    """So is what is scored of it."""
    assert (64, 64) == (config(tokens_per_sample=64).context, config(tokens_per_sample=64).stride)
    narrow = config(tokens_per_sample=64, evaluation=EvaluationConfig(context=32, stride=8))
    assert (32, 8) == (narrow.context, narrow.stride)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": None, "valid": "v"}, r"valid is given without train.*Set task\.train=FILE"),
        ({"train": None, "test": "t"}, r"leave out task\.test"),
        ({"train": 3}, "train=3 is no file and no list of them"),
        ({"train": []}, "is no file and no list"),
        ({"train": [{"path": "a", "wieght": 2}]}, r"each entry must be a file or \{path: FILE, weight: W\}"),
        ({"train": [{"path": "a", "weight": 0}]}, "the weight 0; it must be a number above 0"),
        ({"valid": [{"path": "a", "weight": 2}]}, "only training files are weighted"),
        ({"valid": {}}, "valid is an empty map"),
        ({"test": {"a/b": "x"}}, "test names a set 'a/b'"),
        ({"test": {"a": None}}, r"test\.a=None is no file"),
        ({"random_blocks": True, "break_mode": "eos"}, "random_blocks=true.*break_mode=eos forbids"),
        ({"pack_documents": True}, "break_mode=none knows none.*Set break_mode=complete_doc or eos"),
        ({"pack_documents": True, "break_mode": "complete"}, "break_mode=complete knows none"),
        ({"pack_documents": True, "break_mode": "eos", "objective": "masked"}, "objective=causal, not masked"),
        ({"tokens_per_sample": 8, "evaluation": EvaluationConfig(context=9)}, "evaluation.context=9 is more than"),
        ({"tokens_per_sample": 8, "evaluation": EvaluationConfig(stride=9)}, "evaluation.stride=9 is above.* 8 tokens"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(fields: dict[str, Any], message: str) -> None:
    """The error names the key, what was found, and what to write instead."""
    with pytest.raises(ConfigError, match=message):
        config(**fields)


def test_shares_of_noise_are_parts_of_a_whole() -> None:
    """More than all masked tokens cannot be left or replaced."""
    with pytest.raises(ConfigError, match=r"random_share=0\.7 and leave_share=0\.4 are more than 1"):
        NoiseConfig(random_share=0.7, leave_share=0.4)


@pytest.mark.parametrize("config_type", [GenerationConfig, EvaluationConfig])
def test_what_leaves_the_training_alone_may_change(config_type: type) -> None:
    """A resumed run, `evaluate` and `predict` may set it anew."""
    for field in fields(config_type):
        assert option_of(config_type, field.name).may_change


@pytest.mark.runs
def test_settings_load_without_torch() -> None:
    """Help and config errors must not wait for torch."""
    code = (
        "import sys, seqtrain_lm.plugin, seqtrain_lm.config;"
        "print([name for name in ('torch', 'numpy', 'omegaconf') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
