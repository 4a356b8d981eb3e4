"""`~` in paths, and numbers that nothing can hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqtrain.config.dump import to_yaml
from seqtrain.config.interpolate import escape
from seqtrain.config.paths import expand_home
from seqtrain.config.reader import as_argument
from seqtrain.config.resolve import Resolved, resolve
from seqtrain.errors import ConfigError
from seqtrain.registry.registry import Registry

Resolve = Callable[..., Resolved]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("~/data/a", "/home/me/data/a"),
        ("~", "/home/me"),
        ("a/~/b", "a/~/b"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
        (Path("~/x"), Path("/home/me/x")),
        ([{"path": "~/x", "weight": 2}, "~/y"], [{"path": "/home/me/x", "weight": 2}, "/home/me/y"]),
        ({"news": ("~/x", None)}, {"news": ("/home/me/x", None)}),
    ],
)
def test_the_home_folder_is_put_into_paths(value: Any, expanded: Any) -> None:
    """Wherever they stand; a user that nobody knows raises nothing."""
    assert expand_home(value) == expanded


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model.corpus=~/a", "/home/me/a"),
        ("model.corpus=[~/a, {path: ~/b, weight: 2}]", ["/home/me/a", {"path": "/home/me/b", "weight": 2}]),
        ("model.corpus={x: [~/a]}", {"x": ["/home/me/a"]}),
        ("model.folder=~/a", Path("/home/me/a")),
        ("model.word=~/a", "~/a"),
        ("data.cache_dir=~/a", "/home/me/a"),
        ("trainer.stop_file=~/a", "/home/me/a"),
        ("checkpoint.init_from=~/a", "/home/me/a"),
    ],
)
def test_settings_that_are_paths_have_it(registry: Registry, resolved: Resolve, setting: str, value: Any) -> None:
    """Other texts do not, and RUN/config.yaml holds what was meant."""
    config = resolved("model.name=everything", setting).config
    section, _, field = setting.partition("=")[0].partition(".")
    holder = getattr(config, section)

    assert getattr(getattr(holder, "config", holder), field) == value
    assert "~" not in to_yaml(config) or field == "word"


@pytest.mark.parametrize("path", ["a${b}", "[a]", "{a: b}", '"a"', "a\nb", "null", "", "a\\${b", "é %s $HOME", "~x"])
def test_an_option_is_taken_as_it_is(resolved: Resolve, path: str) -> None:
    """Whatever a setting would make of it."""
    assert resolved(as_argument("checkpoint.init_from", path)).config.checkpoint.init_from == path


def test_bytes_that_are_no_text_are_refused(registry: Registry) -> None:
    """They could not be written into config.yaml."""
    with pytest.raises(ConfigError, match=r"argument task.train=\\udcff/x: has bytes that are not UTF-8"):
        resolve(registry, task="t", overrides=["task.train=\udcff/x"])


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("model.ratio=inf", r"expected float, got 'inf' \(this number is finite\)"),
        ("model.ratio=-.inf", "this number is finite"),
        ("model.ratio=1e400", "expected float, got '1e400'"),
        ("model.ratio=nan", "expected float, got 'nan'"),
        ("model.weights={a: inf}", "this number is finite"),
        ("optimizer.lr=inf", "this number is finite"),
        ("trainer.clip_norm=inf", "this number is finite"),
        ("distributed.timeout=inf", "this number is finite"),
        ("model.limit=-inf", "expected float, >= 0, got '-inf'"),
        ("model.count=1e400", "expected int, >= 0, got '1e400'"),
        ("model.count=1e30", "expected int, >= 0, got '1e30'"),
        ("model.numbers=[1, 9223372036854775808]", "expected int, got .9223372036854775808. .no whole number here has"),
        ("trainer.seed=9223372036854775808", "no whole number here has more than 64 bits"),
    ],
)
def test_numbers_that_nothing_can_hold_are_refused(resolved: Resolve, setting: str, reason: str) -> None:
    """With what was allowed."""
    with pytest.raises(ConfigError, match=reason):
        resolved("model.name=everything", setting)


def test_infinity_is_taken_where_it_makes_sense(registry: Registry, resolved: Resolve, tmp_path: Path) -> None:
    """Where the field says so, or has it by default; and it is read back."""
    config = resolved("model.name=everything", "model.limit=inf", "trainer.seed=9223372036854775807").config
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")

    assert (config.model.config.limit, config.model.config.horizon) == (math.inf, math.inf)
    assert resolve(registry, config_file=tmp_path / "config.yaml").config == config


def test_escaping_is_undone() -> None:
    """As `as_argument` relies on it."""
    assert escape("${a}") == "\\${a}"
