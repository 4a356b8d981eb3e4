"""The shapes of a model's weights, without memory for them."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from seqtrain.errors import CheckpointError, ConfigError, PluginError
from seqtrain.training.meta_model import shapes_of


def test_nothing_is_allocated() -> None:
    """40 TB of weights are two shapes."""
    shapes = shapes_of(lambda: nn.Linear(10_000_000, 1_000_000), 2)

    assert shapes == {"weight": (1_000_000, 10_000_000), "bias": (1_000_000,)}


def test_initial_weights_are_those_that_they_would_have_been() -> None:
    """Dropout, too: the random state is as before."""
    torch.manual_seed(1)
    expected = nn.Linear(3, 3).weight
    torch.manual_seed(1)

    shapes_of(lambda: nn.Sequential(nn.Linear(3, 3), nn.Dropout()), 2)

    assert torch.equal(nn.Linear(3, 3).weight, expected)
    assert torch.empty(1).device.type == "cpu"


def computes() -> nn.Module:
    return nn.Linear(2, int(torch.arange(3).sum().item()))


def uses_python() -> nn.Module:
    raise PluginError("cannot be built: ...") from ValueError("no luck")


@pytest.mark.parametrize("build", [computes, uses_python, lambda: nn.LazyLinear(3)])
def test_what_needs_numbers_is_not_known(build) -> None:
    """It is compared later, with its weights."""
    assert shapes_of(build, 2) is None


def test_a_model_without_end_is_given_up() -> None:
    """As a million layers would take memory even without weights."""
    with pytest.raises(CheckpointError, match="more than 1,008 weights"):
        shapes_of(lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**9))), 2)


def test_sizes_that_overflow_are_refused() -> None:
    """Whether it is torch who says so or a plugin that had it from there."""

    def wrapped() -> nn.Module:
        try:
            return nn.Linear(10**18, 100)
        except RuntimeError as error:
            raise PluginError(f"cannot be built: {error}") from error

    for build in (lambda: nn.Linear(10**18, 100), wrapped):
        with pytest.raises(CheckpointError, match="sizes that no memory has \\(Storage size"):
            shapes_of(build, 2)


def test_settings_that_contradict_each_other_are_told() -> None:
    """As they would be with memory."""

    def build() -> nn.Module:
        raise ConfigError("heads=3 does not divide 4")

    with pytest.raises(ConfigError, match="heads=3"):
        shapes_of(build, 2)


def test_nothing_is_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    """What the model says is said when it is built for good."""

    def build() -> nn.Module:
        logging.getLogger("acme").warning("built")
        return nn.Linear(1, 1)

    with caplog.at_level(logging.INFO):
        shapes_of(build, 2)
        assert caplog.text == ""
        build()

    assert caplog.text.count("built") == 1
