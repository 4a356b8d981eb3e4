"""A temperature evens out the sizes of corpora; numbers are worked by hand."""

from __future__ import annotations

import logging
import math

import pytest

from seqtrain.protocols import DatasetPart
from seqtrain_text.mixing import epoch_weights, report_mixture


def test_temperature_one_changes_nothing() -> None:
    """Not even in the last digit: a run that was started before there were temperatures goes on."""
    assert [1.0, 0.1 + 0.2] == epoch_weights([7, 13], [1.0, 0.1 + 0.2], 1.0)


def test_shares_go_with_a_root_of_the_sizes() -> None:
    """Of 900 and 100, at T=2 the shares are 30:10; the epoch keeps its 1000 examples, 750 and 250."""
    assert [750 / 900, 250 / 100] == pytest.approx(epoch_weights([900, 100], [1, 1], 2))


def test_weights_count_on_top() -> None:
    """Of 900 and 100 twice, 1100 an epoch: shares 30:20, so 660 and 440."""
    assert [660 / 900, 440 / 100] == pytest.approx(epoch_weights([900, 100], [1, 2], 2))


def test_another_root() -> None:
    """Of 1000, 8 and 1 at T=3: shares 10:2:1 of 1009."""
    weights = epoch_weights([1000, 8, 1], [1, 1, 1], 3)

    assert [10 / 13 * 1009 / 1000, 2 / 13 * 1009 / 8, 1 / 13 * 1009] == pytest.approx(weights)


def test_an_endless_temperature_makes_all_alike() -> None:
    """However different their sizes are."""
    assert [101 / 200, 101 / 2] == epoch_weights([100, 1], [1, 1], math.inf)


@pytest.mark.parametrize("temperature", [1.0, 1.5, 2.0, 7.0, math.inf])
def test_an_epoch_has_as_many_examples_as_before(temperature: float) -> None:
    """Whatever the temperature, the sum of weight * size."""
    sizes, weights = [123_456, 789, 3], [1.0, 0.5, 20.0]

    seen = sum(s * w for s, w in zip(sizes, epoch_weights(sizes, weights, temperature), strict=True))

    assert pytest.approx(123_456 + 394.5 + 60) == seen


def test_one_corpus_is_taken_as_it_is() -> None:
    """There is nothing to even out."""
    assert [2.5] == epoch_weights([300], [2.5], 4.0)


def test_what_an_epoch_is_made_of_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Where it is made of several corpora."""
    caplog.set_level(logging.INFO)

    report_mixture(["a.txt"], [DatasetPart(0, 5)])
    assert [] == caplog.messages

    report_mixture(["a.txt", "b.txt"], [DatasetPart(0, 900, 0.5), DatasetPart(900, 1000, 1.5)])
    assert [
        "a.txt: 450 examples an epoch, 75.0 % of it",
        "b.txt: 150 examples an epoch, 25.0 % of it",
    ] == caplog.messages
