"""The optimizers against the formulas, against torch, and across a restart."""

from __future__ import annotations

import copy
import math

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
from seqtrain_optim.schedule_free import ScheduleFree

FUSED = [
    (adam, AdamConfig(weight_decay=0.1)),
    (adamw, AdamWConfig(weight_decay=0.1)),
    (sgd, SGDConfig(momentum=0.9, nesterov=True, weight_decay=0.1)),
    (NAG, NAGConfig(weight_decay=0.1)),
]
CASES = [
    *FUSED,
    (adafactor, AdafactorConfig(weight_decay=0.1)),
    (adagrad, AdagradConfig(weight_decay=0.1)),
    (adadelta, AdadeltaConfig(weight_decay=0.1)),
    (adamax, AdamaxConfig(weight_decay=0.1)),
    (Lion, LionConfig(weight_decay=0.1)),
    (Muon, MuonConfig(weight_decay=0.1)),
    (ScheduleFree, ScheduleFreeConfig(weight_decay=0.1)),
    (adamw, AdamWConfig(weight_decay=0.1, decay_norms_and_biases=False)),
    (Muon, MuonConfig(weight_decay=0.1, decay_norms_and_biases=False)),
]
each_optimizer = pytest.mark.parametrize(
    ("make", "config"), CASES, ids=[f"{make.__name__}-{config.decay_norms_and_biases}" for make, config in CASES]
)


def make_parameters(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in [(3, 4), (5,)]]


