"""The optimizers, schedulers and callbacks this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl

# kind, name, module and builder, module and class of its config, summary
_COMPONENTS = (
    ("optimizer", "adam", "optimizers:adam", "optimizer_config:AdamConfig",
     "Adam; weight decay is part of the gradient (L2)"),
    ("optimizer", "adamw", "optimizers:adamw", "optimizer_config:AdamWConfig",
     "Adam with weight decay apart from the gradient"),
    ("optimizer", "adafactor", "optimizers:adafactor", "optimizer_config:AdafactorConfig",
     "Adam's idea in little memory, without momentum"),
    ("optimizer", "adagrad", "optimizers:adagrad", "optimizer_config:AdagradConfig",
     "Steps over the root of all squared gradients so far"),
    ("optimizer", "adadelta", "optimizers:adadelta", "optimizer_config:AdadeltaConfig",
     "Steps in proportion to the last ones"),
    ("optimizer", "adamax", "optimizers:adamax", "optimizer_config:AdamaxConfig",
     "Adam with a decaying maximum"),
    ("optimizer", "sgd", "optimizers:sgd", "optimizer_config:SGDConfig",
     "Gradient descent, plain, with momentum or Nesterov's"),
    ("optimizer", "nag", "nag:NAG", "optimizer_config:NAGConfig",
     "Nesterov's accelerated gradient, as in fairseq"),
    ("optimizer", "lion", "lion:Lion", "optimizer_config:LionConfig",
     "The sign of an average of gradients"),
    ("optimizer", "muon", "muon:Muon", "optimizer_config:MuonConfig",
     "Orthogonal updates for hidden matrices, AdamW for the rest"),
    ("optimizer", "schedule_free", "schedule_free:ScheduleFree", "optimizer_config:ScheduleFreeConfig",
     "AdamW that averages its weights and needs no decay of lr"),
    ("lr_scheduler", "fixed", "schedules:fixed", "schedule_config:FixedConfig",
     "Warm-up, then constant"),
    ("lr_scheduler", "pass_through", "schedules:pass_through", "schedule_config:PassThroughConfig",
     "The optimizer's own learning rate, always"),
    ("lr_scheduler", "manual", "schedules:manual", "schedule_config:ManualConfig",
     "Factors given one by one"),
    ("lr_scheduler", "inverse_sqrt", "schedules:inverse_sqrt", "schedule_config:InverseSqrtConfig",
     "Warm-up, then 1 / sqrt(update)"),
    ("lr_scheduler", "polynomial_decay", "schedules:polynomial_decay", "schedule_config:PolynomialDecayConfig",
     "Warm-up, then a straight line or a power down to the end"),
    ("lr_scheduler", "step", "schedules:step", "schedule_config:StepConfig",
     "Warm-up, then a cut every so many updates"),
    ("lr_scheduler", "tri_stage", "schedules:tri_stage", "schedule_config:TriStageConfig",
     "Warm-up, hold, exponential decay"),
    ("lr_scheduler", "wsd", "schedules:wsd", "schedule_config:WSDConfig",
     "Warm-up, stable, then decay to the end"),
    ("lr_scheduler", "cosine", "cycles:cosine", "schedule_config:CosineConfig",
     "Warm-up, then half a cosine down to the end, or several"),
    ("lr_scheduler", "triangular", "cycles:triangular", "schedule_config:TriangularConfig",
     "Up and down in lines, to ever lower peaks"),
    ("lr_scheduler", "one_cycle", "cycles:one_cycle", "schedule_config:OneCycleConfig",
     "Once up and down to almost nothing"),
    ("lr_scheduler", "reduce_lr_on_plateau", "plateau:ReduceLROnPlateau", "schedule_config:ReduceLROnPlateauConfig",
     "Warm-up, then a cut whenever a measure stops getting better"),
    ("callback", "ema", "ema:EMA", "ema_config:EMAConfig",
     "Exponential moving average of the weights, used to validate"),
    ("callback", "freeze", "freeze:Freeze", "freeze_config:FreezeConfig",
     "Parameters that are not trained, by patterns of names"),
)  # fmt: skip


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer optimizers, learning-rate schedulers and callbacks for weights."""
    for kind, name, ref, config, summary in _COMPONENTS:
        yield Component(
            kind=kind,
            name=name,
            ref=f"seqtrain_optim.{ref}",
            config=f"seqtrain_optim.{config}",
            summary=summary,
        )
