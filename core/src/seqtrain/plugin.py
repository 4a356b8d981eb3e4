"""
What a plugin's `plugin.py` imports: the record, the marker, and the hooks it may implement.

Light on purpose: it imports neither torch nor numpy nor omegaconf, because every plugin imports it whenever
`seqtrain` lists what is installed.

Hook names are fixed for the lifetime of the entry-point group. Arguments are only ever added, never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

from seqtrain.config.option import Option, Selection, option
from seqtrain.errors import ConfigError, DataError, UsageError
from seqtrain.training.cadence import Every

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from seqtrain.config.schema import RunConfig
    from seqtrain.protocols.hooks import Trainer

ENTRY_POINT_GROUP = "seqtrain.plugins.v1"  # the number is the API major
PROJECT = "seqtrain"
KINDS = (
    "task", "model", "criterion", "optimizer", "lr_scheduler", "tokenizer", "reader",
    "metric", "tracker", "callback", "launcher", "exporter", "importer", "command",
)  # fmt: skip

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)

__all__ = [
    "ENTRY_POINT_GROUP",
    "KINDS",
    "Component",
    "ConfigError",
    "DataError",
    "Every",
    "Option",
    "Selection",
    "UsageError",
    "hookimpl",
    "option",
]


@dataclass(frozen=True, kw_only=True)
class Component:
    """
    Something a plugin offers under a kind and a name.

    Args:
        kind: one of `KINDS`.
        name: what users write: lower case, digits, `_` and `-`, starting with a letter.
        ref: "package.module:Name" of the class or function, imported when a run uses it.
        config: "package.module:Name" of its config dataclass; that module must not import torch.
        summary: one line, at most 72 characters.
        for_tasks: the tasks it is meant for; empty means any.
        presets: "package:path/presets.yaml", named settings: `NAME: {summary, aliases, config}`.
        recipe: for tasks: "package:path/recipe.yaml", a configuration that trains well.
        builtin_recipe: for tasks: laid over `recipe` when neither `task.train` nor `task.dummy` is given.
    """

    kind: str
    name: str
    ref: str
    config: str | None = None
    summary: str = ""
    for_tasks: tuple[str, ...] = ()
    presets: str | None = None
    recipe: str | None = None
    builtin_recipe: str | None = None


# Called once a process, on the plugin's module.


@hookspec
def seqtrain_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Offer components. Must be cheap: no torch, no file access."""


# Called on the instances of one run (callbacks, trackers, and parts that implement them), never inside a micro-batch.


@hookspec
def seqtrain_configure(config: RunConfig) -> None:
    """See the resolved configuration before anything is built; raise `ConfigError` to refuse it."""


@hookspec
def seqtrain_model_built(model: nn.Module) -> None:
    """
    The model has its initial weights and is still on the CPU; a callback may freeze parameters or replace modules.

    In training the optimizer is made after this. Where a trained run is loaded, its weights are, so the same must be
    done there; trackers are not called then.
    """


@hookspec
def seqtrain_run_start(trainer: Trainer) -> None:
    """Everything is built and restored; the first step comes next."""


@hookspec
def seqtrain_epoch_start(trainer: Trainer) -> None:
    """An epoch starts, at its beginning, or within it where a run resumes there."""


@hookspec
def seqtrain_step_end(trainer: Trainer) -> None:
    """An optimizer step has been taken; `trainer.progress.step` counts it."""


@hookspec
def seqtrain_validation_start(trainer: Trainer) -> None:
    """A validation begins; a callback may put other weights in place until it ends."""


@hookspec
def seqtrain_validation_end(trainer: Trainer, measures: Mapping[str, float]) -> None:
    """A validation has ended with these measures, keyed as in metrics.jsonl without the split's prefix."""


@hookspec
def seqtrain_metrics(step: int, metrics: Mapping[str, float]) -> None:
    """A line of metrics was written, keys with their prefix (`train/loss`); main process only. For trackers."""


@hookspec
def seqtrain_checkpoint_saved(trainer: Trainer, path: Path) -> None:
    """
    A checkpoint is complete on disk at `path`.

    It is written while training goes on, so `trainer` may be some steps further, depending on the disk; not so with
    `checkpoint.asynchronous=false`. Where several workers train together, the main one alone calls this hook: it must
    not call for the others, as what gathers over the workers does.
    """


@hookspec
def seqtrain_epoch_end(trainer: Trainer) -> None:
    """An epoch has ended, its validation and checkpoint included."""


@hookspec
def seqtrain_run_end(trainer: Trainer) -> None:
    """The run has ended by itself; `trainer.stop_reason` says why."""


@hookspec
def seqtrain_run_exception(trainer: Trainer, error: BaseException) -> None:
    """The run has failed. For cleaning up; the error is raised again afterwards."""
