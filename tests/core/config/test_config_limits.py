"""A configuration that would take for ever, or all memory, is refused at once; see also the fuzz of a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seqtrain.config.resolve import Resolved, resolve
from seqtrain.errors import ConfigError
from seqtrain.registry.registry import Registry

Resolve = Callable[..., Resolved]

SECONDS = 5.0  # of CPU time; the bomb that was found took 40, and coverage makes all of it several times as slow


def names(*texts: str) -> str:
    """Write a configuration whose `model.names` are these texts."""
    return "model:\n  name: everything\n  names:\n" + "".join(f"  - {text}\n" for text in texts)


def doubling(count: int, first: str = "x") -> list[str]:
    """Texts that each refer twice to the one before."""
    return [first, *(f"${{model.names[{i}]}}${{model.names[{i}]}}" for i in range(count))]


BOMBS = {
    "laughs": ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "anchors and aliases"),
    "an alias to itself": ("a: &a [*a]\n", "anchors and aliases"),
    "merge keys": ("a: &a {x: 1}\nb: {<<: *a}\n", "anchors and aliases"),
    "nested lists": ("a: " + "[" * 100_000, "nested too deeply"),
    "nested maps": ("a: " + "{a: " * 100_000, "nested too deeply"),
    "nested dashes": ("a:\n  " + "- " * 100_000, "nested too deeply"),
    "nested keys": ("? " * 100_000, "nested too deeply"),
    "many values": ("a: [" + "x," * 100_000 + "]", "over 10,000 values"),
    "many sections": ("".join(f"a{i}: x\n" for i in range(4_900)), "and 4,8.. more"),
    "many fields": ("trainer:\n" + "".join(f"  seed{i}: x\n" for i in range(4_900)), "and 4,8.. more"),
    "one key often": ("a: x\n" * 4_900, "and 4,8.. more"),
    "a large file": ("#" * 100_000_000, "over 1,000,000 bytes"),
    "a large number": ("trainer: {max_steps: " + "1" * 900_000 + "}", "expected int"),
    "a number beyond floats": ("trainer: {max_steps: " + "1" * 400 + "}", "expected int"),
    "a doubling text": (names(*doubling(45)), "what comes out is too large"),
    "a doubling text, last first": (names(*(f"${{model.names[{i}]}}" * 2 for i in range(1, 46)), "x"), "in a row"),
    "doubling lists": (
        names("x", *(f'["${{model.names[{i}]}}", "${{model.names[{i}]}}"]' for i in range(45))),
        "what comes out is too large",
    ),
    "many marks in a text": (names("${data.seed}" * 6_000), "too much to interpolate: 6000 times"),
    "many marks in many texts": (names(*["${data.seed}"] * 101), "too much to interpolate: 101 times"),
    "nested marks": (names("${a." * 90 + "}" * 90), "is not of the form"),
    "nested brackets": (names("'${oc.create:" + "[" * 900 + "]" * 900 + "}'"), "is not of the form|cannot interp"),
    "a long text": (names("'${oc.create:[" + "a," * 40_000 + "]}'"), "too much to interpolate"),
    "a text of itself": (names("${model.names[0]}"), "cannot interpolate"),
    "texts of each other": (names("${model.names[1]}", "${model.names[0]}"), "cannot interpolate"),
}


@pytest.mark.fault("F8")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_no_time(registry: Registry, tmp_path: Path, name: str) -> None:
    """Deep, many, large, or small and growing."""
    text, reason = BOMBS[name]
    file = tmp_path / "train.yaml"
    file.write_text(text)
    started = time.process_time()

    with pytest.raises(ConfigError, match=reason) as error:
        resolve(registry, config_file=file, task="copy")

    assert SECONDS > time.process_time() - started
    assert len(str(error.value)) < 20_000


def test_texts_may_refer_to_each_other_within_limits(resolved: Resolve) -> None:
    """An empty text that doubles stays empty, however often; ten in a row, in any order; a list of lists."""
    chain = [f"${{model.names[{i}]}}" for i in range(1, 10)]
    config = resolved(yaml=names(*doubling(45, "''"), *doubling(3)[:1]), task="copy").config
    assert [""] * 46 + ["x"] == config.model.config.names
    assert ["x"] * 10 == resolved(yaml=names(*chain, "x"), task="copy").config.model.config.names


@pytest.mark.parametrize("text", ["${", "${a}", r"\${a}", r"\\${", r"\\\${x} \${", "$ {", "a" + "${" * 30_000])
def test_a_text_that_only_looks_so_costs_nothing(registry: Registry, tmp_path: Path, text: str) -> None:
    """What a dump has escaped is read without interpolation, whatever its length."""
    from seqtrain.config.dump import dump_yaml, escaped  # noqa: PLC0415

    file = tmp_path / "train.yaml"
    file.write_text(dump_yaml(escaped({"model": {"name": "everything", "word": text}})))
    started = time.process_time()

    assert text == resolve(registry, config_file=file, task="copy").config.model.config.word
    assert SECONDS > time.process_time() - started
