"""The sections of a run's configuration that core itself owns, and the whole of it."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.config.option import Selection, option
from seqtrain.training.cadence import Every


def _every(help: str, **cadence: int) -> Every:  # noqa: A002
    """Declare a cadence; a resumed run may change it."""
    return option(default_factory=lambda: Every(**cadence), help=help, may_change=True)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """How long to train, how an update is formed, and when to validate."""

    max_epochs: int | None = option(None, help="stop after this many epochs", unit="epochs", ge=1, may_change=True)
    max_steps: int | None = option(None, help="stop after this many updates", unit="steps", ge=1, may_change=True)
    stop_min_lr: float | None = option(
        None, help="stop once the learning rate has fallen to this after warm-up", ge=0, may_change=True
    )
    stop_time_hours: float | None = option(
        None, help="stop after this much training time, restarts included", unit="hours", gt=0, may_change=True
    )
    stop_file: str | None = option(
        None, help="save and stop once this file appears, and remove it; as --stop-file", may_change=True, is_path=True
    )
    patience: int | None = option(
        None,
        help="stop after this many validations without a better best_metric",
        unit="validations",
        ge=1,
        may_change=True,
    )
    best_metric: str | None = option(
        None,
        help="validation measure that decides which checkpoint is best; default: the task's choice",
        may_change=True,
    )
    validate: Every = _every("when to validate", epochs=1)
    clip_norm: float | None = option(
        None, help="largest L2 norm of the whole gradient; larger ones are scaled down", gt=0
    )
    on_bad_step: str = option(
        "stop",
        help="what to do when a loss or gradient is not finite, or the loss spikes: stop with a report, skip the step, "
        "or roll back to the newest checkpoint and leave the step out",
        choices=("stop", "skip", "rollback"),
        may_change=True,
    )
    max_bad_steps: int = option(
        10, help="bad steps to skip or roll back from; one more stops the run", unit="steps", ge=1, may_change=True
    )
    loss_spike: float | None = option(
        None,
        help="take a step for bad whose loss lies this many running standard deviations above the running mean",
        unit="standard deviations",
        gt=0,
    )
    micro_batches_per_step: int | None = option(
        None, help="batches summed into one update, over all workers; default: the number of workers", ge=1
    )
    precision: str = option(
        "fp32", help="arithmetic of the forward pass; fp16 scales losses", choices=("fp32", "bf16", "fp16")
    )
    checkpoint_activations: bool = option(
        False,
        help="compute what a layer does again for the backward pass rather than keep it: less memory for more time",
        may_change=True,
    )
    compile: bool = option(
        False, help="have torch compile the model, which takes minutes at the start", may_change=True
    )
    seed: int = option(1, help="seed of the initial weights and of dropout", ge=0)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How examples become batches."""

    max_tokens: int | None = option(
        4096, help="largest batch, in padded tokens of its longer side", unit="tokens", ge=1
    )
    max_sentences: int | None = option(None, help="largest batch, in examples", unit="examples", ge=1)
    seed: int = option(1, help="seed of the order of the examples", ge=0)
    epoch_parts: int = option(
        1,
        help="for data too large to go over often: each epoch is over one of so many parts of it, in turn, so that so "
        "many epochs go over all of it once; whatever is counted in epochs counts these",
        unit="parts",
        ge=1,
    )
    cache_dir: str | None = option(
        None,
        help="where binarised text is kept between runs; default: ~/.cache/seqtrain",
        may_change=True,
        is_path=True,
    )
    prefetch: int = option(
        4, help="batches made ready ahead of the step by a thread; 0 turns it off", ge=0, may_change=True
    )


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """When checkpoints are saved, and which are kept."""

    save: Every = _every("when to save a checkpoint", epochs=1)
    keep_last: int = option(3, help="newest checkpoints to keep", unit="checkpoints", ge=1, may_change=True)
    keep_best: int = option(
        1, help="best checkpoints to keep, by trainer.best_metric", unit="checkpoints", ge=0, may_change=True
    )
    keep_every: Every = _every("checkpoints to keep for good")
    init_from: str | None = option(
        None, help="a run, or RUN/checkpoints/NAME, whose weights a new run starts from; as --init-from", is_path=True
    )
    asynchronous: bool = option(
        True,
        help="write checkpoints while training goes on, from a copy of the state in memory; false saves that memory",
        may_change=True,
    )
    retries: int = option(
        2, help="how often a save that fails is tried again, after 1, 2, 4, ... seconds", ge=0, le=10, may_change=True
    )
    when_unwritable: str = option(
        "continue",
        help="what to do when a save fails for good, or metrics or log cannot be written: train on and try again, at "
        "the next save or line, or stop; in the end all must be written either way",
        choices=("continue", "stop"),
        may_change=True,
    )


