"""Two configurations side by side."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seqtrain.config.plain import Difference, differences
from seqtrain.config.resolve import Resolved

Resolve = Callable[..., Resolved]


def between(resolved: Resolve, *overrides: str, before: tuple[str, ...] = ()) -> list[Difference]:
    return differences(resolved(*before).config, resolved(*before, *overrides).config)


def test_equal_configurations_have_no_differences(resolved: Resolve) -> None:
    """Whatever they hold."""
    assert between(resolved, "trainer.seed=1", before=("model.name=everything",)) == []


@pytest.mark.parametrize(
    ("argument", "key", "old", "new", "may_change"),
    [
        ("trainer.patience=7", "trainer.patience", 4, 7, True),
        ("trainer.seed=7", "trainer.seed", 1, 7, False),
        ("model.dropout=0.4", "model.dropout", 0.3, 0.4, False),
        ("model.norm=pre", "model.norm", "post", "pre", False),
        ("model.name=lstm", "model.name", "transformer", "lstm", False),
        ("task.tokenizer.vocab_size=99", "task.tokenizer.vocab_size", 8000, 99, False),
        ("task.tokenizer.name=char", "task.tokenizer.name", "bpe", "char", False),
        ("task.tokenizer=null", "task.tokenizer", {"name": "bpe", "vocab_size": 8000}, None, False),
        ("task.generation.beam=9", "task.generation.beam", 4, 9, False),
        ("task.valid.a=x", "task.valid", None, {"a": "x"}, False),
        ("task.train=[a]", "task.train", None, ["a"], False),
        ("callbacks.ema.decay=0.5", "callbacks.ema.decay", 0.99, 0.5, False),
        ("callbacks.ema=null", "callbacks.ema", {"name": "ema", "decay": 0.99, "start": 0}, None, False),
        ("callbacks.other={}", "callbacks.other", None, {"name": "other", "warmup": 0}, False),
        ("trackers.tensorboard=null", "trackers.tensorboard", {"name": "tensorboard"}, None, True),
        ("logging.level=error", "logging.level", "info", "error", True),
        ("checkpoint.keep_last=9", "checkpoint.keep_last", 3, 9, True),
        ("distributed.workers=2", "distributed.workers", 1, 2, True),
    ],
)
def test_a_difference_is_listed(
    resolved: Resolve, argument: str, key: str, old: object, new: object, may_change: bool
) -> None:
    """With both values, and whether a resumed run may take the new one."""
    found = [each for each in between(resolved, argument) if each.key != "trainer.max_steps" or "max_steps" in argument]

    assert found == [Difference(key=key, old=old, new=new, may_change=may_change)]


def test_the_units_of_a_cadence_may_change_as_the_cadence_may(resolved: Resolve) -> None:
    """Their own fields do not say so."""
    found = between(resolved, "trainer.validate.steps=5")

    assert [(each.key, each.may_change) for each in found] == [
        ("trainer.validate.steps", True),
        ("trainer.validate.epochs", True),
    ]
    assert not between(resolved, "model.every.epochs=1", before=("model.name=everything",))[0].may_change


def test_entries_of_a_map_are_compared_one_by_one(resolved: Resolve) -> None:
    """Changed, gone and new."""
    found = between(resolved, "task.valid={a: y, c: z}", before=("task.valid={a: x, b: y}",))

    assert [("task.valid.a", "x", "y"), ("task.valid.b", "y", None), ("task.valid.c", None, "z")] == [
        (each.key, each.old, each.new) for each in found
    ]


def test_a_difference_reads_well(resolved: Resolve) -> None:
    """As one line of a message."""
    assert str(between(resolved, "model.dropout=0.4")[0]) == "model.dropout: 0.3 -> 0.4"
