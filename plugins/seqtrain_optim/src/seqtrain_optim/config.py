"""Settings of the optimizers, the schedulers and the weight average; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    """Adam, its weight decay a part of the gradient."""

    lr: float = option(5e-4, help="learning rate where the scheduler's factor is 1", gt=0)
    betas: tuple[float, float] = option((0.9, 0.98), help="decay of the averages of gradient and squared gradient")
    eps: float = option(1e-8, help="added to the root of the squared average", gt=0)
    weight_decay: float = option(
        0.0, help="L2 penalty: this much of each weight is added to its gradient (for fairseq's decay take adamw)", ge=0
    )

    def __post_init__(self) -> None:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must both lie in [0, 1), got {self.betas}")


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(AdamConfig):
    """Adam with weight decay apart from the gradient."""

    weight_decay: float = option(
        0.01, help="share of each weight taken off in a step, times the learning rate (as fairseq's adam does)", ge=0
    )


@dataclass(frozen=True, kw_only=True)
class SGDConfig:
    """Stochastic gradient descent."""

    lr: float = option(0.1, help="learning rate where the scheduler's factor is 1", gt=0)
    momentum: float = option(0.0, help="share of the last step kept in the next", ge=0, lt=1)
    nesterov: bool = option(False, help="look ahead along the momentum (fairseq's nag)")
    weight_decay: float = option(0.0, help="L2 penalty: this much of each weight is added to its gradient", ge=0)

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9; got momentum=0")


@dataclass(frozen=True, kw_only=True)
class WarmupConfig:
    """The linear warm-up that all schedules begin with."""

    warmup_steps: int = option(0, help="updates until the learning rate is reached", unit="steps", ge=0)
    warmup_init_factor: float = option(0.0, help="where warm-up starts, as a share of optimizer.lr", ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class FixedConfig(WarmupConfig):
    """Linear warm-up, then a constant learning rate."""


@dataclass(frozen=True, kw_only=True)
class InverseSqrtConfig(WarmupConfig):
    """Linear warm-up, then decay with the inverse square root of the update number."""

    warmup_steps: int = option(4000, help="updates until the learning rate is reached", unit="steps", ge=0)


@dataclass(frozen=True, kw_only=True)
class PolynomialDecayConfig(WarmupConfig):
    """Linear warm-up, then decay to an end that is reached with the last update."""

    power: float = option(1.0, help="exponent of the share of updates left; 1 is a straight line", gt=0)
    end_factor: float = option(0.0, help="learning rate at the end, as a share of optimizer.lr", ge=0, le=1)
    total_steps: int | None = option(None, help="last update; default: trainer.max_steps", unit="steps", ge=1)


@dataclass(frozen=True, kw_only=True)
class CosineConfig(WarmupConfig):
    """Linear warm-up, then half a cosine wave down to the last update."""

    min_factor: float = option(0.0, help="learning rate at the end, as a share of optimizer.lr", ge=0, le=1)
    total_steps: int | None = option(None, help="last update; default: trainer.max_steps", unit="steps", ge=1)


@dataclass(frozen=True, kw_only=True)
class WSDConfig(WarmupConfig):
    """Linear warm-up, a stable stretch, and a decay that ends with the last update."""

    decay_share: float = option(0.2, help="length of the decay, as a share of all updates", gt=0, le=1)
    decay_steps: int | None = option(None, help="length of the decay; used instead of decay_share", unit="steps", ge=1)
    end_factor: float = option(0.0, help="learning rate at the end, as a share of optimizer.lr", ge=0, le=1)
    shape: str = option("linear", help="how the decay falls", choices=("linear", "cosine", "one_minus_sqrt"))
    total_steps: int | None = option(None, help="last update; default: trainer.max_steps", unit="steps", ge=1)


@dataclass(frozen=True, kw_only=True)
class ReduceLROnPlateauConfig(WarmupConfig):
    """Linear warm-up, then a cut whenever a validation measure stops getting better."""

    metric: str = option("loss", help="the validation measure to watch")
    mode: str = option("min", help="whether a better measure is smaller or larger", choices=("min", "max"))
    factor: float = option(0.1, help="the learning rate is multiplied by this", gt=0, lt=1)
    patience: int = option(0, help="validations without a better measure that are let pass", unit="validations", ge=0)
    threshold: float = option(1e-4, help="least change that counts as better, as a share of the best measure", ge=0)
    min_factor: float = option(0.0, help="smallest learning rate, as a share of optimizer.lr", ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    """An exponential moving average of the weights."""

    decay: float = option(0.999, help="share of the average kept in each step", ge=0, lt=1)
    warmup: bool = option(True, help="start with a smaller decay, (1 + n) / (10 + n) in the n-th step")
    start_step: int = option(
        0, help="updates before averaging starts; until then it equals the weights", unit="steps", ge=0
    )
    use_for_validation: bool = option(True, help="validate with the average in place of the trained weights")
