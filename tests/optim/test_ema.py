"""The weight average: its numbers, its place during validation, and its state."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from seqtrain.errors import CheckpointError
from seqtrain.protocols import Stateful, SuppliesWeights
from seqtrain.registry.hooks import run_hooks
from seqtrain.training.progress import Progress
from seqtrain_optim.ema import EMA
from seqtrain_optim.ema_config import EMAConfig


def make_trainer(model: nn.Module) -> SimpleNamespace:
    return SimpleNamespace(model=model, progress=Progress())


def make_model(value: float = 0.0) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def run(ema: EMA, trainer: SimpleNamespace, *values: float) -> list[float]:
    """Make steps that leave the weight at these values; return the average after each."""
    averages = []
    for value in values:
        nn.init.constant_(trainer.model.weight, value)
        trainer.progress.step += 1
        ema.seqtrain_step_end(trainer)
        averages.append(ema.weights()["weight"].item())
    return averages


def test_the_run_finds_its_hooks():
    """Called by the run's hooks, it starts, averages, and gives way to the trained weights after validation."""
    ema, trainer = EMA(EMAConfig(decay=0.5, warmup=False)), make_trainer(make_model(0.0))
    hooks = run_hooks({"callbacks.ema": ema}).hook
    hooks.seqtrain_run_start(trainer=trainer)
    nn.init.constant_(trainer.model.weight, 4.0)
    trainer.progress.step = 1
    hooks.seqtrain_step_end(trainer=trainer)
    hooks.seqtrain_validation_start(trainer=trainer)
    assert trainer.model.weight.item() == 2.0
    hooks.seqtrain_validation_end(trainer=trainer, measures={})
    assert trainer.model.weight.item() == 4.0


def test_average_by_hand():
    """From 0, with decay 0.75 and weights of 4: 1, then 1.75, then 2.3125."""
    ema, trainer = EMA(EMAConfig(decay=0.75, warmup=False)), make_trainer(make_model(0.0))
    ema.seqtrain_run_start(trainer)
    assert run(ema, trainer, 4.0, 4.0, 4.0) == [1.0, 1.75, 2.3125]


def test_closed_form():
    """After n steps it is d^n of the start and (1 - d) d^(n - k) of the k-th weights."""
    decay, values = 0.9, [float(k * k % 7) for k in range(1, 31)]
    ema, trainer = EMA(EMAConfig(decay=decay, warmup=False)), make_trainer(make_model(5.0))
    ema.seqtrain_run_start(trainer)
    n = len(values)
    expected = decay**n * 5.0 + sum((1 - decay) * decay ** (n - k) * value for k, value in enumerate(values, start=1))
    assert run(ema, trainer, *values)[-1] == pytest.approx(expected, rel=1e-5)


def test_warmup_of_the_decay():
    """The first decays are 2/11 and 3/12; later ones stop at `decay`."""
    ema, trainer = EMA(EMAConfig(decay=0.25)), make_trainer(make_model(0.0))
    ema.seqtrain_run_start(trainer)
    first = 11.0 * (1 - 2 / 11)
    second = first * 3 / 12 + 7.0 * 9 / 12
    third = second * 0.25 + 1.0 * 0.75
    assert run(ema, trainer, 11.0, 7.0, 1.0) == pytest.approx([first, second, third])


def test_before_its_start_it_equals_the_weights():
    """With `start_step` 2 the first two averages are the weights themselves, bit for bit."""
    ema, trainer = EMA(EMAConfig(decay=0.5, warmup=False, start_step=2)), make_trainer(make_model(0.0))
    ema.seqtrain_run_start(trainer)
    assert run(ema, trainer, 3.0, 0.1, 4.0) == pytest.approx([3.0, 0.1, 2.05])


def test_validation_sees_the_average_and_training_its_own_weights():
    """The average is in place from validation's start to its end, and the weights come back bit for bit."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ema, trainer = EMA(EMAConfig(decay=0.5)), make_trainer(model)
    ema.seqtrain_run_start(trainer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    trainer.progress.step = 1
    ema.seqtrain_step_end(trainer)
    before = copy.deepcopy(model.state_dict())
    average = {name: tensor.clone() for name, tensor in ema.weights().items()}

    ema.seqtrain_validation_start(trainer)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, average[name])
        assert not torch.equal(parameter, before[name])
    ema.seqtrain_validation_end(trainer, {})

    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(tensor, average[name]) for name, tensor in ema.weights().items())


def test_validation_may_use_the_trained_weights():
    """Then the average is kept, but neither validation nor prediction gets it."""
    ema, trainer = EMA(EMAConfig(use_for_validation=False)), make_trainer(make_model(1.0))
    ema.seqtrain_run_start(trainer)
    nn.init.constant_(trainer.model.weight, 9.0)
    ema.seqtrain_validation_start(trainer)
    assert trainer.model.weight.item() == 9.0
    ema.seqtrain_validation_end(trainer, {})
    assert not ema.weights()
    assert ema.state_dict()["average"]["weight"].item() == 1.0


def test_training_is_not_touched():
    """Nothing the average does reaches the weights' gradient or graph."""
    model = make_model(1.0)
    ema, trainer = EMA(EMAConfig()), make_trainer(model)
    ema.seqtrain_run_start(trainer)
    run(ema, trainer, 2.0)
    assert model.weight.item() == 2.0
    assert model.weight.grad is None
    assert not ema.weights()["weight"].requires_grad


def test_a_restart_changes_no_bit():
    """State saved after three steps and loaded into a fresh average goes on to the same bits."""
    values = [0.1, 0.7, 0.3, 0.9, 0.2]
    undisturbed, trainer = EMA(EMAConfig()), make_trainer(make_model(5.0))
    undisturbed.seqtrain_run_start(trainer)
    whole = run(undisturbed, trainer, *values)

    first, trainer = EMA(EMAConfig()), make_trainer(make_model(5.0))
    first.seqtrain_run_start(trainer)
    before = run(first, trainer, *values[:3])
    second = EMA(EMAConfig())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.seqtrain_run_start(trainer)
    assert before + run(second, trainer, *values[3:]) == whole


def test_a_loaded_average_supplies_weights_without_a_trainer():
    """Prediction loads the state and asks for the weights; no run ever starts."""
    ema = EMA(EMAConfig())
    ema.load_state_dict({"average": {"weight": torch.tensor([[7.0]])}})
    assert isinstance(ema, SuppliesWeights)
    assert isinstance(ema, Stateful)
    model = make_model()
    model.load_state_dict(dict(ema.weights()), strict=False)
    assert model.weight.item() == 7.0


def test_an_average_of_another_model_is_refused():
    """The error lists the parameters that only one of the two has."""
    ema = EMA(EMAConfig())
    ema.load_state_dict({"average": {"gate": torch.zeros(1)}})
    with pytest.raises(CheckpointError, match="gate, weight"):
        ema.seqtrain_run_start(make_trainer(make_model()))


def test_tied_weights_are_averaged_once():
    """Two names of one parameter share one average and come back together."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    ema, trainer = EMA(EMAConfig()), make_trainer(model)
    ema.seqtrain_run_start(trainer)
    assert list(ema.weights()) == ["0.weight"]
    before = model[1].weight.detach().clone()
    ema.seqtrain_validation_start(trainer)
    ema.seqtrain_validation_end(trainer, {})
    assert torch.equal(model[1].weight, before)