@dataclass(frozen=True, kw_only=True)
class LoggingConfig:
    """What is written while the run goes on."""

    every: Every = _every("when to log the training measures", steps=50)
    level: str = option(
        "info", help="least severe messages shown", choices=("debug", "info", "warning", "error"), may_change=True
    )
    progress: str = option(
        "auto",
        help="a bar on a terminal and plain lines elsewhere, or always one of them",
        choices=("auto", "bar", "plain"),
        may_change=True,
    )


@dataclass(frozen=True, kw_only=True)
class DistributedConfig:
    """Where the run computes."""

    workers: int = option(1, help="processes on this host", unit="workers", ge=1, may_change=True)
    nodes: int = option(1, help="hosts", unit="hosts", ge=1, may_change=True)
    rendezvous: str | None = option(None, help="HOST:PORT where several hosts meet", may_change=True)
    engine: str = option(
        "ddp",
        help="how several workers hold the model: each all of it (ddp), or a part each (fsdp)",
        choices=("ddp", "fsdp"),
        may_change=True,
    )
    threads: int | None = option(
        None, help="threads of a worker; default: the host's cores, divided among its workers", ge=1, may_change=True
    )
    max_restarts: int = option(
        0,
        help="how often all workers are started again, from the newest checkpoint, when one has failed",
        ge=0,
        may_change=True,
    )
    timeout: float = option(
        600.0,
        help="seconds without progress after which a worker prints its stack and fails",
        unit="seconds",
        gt=0,
        may_change=True,
    )
    stop_seconds: int = option(
        300,
        help="seconds that workers have to save and end when they are asked to stop",
        unit="seconds",
        ge=1,
        may_change=True,
    )
    launcher: Selection | None = option(
        None,
        help="what starts the run's processes; by default this process trains, or starts the workers",
        component="launcher",
        may_change=True,
    )
    device: str = option(
        "auto",
        help="what to compute on; auto takes a GPU where there is one",
        choices=("auto", "cpu", "cuda"),
        may_change=True,
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """
    The whole configuration of a run, resolved and checked.

    `callbacks` and `trackers` are maps in YAML, from a component's name to its fields (null leaves it out):
    `callbacks.ema.decay=0.999`, `trackers.tensorboard=null`.
    """

    task: Selection
    model: Selection
    criterion: Selection
    optimizer: Selection
    lr_scheduler: Selection
    trainer: TrainerConfig
    data: DataConfig
    checkpoint: CheckpointConfig
    logging: LoggingConfig
    distributed: DistributedConfig
    callbacks: tuple[Selection, ...] = ()
    trackers: tuple[Selection, ...] = ()


LENGTHS = ("max_epochs", "max_steps")  # of TrainerConfig: how long to train
LIMITS = (*LENGTHS, "patience", "stop_min_lr", "stop_time_hours")  # what ends a run
CORE_SECTIONS: dict[str, type] = {
    "trainer": TrainerConfig,
    "data": DataConfig,
    "checkpoint": CheckpointConfig,
    "logging": LoggingConfig,
    "distributed": DistributedConfig,
}
COMPONENT_SECTIONS = ("task", "model", "criterion", "optimizer", "lr_scheduler")  # section name = kind
MAP_SECTIONS = {"callbacks": "callback", "trackers": "tracker"}  # section name -> kind
MAP_DEFAULTS = {"callbacks": (), "trackers": ("tensorboard",)}  # section name -> names where nobody says anything
