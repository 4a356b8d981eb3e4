"""MetricSums and the measures made of them."""

from __future__ import annotations

import json
import math

import pytest
import torch

from seqtrain.metrics.sums import MetricSums


def test_means_divide_once_by_the_whole_sample_size() -> None:
    """(6 + 4) / (3 + 1) = 2.5, not the mean of 2 and 4."""
    sums = MetricSums()
    sums.add({"loss": torch.tensor(6.0), "num_targets": 3}, 3)
    sums.add({"loss": torch.tensor(4.0), "num_targets": 1}, 1)

    assert {"loss": 2.5} == sums.means()
    assert 4 == sums.totals()["num_targets"]


def test_perplexity_is_the_exponential_of_the_loss_in_nats() -> None:
    """exp(2 ln 2 / 2) = 2; beyond what a float holds it stays finite."""
    sums = MetricSums()
    sums.add({"nll_loss": 2 * math.log(2)}, 2)
    assert pytest.approx(2.0) == sums.means()["ppl"]

    sums.add({"nll_loss": 1e9}, 1)
    assert math.isfinite(sums.means()["ppl"])


def test_sums_are_kept_in_double_precision() -> None:
    """2**24 + 1 is lost in fp32."""
    sums = MetricSums()
    sums.add({"loss": torch.tensor(2.0**24)}, 1)
    sums.add({"loss": torch.tensor(1.0)}, 0)

    assert 2.0**24 + 1 == sums.means()["loss"]


def test_a_saved_state_goes_on_to_the_bit() -> None:
    """Through JSON and back, then adding, equals adding without the detour."""
    values = [torch.tensor(0.1), torch.tensor(0.2), torch.tensor(0.3)]
    straight, first, second = MetricSums(), MetricSums(), MetricSums()
    for value in values:
        straight.add({"loss": value, "num_targets": 7}, 7)
    for value in values[:2]:
        first.add({"loss": value, "num_targets": 7}, 7)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.add({"loss": values[2], "num_targets": 7}, 7)

    assert straight.state_dict() == second.state_dict()


def test_nothing_added_gives_no_measures() -> None:
    """A reset leaves nothing behind, and nothing is divided by zero."""
    sums = MetricSums()
    sums.add({"loss": 1.0}, 0)
    assert {"loss": 1.0} == sums.means()

    sums.reset()
    assert {} == sums.means()
