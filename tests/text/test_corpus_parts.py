"""What names files: one, several with weights, several sets with names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seqtrain.errors import ConfigError
from seqtrain_text.corpus_parts import CorpusPart, read_parts, read_sets


def test_parts_are_paths_with_weights() -> None:
    """A path alone weighs one."""
    assert (CorpusPart("a"),) == read_parts("a", "train", weighted=True)
    parts = read_parts(["a", {"path": "b", "weight": 2}], "train", weighted=True)
    assert (CorpusPart("a", 1.0), CorpusPart("b", 2.0)) == parts


def test_sets_are_named_as_splits() -> None:
    """A map gives a split for each of its names."""
    assert {} == read_sets(None, "valid")
    assert {"valid": (CorpusPart("a"),)} == read_sets("a", "valid")
    assert {"test/x": (CorpusPart("a"), CorpusPart("b"))} == read_sets({"x": ["a", "b"]}, "test")


@pytest.mark.parametrize("value", [None, 3, [], {"path": "a"}, [""], [None], [{"path": 3}], [{"path": "a", "w": 1}]])
def test_anything_else_is_refused_under_its_name(value: object) -> None:
    """The message calls a path what the task calls it."""
    with pytest.raises(ConfigError, match=r"^train.*(no prefix of files|each entry must be a prefix)"):
        read_parts(value, "train", weighted=True, what="prefix of files")


@pytest.mark.parametrize("weight", [0, -1, "2", True, float("inf"), float("nan"), None])
def test_weights_are_numbers_above_zero(weight: object) -> None:
    """Infinity and NaN are none."""
    with pytest.raises(ConfigError, match=r"train gives 'a' the weight .*; it must be a number above 0"):
        read_parts([{"path": "a", "weight": weight}], "train", weighted=True)


@pytest.mark.parametrize("value", [{}, {"a b": "x"}, {"a/b": "x"}, {"": "x"}])
def test_names_of_sets_are_names_of_splits(value: object) -> None:
    """No blanks, no slashes, and at least one."""
    with pytest.raises(ConfigError, match=r"valid (names a set|is an empty map)"):
        read_sets(value, "valid")


@pytest.mark.runs
def test_reading_them_needs_nothing_heavy() -> None:
    """Configs of tasks import it."""
    code = (
        "import sys, seqtrain_text.corpus_parts, seqtrain_text.search_config;"
        "print([name for name in ('torch', 'numpy', 'omegaconf') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
