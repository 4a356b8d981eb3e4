"""The optimizers, schedulers and callbacks this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl

# kind, name, module and builder, config, summary
_COMPONENTS = (
    ("optimizer", "adam", "optimizers:adam", "AdamConfig", "Adam; weight decay is part of the gradient (L2)"),
    ("optimizer", "adamw", "optimizers:adamw", "AdamWConfig", "Adam with weight decay apart from the gradient"),
    ("optimizer", "sgd", "optimizers:sgd", "SGDConfig", "Gradient descent, plain, with momentum or Nesterov's"),
    ("lr_scheduler", "fixed", "schedules:fixed", "FixedConfig", "Warm-up, then constant"),
    ("lr_scheduler", "inverse_sqrt", "schedules:inverse_sqrt", "InverseSqrtConfig", "Warm-up, then 1 / sqrt(update)"),
    ("lr_scheduler", "polynomial_decay", "schedules:polynomial_decay", "PolynomialDecayConfig",
     "Warm-up, then a straight line or a power down to the end"),
    ("lr_scheduler", "cosine", "schedules:cosine", "CosineConfig", "Warm-up, then half a cosine down to the end"),
    ("lr_scheduler", "wsd", "schedules:wsd", "WSDConfig", "Warm-up, stable, then decay to the end"),
    ("lr_scheduler", "reduce_lr_on_plateau", "plateau:ReduceLROnPlateau", "ReduceLROnPlateauConfig",
     "Warm-up, then a cut whenever a measure stops getting better"),
    ("callback", "ema", "ema:EMA", "EMAConfig", "Exponential moving average of the weights, used to validate"),
)  # fmt: skip


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer optimizers, learning-rate schedulers and a weight average."""
    for kind, name, ref, config, summary in _COMPONENTS:
        yield Component(
            kind=kind,
            name=name,
            ref=f"seqtrain_optim.{ref}",
            config=f"seqtrain_optim.config:{config}",
            summary=summary,
        )
