"""What weight decay leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqtrain_optim.lion import Lion
from seqtrain_optim.muon import Muon
from seqtrain_optim.nag import NAG
from seqtrain_optim.optimizer_config import (
    AdadeltaConfig,
    AdafactorConfig,
    AdagradConfig,
    AdamaxConfig,
    AdamConfig,
    AdamWConfig,
    LionConfig,
    MuonConfig,
    NAGConfig,
    ScheduleFreeConfig,
    SGDConfig,
)
from seqtrain_optim.optimizers import adadelta, adafactor, adagrad, adam, adamax, adamw, sgd
from seqtrain_optim.parameter_groups import decay_groups
from seqtrain_optim.schedule_free import ScheduleFree

ALL = [
    (adadelta, AdadeltaConfig),
    (adafactor, AdafactorConfig),
    (adagrad, AdagradConfig),
    (adam, AdamConfig),
    (adamax, AdamaxConfig),
    (adamw, AdamWConfig),
    (sgd, SGDConfig),
    (Lion, LionConfig),
    (Muon, MuonConfig),
    (NAG, NAGConfig),
    (ScheduleFree, ScheduleFreeConfig),
]


def make_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 4), nn.LayerNorm(4), nn.Conv1d(4, 2, kernel_size=3))


def trained(make, config) -> dict[str, torch.Tensor]:
    """Return the layers' parameters by name after three updates with equal gradients."""
    layers = make_layers()
    optimizer = make(config, parameters=layers.parameters())
    for step in range(3):
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        for parameter in layers.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return {name: parameter.detach() for name, parameter in layers.named_parameters()}


def test_norms_and_biases_are_those_of_one_dimension():
    """Of these layers, a norm's weight and all biases; embeddings and convolutions have more dimensions."""
    layers = make_layers()
    config = AdamWConfig(weight_decay=0.5, decay_norms_and_biases=False)
    decayed, spared = decay_groups(layers.parameters(), config)
    names = {parameter: name for name, parameter in layers.named_parameters()}

    assert [names[each] for each in decayed["params"]] == ["0.weight", "1.weight", "3.weight"]
    assert [names[each] for each in spared["params"]] == ["1.bias", "2.weight", "2.bias", "3.bias"]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.5, 0.0)


def test_by_default_everything_decays():
    """As in fairseq: one group, in the model's order."""
    layers = make_layers()
    (group,) = decay_groups(layers.parameters(), AdamWConfig(weight_decay=0.5))

    assert list(map(id, group["params"])) == list(map(id, layers.parameters()))
    assert group["weight_decay"] == 0.5


@pytest.mark.parametrize("shape", [(2,), (2, 2)])
def test_no_group_is_empty(shape):
    """A model of matrices alone, or of vectors alone, has a single group."""
    groups = decay_groups([nn.Parameter(torch.zeros(shape))], AdamWConfig(decay_norms_and_biases=False))

    assert [len(group["params"]) for group in groups] == [1]


@pytest.mark.parametrize(("make", "config"), ALL)
def test_every_optimizer_spares_them_on_request(make, config):
    """Then norms and biases end where they would without decay, and matrices where they would with it."""
    without, everywhere, spared = (
        trained(make, config(**settings))
        for settings in (
            {"weight_decay": 0.0},
            {"weight_decay": 0.5},
            {"weight_decay": 0.5, "decay_norms_and_biases": False},
        )
    )

    for name, parameter in spared.items():
        expected, other = (everywhere, without) if parameter.dim() > 1 else (without, everywhere)
        torch.testing.assert_close(parameter, expected[name])
        assert name == "1.bias" or not torch.equal(parameter, other[name]), name
