"""The optimizers against the formulas, against torch, and across a restart."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from seqtrain_optim.config import AdamConfig, AdamWConfig, SGDConfig
from seqtrain_optim.optimizers import adam, adamw, sgd

CASES = [
    (adam, AdamConfig(weight_decay=0.1)),
    (adamw, AdamWConfig(weight_decay=0.1)),
    (sgd, SGDConfig(momentum=0.9, nesterov=True, weight_decay=0.1)),
]


def make_parameters(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in [(3, 4), (5,)]]


def update(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 / (1 + step)  # as a scheduler does
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def one_step(make, config, *, weight: float, gradient: float) -> float:
    parameter = nn.Parameter(torch.tensor([weight], dtype=torch.float64))
    optimizer = make(config, parameters=[parameter])
    parameter.grad = torch.tensor([gradient], dtype=torch.float64)
    optimizer.step()
    return parameter.item()


def test_adamw_takes_decay_off_the_weight():
    """The first step moves by lr against the gradient's sign, and by lr * decay * weight whatever the gradient."""
    config = AdamWConfig(lr=0.1, weight_decay=0.5)
    assert one_step(adamw, config, weight=2.0, gradient=3.0) == pytest.approx(2.0 - 0.1 * 0.5 * 2.0 - 0.1)


def test_adam_adds_decay_to_the_gradient():
    """A decay of 0.5 turns gradient -0.4 at weight 2 into 0.6, and the first step goes the other way, by lr."""
    config = AdamConfig(lr=0.1, weight_decay=0.5)
    assert one_step(adam, config, weight=2.0, gradient=-0.4) == pytest.approx(2.0 - 0.1)


def test_sgd_by_hand():
    """Without momentum a step is lr * (gradient + decay * weight)."""
    config = SGDConfig(lr=0.1, weight_decay=0.5)
    assert one_step(sgd, config, weight=2.0, gradient=3.0) == pytest.approx(2.0 - 0.1 * (3.0 + 1.0))


@pytest.mark.parametrize(
    ("make", "config", "theirs"),
    [
        (adam, AdamConfig(), torch.optim.Adam),
        (adamw, AdamWConfig(), torch.optim.AdamW),
        (sgd, SGDConfig(momentum=0.9), torch.optim.SGD),
    ],
)
def test_as_torch_without_fused_kernels(make, config, theirs):
    """Twenty updates agree with torch's plain loop over parameters."""
    ours, expected = make_parameters(), make_parameters()
    settings = {name: getattr(config, name) for name in config.__dataclass_fields__}
    pairs = [
        (make(config, parameters=ours), ours),
        (theirs(expected, foreach=False, fused=False, **settings), expected),
    ]
    for step in range(20):
        for optimizer, parameters in pairs:
            update(optimizer, parameters, step)
    for parameter, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "config"), CASES)
def test_fused_kernels_are_used_on_the_cpu(make, config):
    """All three take torch's kernels that update every parameter in one call."""
    assert make(config, parameters=make_parameters()).param_groups[0]["fused"] is True


@pytest.mark.parametrize(("make", "config"), CASES)
def test_parameters_may_come_from_a_generator(make, config):
    """An iterable that can be read only once is enough."""
    parameters = make_parameters()
    assert make(config, parameters=iter(parameters)).param_groups[0]["params"] == parameters


@pytest.mark.parametrize(("make", "config"), CASES)
@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_restart_changes_no_bit(make, config, cut):
    """Weights and state saved after some updates go on, in a fresh optimizer, to the same bits."""
    undisturbed = make_parameters()
    optimizer = make(config, parameters=undisturbed)
    for step in range(10):
        update(optimizer, undisturbed, step)

    first = make_parameters()
    optimizer = make(config, parameters=first)
    for step in range(cut):
        update(optimizer, first, step)
    saved = copy.deepcopy(optimizer.state_dict())
    for group in saved["param_groups"]:
        group.update({name: list(value) for name, value in group.items() if isinstance(value, tuple)})  # as JSON does
    second = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    optimizer = make(config, parameters=second)
    optimizer.load_state_dict(saved)
    for step in range(cut, 10):
        update(optimizer, second, step)
    assert all(map(torch.equal, second, undisturbed))


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9)])
def test_betas_outside_their_range_are_refused(betas):
    """The message names the range and the values."""
    with pytest.raises(ValueError, match=r"betas must both lie in \[0, 1\), got"):
        AdamConfig(betas=betas)


def test_nesterov_without_momentum_is_refused():
    """Looking ahead along no momentum makes no sense, and the message says what would."""
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        SGDConfig(nesterov=True)
