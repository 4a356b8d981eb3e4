"""Settings of the weight average; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    """An exponential moving average of the weights."""

    decay: float = option(0.999, help="share of the average kept in each step", ge=0, lt=1)
    warmup: bool = option(True, help="start with a smaller decay, (1 + n) / (10 + n) in the n-th step")
    start_step: int = option(
        0, help="updates before averaging starts; until then it equals the weights", unit="steps", ge=0
    )
    use_for_validation: bool = option(True, help="validate with the average in place of the trained weights")