def update(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 / (1 + step)  # as a scheduler does
    optimizer.zero_grad()
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def steps(make, config, *, weight: float, gradients: list[float]) -> list[float]:
    """Return where a single weight is after each of these gradients."""
    parameter = nn.Parameter(torch.tensor([weight], dtype=torch.float64))
    optimizer = make(config, parameters=[parameter])
    weights = []
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        weights.append(parameter.item())
    return weights


def one_step(make, config, *, weight: float, gradient: float) -> float:
    return steps(make, config, weight=weight, gradients=[gradient])[0]


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


def test_adagrad_by_hand():
    """The root of 3^2 makes the first step lr; that of 3^2 + 4^2 the second lr * 4 / 5."""
    config = AdagradConfig(lr=0.1)
    assert steps(adagrad, config, weight=2.0, gradients=[3.0, 4.0]) == pytest.approx([1.9, 1.9 - 0.08])


def test_adamax_by_hand():
    """
    With betas 0.5 the averages are 2 and 1, the largest gradients 4 and max(0.5 * 4, 0) = 2.

    Corrected by 1 - 0.5 and 1 - 0.25, the steps are lr * (2 / 0.5) / 4 and lr * (1 / 0.75) / 2.
    """
    config = AdamaxConfig(lr=0.3, betas=(0.5, 0.5))
    assert steps(adamax, config, weight=2.0, gradients=[4.0, 0.0]) == pytest.approx([1.7, 1.5])


def test_adadelta_by_hand():
    """The first step is sqrt(eps) / sqrt((1 - rho) g^2 + eps) * g: with 0.09 and 0.16 under the roots, 0.3 / 0.5 * g."""
    config = AdadeltaConfig(rho=0.84, eps=0.09)
    assert one_step(adadelta, config, weight=2.0, gradient=1.0) == pytest.approx(2.0 - 0.6)


@pytest.mark.parametrize(("lr", "share"), [(0.1, 0.1), (5.0, 1.0)])
def test_adafactor_moves_by_a_share_of_the_weight(lr, share):
    """The first step has the size of min(lr, 1 / sqrt(1)) times the weight's own."""
    assert one_step(adafactor, AdafactorConfig(lr=lr), weight=2.0, gradient=3.0) == pytest.approx(2.0 - share * 2.0)


def test_adafactor_knows_a_matrix_by_its_row_and_column():
    """Squares that are a product of a row and a column are kept exactly: each weight moves alike in the first step."""
    parameter = nn.Parameter(torch.tensor([[3.0, -3.0], [3.0, 3.0]]))
    optimizer = adafactor(AdafactorConfig(lr=0.1), parameters=[parameter])
    parameter.grad = torch.tensor([[1.0, -2.0], [3.0, 6.0]])
    optimizer.step()

    torch.testing.assert_close(parameter.detach(), torch.tensor([[2.7, -2.7], [2.7, 2.7]]))
    assert sum(value.numel() for name, value in optimizer.state[parameter].items() if name != "step") == 4


def test_nag_makes_fairseq_s_updates():
    """Kept in steps and corrected for the changing learning rate, with decay first, the momentum moves a weight alike."""
    config = NAGConfig(momentum=0.9, weight_decay=0.5)
    parameter = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = NAG(config, parameters=[parameter])
    weight, buffer, last_lr = 2.0, 0.0, 0.1
    for lr, gradient in [(0.1, 3.0), (0.2, -1.0), (0.05, 0.5), (0.05, 2.0)]:
        optimizer.param_groups[0]["lr"] = lr
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        kept = config.momentum * lr / last_lr * buffer
        weight = (
            weight * (1 - lr * config.weight_decay) + config.momentum * kept - (1 + config.momentum) * lr * gradient
        )
        buffer, last_lr = kept - lr * gradient, lr
        assert parameter.item() == pytest.approx(weight)


def test_lion_steps_by_the_sign_of_an_average():
    """
    Steps of lr, and of lr * decay * weight.

    The average after gradient 3 is 0.01 * 3; so -0.2 gives 0.9 * 0.03 - 0.1 * 0.2 > 0, and the weight falls again.
    """
    config = LionConfig(lr=0.1, weight_decay=0.5)
    first = 2.0 * (1 - 0.05) - 0.1
    assert steps(Lion, config, weight=2.0, gradients=[3.0, -0.2]) == pytest.approx([first, first * (1 - 0.05) - 0.1])


@pytest.mark.parametrize(
    ("make", "config", "theirs", "settings"),
    [
        (adam, AdamConfig(lr=0.1), torch.optim.Adam, {"betas": (0.9, 0.98)}),
        (adamw, AdamWConfig(lr=0.1, betas=(0.8, 0.9)), torch.optim.AdamW, {"betas": (0.8, 0.9), "weight_decay": 0.01}),
        (sgd, SGDConfig(lr=0.1, momentum=0.9), torch.optim.SGD, {"momentum": 0.9}),
        (
            adafactor,
            AdafactorConfig(decay_rate=-0.5, clip_threshold=2.0, min_parameter_size=0.5, weight_decay=0.1),
            torch.optim.Adafactor,
            {"beta2_decay": -0.5, "d": 2.0, "eps": (None, 0.5), "weight_decay": 0.1},
        ),
        (adagrad, AdagradConfig(eps=0.1, weight_decay=0.1), torch.optim.Adagrad, {"eps": 0.1, "weight_decay": 0.1}),
        (adadelta, AdadeltaConfig(rho=0.5, eps=0.1), torch.optim.Adadelta, {"rho": 0.5, "eps": 0.1}),
        (adamax, AdamaxConfig(betas=(0.5, 0.6), eps=0.1), torch.optim.Adamax, {"betas": (0.5, 0.6), "eps": 0.1}),
    ],
)
def test_as_torch_without_fused_kernels(make, config, theirs, settings):
    """Every setting arrives: twenty updates agree with torch's plain loop over parameters."""
    ours, expected = make_parameters(), make_parameters()
    pairs = [
        (make(config, parameters=ours), ours),
        (theirs(expected, foreach=False, **settings), expected),
    ]
    for step in range(20):
        for optimizer, parameters in pairs:
            update(optimizer, parameters, step)
    for parameter, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-5, atol=1e-6)


@each_optimizer
def test_the_learning_rate_arrives(make, config):
    """It is what the scheduler's factor multiplies."""
    assert {group["lr"] for group in make(config, parameters=make_parameters()).param_groups} == {config.lr}


@pytest.mark.parametrize(("make", "config"), FUSED)
def test_fused_kernels_are_used_on_the_cpu(make, config):
    """These take torch's kernels that update every parameter in one call."""
    assert make(config, parameters=make_parameters()).param_groups[0]["fused"] is True


@each_optimizer
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


@pytest.mark.parametrize("config", [AdamConfig, AdamWConfig, AdamaxConfig, LionConfig, MuonConfig, ScheduleFreeConfig])
@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (math.nan, 0.9)])
def test_betas_outside_their_range_are_refused(config, betas):
    """The message names the range and the values."""
    with pytest.raises(ValueError, match=r"betas must both lie in \[0, 1\), got"):
        config(betas=betas)


def test_nesterov_without_momentum_is_refused():
    """Looking ahead along no momentum makes no sense, and the message says what would."""
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        SGDConfig(nesterov=True)
