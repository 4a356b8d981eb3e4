"""Settings of the optimizers; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option

_L2 = "L2 penalty: this much of each weight is added to its gradient"
_DECOUPLED = "share of each weight taken off in a step, times the learning rate"


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """What all optimizers have in common."""

    lr: float = option(5e-4, help="learning rate where the scheduler's factor is 1", gt=0)
    weight_decay: float = option(0.0, help=_L2, ge=0)
    decay_norms_and_biases: bool = option(
        True, help="let weight decay fall on norms and biases too, that is on parameters of one dimension"
    )


@dataclass(frozen=True, kw_only=True)
class AdamConfig(OptimizerConfig):
    """Adam, its weight decay a part of the gradient."""

    betas: tuple[float, float] = option((0.9, 0.98), help="decay of the averages of gradient and squared gradient")
    eps: float = option(1e-8, help="added to the root of the squared average", gt=0)
    weight_decay: float = option(0.0, help=f"{_L2} (for fairseq's decay take adamw)", ge=0)

    def __post_init__(self) -> None:
        check_betas(self.betas)


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(AdamConfig):
    """Adam with weight decay apart from the gradient."""

    weight_decay: float = option(0.01, help=f"{_DECOUPLED} (as fairseq's adam does)", ge=0)


@dataclass(frozen=True, kw_only=True)
class AdamaxConfig(AdamConfig):
    """Adam with a decaying maximum in place of the squared average."""

    lr: float = option(2e-3, help="learning rate where the scheduler's factor is 1", gt=0)
    betas: tuple[float, float] = option((0.9, 0.999), help="decay of the average and of the largest gradient")
    eps: float = option(1e-8, help="added to the gradient's size", gt=0)
    weight_decay: float = option(0.0, help=_L2, ge=0)


@dataclass(frozen=True, kw_only=True)
class AdafactorConfig(OptimizerConfig):
    """Adam in less memory: a matrix's squared average is kept as one row and one column."""

    lr: float = option(1e-2, help="largest step as a share of the parameter's size; never above 1/sqrt(update)", gt=0)
    decay_rate: float = option(-0.8, help="the squared average forgets at 1 - update ** decay_rate", le=0)
    clip_threshold: float = option(1.0, help="largest root mean square of an update", ge=1)
    min_parameter_size: float = option(1e-3, help="smaller parameters are moved as if they had this size", ge=0)
    weight_decay: float = option(0.0, help=_DECOUPLED, ge=0)


@dataclass(frozen=True, kw_only=True)
class AdagradConfig(OptimizerConfig):
    """Steps divided by the root of all squared gradients so far."""

    lr: float = option(1e-2, help="learning rate where the scheduler's factor is 1", gt=0)
    eps: float = option(1e-10, help="added to the root of the sum", gt=0)


@dataclass(frozen=True, kw_only=True)
class AdadeltaConfig(OptimizerConfig):
    """Steps as large as the last ones were, in proportion to the gradient."""

    lr: float = option(1.0, help="multiplies the step, where the scheduler's factor is 1", gt=0)
    rho: float = option(0.9, help="decay of the averages of squared gradient and squared step", ge=0, lt=1)
    eps: float = option(1e-6, help="added under the roots", gt=0)


@dataclass(frozen=True, kw_only=True)
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    lr: float = option(0.1, help="learning rate where the scheduler's factor is 1", gt=0)
    momentum: float = option(0.0, help="share of the last step kept in the next", ge=0, lt=1)
    nesterov: bool = option(False, help="look ahead along the momentum")

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9; got momentum=0")


@dataclass(frozen=True, kw_only=True)
class NAGConfig(OptimizerConfig):
    """Nesterov's accelerated gradient, as fairseq has it."""

    lr: float = option(0.25, help="learning rate where the scheduler's factor is 1", gt=0)
    momentum: float = option(0.99, help="share of the last step kept in the next", gt=0, lt=1)
    weight_decay: float = option(0.0, help=_DECOUPLED, ge=0)


@dataclass(frozen=True, kw_only=True)
class LionConfig(OptimizerConfig):
    """The sign of an average of gradients."""

    lr: float = option(1e-4, help="learning rate where the factor is 1; a third to a tenth of AdamW's", gt=0)
    betas: tuple[float, float] = option((0.9, 0.99), help="share of the average in the step, and kept in the average")
    weight_decay: float = option(0.0, help=f"{_DECOUPLED}; three to ten times AdamW's", ge=0)

    def __post_init__(self) -> None:
        check_betas(self.betas)


@dataclass(frozen=True, kw_only=True)
class MuonConfig(AdamWConfig):
    """Orthogonal updates for hidden matrices, AdamW for all else."""

    weight_decay: float = option(0.01, help=_DECOUPLED, ge=0)
    betas: tuple[float, float] = option((0.9, 0.98), help="decay of AdamW's averages of gradient and squared gradient")
    eps: float = option(1e-8, help="added to the root of AdamW's squared average", gt=0)
    adamw_lr: float | None = option(None, help="learning rate of what AdamW updates; default: lr", gt=0)
    momentum: float = option(0.95, help="share of the average of gradients kept in the next", ge=0, lt=1)
    nesterov: bool = option(True, help="look ahead along the momentum")
    newton_schulz_steps: int = option(5, help="iterations that make an update orthogonal", unit="steps", ge=1, lt=100)
    scale: str = option(
        "match_rms_adamw",
        help="size of a matrix's update: as large as AdamW's, so that its lr fits, or as first published",
        choices=("match_rms_adamw", "original"),
    )


@dataclass(frozen=True, kw_only=True)
class ScheduleFreeConfig(AdamWConfig):
    """AdamW that averages its weights in place of lowering the learning rate."""

    lr: float = option(2.5e-3, help="learning rate where the scheduler's factor is 1; one to ten times AdamW's", gt=0)
    betas: tuple[float, float] = option(
        (0.9, 0.999), help="share of the average where the gradient is taken, and decay of the squared gradient"
    )
    weight_decay: float = option(0.0, help=_DECOUPLED, ge=0)

    def __post_init__(self) -> None:
        check_betas(self.betas)
        if self.betas[0] == 0:
            raise ValueError(f"betas: the first must be above 0, such as 0.9, got {self.betas}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise a `ValueError` unless both lie in [0, 1)."""
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas must both lie in [0, 1), got {betas}")
