"""Settings of the learning-rate schedulers; imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class WarmupConfig:
    """The linear warm-up that most schedules begin with."""

    warmup_steps: int = option(
        0, help="updates until the learning rate is reached", unit="steps", ge=0, excludes=("warmup_share",)
    )
    warmup_share: float | None = option(
        None,
        help="length of warm-up as a share of all updates, used instead of warmup_steps",
        ge=0,
        lt=1,
        excludes=("warmup_steps",),
    )
    warmup_init_factor: float = option(0.0, help="where warm-up starts, as a share of optimizer.lr", ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class EndingConfig:
    """The end of a schedule that has one."""

    total_steps: int | None = option(None, help="last update; default: trainer.max_steps", unit="steps", ge=1)


@dataclass(frozen=True, kw_only=True)
class FixedConfig(WarmupConfig):
    """Linear warm-up, then a constant learning rate."""


@dataclass(frozen=True, kw_only=True)
class PassThroughConfig:
    """The optimizer's own learning rate in every update; there is nothing to set."""


@dataclass(frozen=True, kw_only=True)
class ManualConfig:
    """Factors given one by one."""

    factors: dict[str, float] = option(
        help="the factor from an update on, by its number, as in {2000: 0.5, 4000: 0.1}; before the first it is 1"
    )

    def __post_init__(self) -> None:
        wrong_steps = [step for step in self.factors if not step.isdecimal() or int(step) == 0]
        if wrong_steps:
            raise ValueError(f"factors: expected update numbers from 1, as in {{2000: 0.5}}, got {wrong_steps[0]!r}")
        wrong = [f"{step}: {factor}" for step, factor in self.factors.items() if not 0 <= factor <= 1]
        if wrong:
            raise ValueError(f"factors: expected shares of optimizer.lr in [0, 1], got {wrong[0]}; raise optimizer.lr")


@dataclass(frozen=True, kw_only=True)
class InverseSqrtConfig(WarmupConfig):
    """Linear warm-up, then decay with the inverse square root of the update number."""

    warmup_steps: int = option(
        4000, help="updates until the learning rate is reached", unit="steps", ge=0, excludes=("warmup_share",)
    )


@dataclass(frozen=True, kw_only=True)
class PolynomialDecayConfig(WarmupConfig, EndingConfig):
    """Linear warm-up, then decay to an end that is reached with the last update."""

    power: float = option(1.0, help="exponent of the share of updates left; 1 is a straight line", gt=0)
    end_factor: float = option(0.0, help="learning rate at the end, as a share of optimizer.lr", ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class StepConfig(WarmupConfig):
    """Linear warm-up, then a cut every so many updates."""

    period_steps: int = option(25_000, help="updates from one cut to the next", unit="steps", ge=1)
    shrink: float = option(0.5, help="the learning rate is multiplied by this in a cut", gt=0, le=1)
    min_factor: float = option(0.0, help="smallest learning rate, as a share of optimizer.lr", ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class CosineConfig(WarmupConfig, EndingConfig):
    """Linear warm-up, then half a cosine wave down to the last update, or several of them."""

    min_factor: float = option(0.0, help="learning rate at the end of the wave, as a share of optimizer.lr", ge=0, le=1)
    period_steps: int | None = option(
        None, help="length of the first of several waves; default: a single one, to the last update",
        unit="steps", ge=1,
    )  # fmt: skip
    period_growth: float = option(1.0, help="each wave is this many times as long as the one before", ge=1)
    shrink: float = option(0.1, help="each wave is this many times as high as the one before", gt=0, le=1)


@dataclass(frozen=True, kw_only=True)
class TriangularConfig:
    """Up and down in straight lines, again and again."""

    period_steps: int = option(5000, help="updates from one valley to the next", unit="steps", ge=2)
    min_factor: float = option(0.0, help="learning rate in the valleys, as a share of optimizer.lr", ge=0, le=1)
    shrink: float = option(0.1, help="each peak is this many times as high as the one before", gt=0, le=1)


@dataclass(frozen=True, kw_only=True)
class OneCycleConfig(EndingConfig):
    """One way up, and a longer one down to almost nothing."""

    rise_share: float = option(0.3, help="length of the way up, as a share of all updates", gt=0, lt=1)
    start_factor: float = option(0.04, help="learning rate in the first update, as a share of optimizer.lr", gt=0, le=1)
    end_factor: float = option(4e-6, help="learning rate in the last update, as a share of optimizer.lr", ge=0, le=1)
    shape: str = option("cosine", help="how it rises and falls", choices=("cosine", "linear"))


@dataclass(frozen=True, kw_only=True)
class TriStageConfig(EndingConfig):
    """Linear warm-up, a hold, and an exponential decay."""

    phase_shares: tuple[float, float, float] = option(
        (0.1, 0.4, 0.5), help="length of warm-up, hold and decay, as shares of all updates"
    )
    warmup_steps: int | None = option(None, help="length of warm-up; used instead of its share", unit="steps", ge=0)
    hold_steps: int | None = option(None, help="length of the hold; used instead of its share", unit="steps", ge=0)
    decay_steps: int | None = option(None, help="length of the decay; used instead of its share", unit="steps", ge=0)
    warmup_init_factor: float = option(0.01, help="where warm-up starts, as a share of optimizer.lr", ge=0, le=1)
    end_factor: float = option(0.01, help="learning rate after the decay, as a share of optimizer.lr", gt=0, le=1)

    def __post_init__(self) -> None:
        if not (all(share >= 0 for share in self.phase_shares) and math.isclose(sum(self.phase_shares), 1)):
            raise ValueError(f"phase_shares must be three shares that add up to 1, got {list(self.phase_shares)}")


@dataclass(frozen=True, kw_only=True)
class WSDConfig(WarmupConfig, EndingConfig):
    """Linear warm-up, a stable stretch, and a decay that ends with the last update."""

    decay_share: float = option(0.2, help="length of the decay, as a share of all updates", gt=0, le=1)
    decay_steps: int | None = option(None, help="length of the decay; used instead of decay_share", unit="steps", ge=1)
    end_factor: float = option(0.0, help="learning rate at the end, as a share of optimizer.lr", ge=0, le=1)
    shape: str = option("linear", help="how the decay falls", choices=("linear", "cosine", "one_minus_sqrt"))


@dataclass(frozen=True, kw_only=True)
class ReduceLROnPlateauConfig(WarmupConfig):
    """Linear warm-up, then a cut whenever a validation measure stops getting better."""

    metric: str = option("loss", help="the validation measure to watch")
    mode: str | None = option(
        None,
        help="whether a better measure is smaller or larger; need not be set, as the task knows, and may not differ",
        choices=("min", "max"),
        may_change=True,
    )
    factor: float = option(0.1, help="the learning rate is multiplied by this", gt=0, lt=1)
    patience: int = option(0, help="validations without a better measure that are let pass", unit="validations", ge=0)
    threshold: float = option(1e-4, help="least change that counts as better, as a share of |best|", ge=0)
    min_factor: float = option(0.0, help="smallest learning rate, as a share of optimizer.lr", ge=0, le=1)
