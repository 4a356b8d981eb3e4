"""The command that proves for a user's own run that it resumes bit for bit."""

from __future__ import annotations

import json

import pytest
import torch

from seqtrain.cli.main import main
from seqtrain.run.compare import differing, leaves

FORGETFUL = """
from seqtrain.plugin import Component, hookimpl


class Forgetful:
    def __init__(self, config):
        self.steps = 0

    @hookimpl
    def seqtrain_step_end(self, trainer):
        self.steps += 1
        for parameter in trainer.model.parameters():
            parameter.data.add_(self.steps * 1e-4)


@hookimpl
def seqtrain_components():
    yield Component(kind="callback", name="forgetful", ref=__name__ + ":Forgetful")
"""


@pytest.mark.slow
def test_a_run_that_goes_on_exactly_is_said_to(workshop, cli, tmp_path):
    """With dropout, an average of the weights, prefetching, accumulation and validations."""
    settings = workshop.settings(
        model__dropout=0.2, callbacks__ema__decay=0.9, trainer__micro_batches_per_step=2, trainer__max_steps="null"
    )
    outcome = cli("verify-resume", *settings, "--steps", 5, "--json")

    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert ("seqtrain.verify-resume/1", 10, []) == (result["schema"], result["steps"], result["differing"])
    assert {"model", "optimizer", "progress", "data", "callbacks.ema", "metrics.jsonl"} <= {
        "callbacks.ema" if part == "callbacks" else part for part in result["items"]
    }
    assert all(result["items"].values())


@pytest.mark.slow
def test_a_run_that_does_not_is_told_where_it_differs(workshop, cli_process, plugin_folder, monkeypatch):
    """A callback that keeps a number to itself changes the weights by it."""
    monkeypatch.setenv("PYTHONPATH", str(plugin_folder("forgetful", FORGETFUL)))
    settings = workshop.settings(callbacks__forgetful="{}", trainer__max_steps="null")
    process = cli_process("verify-resume", *settings, "--steps", "4")
    out, err = process.communicate(timeout=600)

    assert process.returncode == 1, err.decode()
    assert "model." in out.decode()
    assert " differ:" in out.decode()


def test_a_run_that_ends_too_early_is_told(workshop, cli):
    """Its own limit comes before the steps that are to be compared."""
    outcome = cli("verify-resume", *workshop.settings(trainer__max_steps=3), "--steps", 5)

    assert outcome.code == 1
    assert "The run ended (exit code 0) before step 10" in outcome.err
    assert "choose fewer --steps" in outcome.err


def test_wrong_settings_are_told_before_anything_is_trained(capsys):
    """As by `seqtrain train`."""
    assert main(["verify-resume", "--task", "translation", "trainer.max_step=3"]) == 3
    assert "Did you mean 'max_steps'" in capsys.readouterr().err


def test_every_difference_has_a_name():
    """Values, types, shapes, and what only one of them has; clocks do not count, and NaN is itself."""
    first = leaves({"a": {"b": [1, 2.0, float("nan")]}, "t": torch.zeros(2), "p": {"train_seconds": 3}, "only": None})
    second = leaves({"a": {"b": [1, 2.5, float("nan")]}, "t": torch.zeros(3), "p": {"train_seconds": 4}, "new": {}})

    assert ["a.b.1", "t", "only", "new"] == differing(first, second)
    assert [] == differing(first, first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bits_count_not_values(dtype):
    """Zero is not minus zero, though they are equal; the same NaN is no difference, in a number of its own too."""
    zeros, minus = torch.zeros(3, dtype=dtype), -torch.zeros(3, dtype=dtype)
    nan = torch.tensor(float("nan"), dtype=dtype)

    assert ["t"] == differing({"t": zeros, "nan": nan}, {"t": minus, "nan": nan.clone()})
    assert [] == differing({"t": torch.empty(0)}, {"t": torch.empty(0)})
