"""A best_metric that stays the same is warned of."""

from __future__ import annotations

import pytest

from seqtrain.training.constant_measure import ConstantMeasure


def feed(values: list[float], patience: int | None = None, *, end: bool = False) -> ConstantMeasure:
    """Validate with these values of `bleu`, and a loss that falls."""
    watcher = ConstantMeasure("bleu", patience)
    for number, value in enumerate(values):
        watcher.seqtrain_validation_end({"loss": 5.0 - number, "bleu": value, "exact_match": 0.0})
    if end:
        watcher.seqtrain_run_end()
    return watcher


@pytest.mark.parametrize(
    ("values", "patience", "end", "warns"),
    [
        ([0.0, 0.0, 0.0], None, False, True),
        ([31.4, 31.4, 31.4], 10, False, True),
        ([0.0, 0.0], None, False, False),
        ([0.0, 0.0], 1, False, True),
        ([0.0, 0.0], None, True, True),
        ([0.0], None, True, False),
        ([], None, True, False),
        ([0.0, 0.0, 0.1], None, True, False),
        ([0.0, 0.1, 0.1, 0.1, 0.1], None, True, False),
        ([float("nan")] * 3, None, True, False),
    ],
)
def test_one_value_in_all_validations_is_warned_of(
    values: list[float], patience: int | None, end: bool, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After three, before patience ends the run, or at its end; a measure that has ever changed tells checkpoints."""
    feed(values, patience, end=end)

    assert warns == ("cannot tell which checkpoint is best" in caplog.text)


def test_the_warning_names_what_to_choose_instead(caplog: pytest.LogCaptureFixture) -> None:
    """It comes once, with the measures that do change."""
    feed([0.0] * 7, end=True)

    assert 1 == len(caplog.records)
    assert "trainer.best_metric=bleu is 0 in all 3 validations" in caplog.text
    assert caplog.records[0].getMessage().endswith("Set trainer.best_metric to a measure that changes: loss")


def test_a_measure_that_is_not_there_is_left_to_the_trainer(caplog: pytest.LogCaptureFixture) -> None:
    """Which refuses it with a message of its own."""
    watcher = ConstantMeasure("blue", None)
    for _ in range(3):
        watcher.seqtrain_validation_end({"loss": 1.0})

    assert "" == caplog.text
