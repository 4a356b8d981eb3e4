"""Start a run from the weights of another one: `--init-from RUN`. To resume, in contrast, takes over everything."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqtrain.build import Initialise
from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.config.plain import differences
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import CheckpointError, SeqtrainError
from seqtrain.finetune.matching import DescribedModel, Fit, NoFit, match, num_rows
from seqtrain.inference.load import TrainedRun, load_run
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.task import Task

logger = logging.getLogger(__name__)

KEY = "checkpoint.init_from"


def warm_start(config: RunConfig, registry: Registry, folder: RunFolder) -> Initialise:
    """
    Return what gives a new model the weights of another run; nothing happens without one, or where the run resumes.

    Raises:
        CheckpointError: there is no such run or checkpoint, or it is damaged.
        PluginError: the other run's plugins are not installed.
        ConfigError: its configuration cannot be read any more.
    """
    if config.checkpoint.init_from is None:
        return _keep_initial_weights
    path = Path(config.checkpoint.init_from)
    if folder.has_checkpoints():
        logger.info(
            "%s=%s is applied when a run begins; this one has begun, and goes on from a checkpoint of its own.",
            KEY,
            path,
        )
        return _keep_initial_weights
    other, name = find_run(path)
    other.refuse_links()
    if other.path.resolve() == folder.path.resolve():
        raise CheckpointError(
            f"{KEY}={path} is the folder of this very run, which has nothing to start from. Choose another --run-dir."
        )
    try:
        # Weights are put into a model that is on the CPU still, wherever those two runs compute.
        there = resolve(registry, config_file=other.config, overrides=["distributed.device=cpu"]).config
        source = _load(other, name, there, registry)
    except SeqtrainError as error:
        raise type(error)(f"{KEY}={path} cannot be used. {error}") from error
    return WarmStart(source, other.path, config, folder).copy_into


def _load(run: RunFolder, name: str | None, config: RunConfig, registry: Registry) -> TrainedRun:
    """Load a checkpoint, by default the best good one; another where a run that goes on deletes it meanwhile."""
    while True:
        checkpoint = name or CheckpointCatalog(run.checkpoints).best_good().name
        try:
            return load_run(run, registry, config, checkpoints=[checkpoint])
        except CheckpointError:
            if name or (run.checkpoints / checkpoint).is_dir():
                raise


def _keep_initial_weights(_model: nn.Module, _task: Task) -> None:
    """Leave a model as it was initialised."""


def find_run(path: Path) -> tuple[RunFolder, str | None]:
    """
    Tell a run from a checkpoint of a run.

    Returns:
        The run, and the checkpoint's name if `path` is RUN/checkpoints/NAME.

    Raises:
        CheckpointError: it is neither.
    """
    if RunFolder(path).config.is_file():
        return RunFolder(path), None
    run = RunFolder(path.absolute().parents[1]) if path.parent.name == "checkpoints" else None
    if run is not None and run.config.is_file():
        return run, path.name
    what = "is no run: it has no config.yaml" if path.is_dir() else "does not exist"
    raise CheckpointError(
        f"{KEY}={path} {what}. Name the folder that --run-dir named, or a checkpoint in it, such as "
        "RUN/checkpoints/step-00000500."
    )


@dataclass(frozen=True)
class WarmStart:
    """
    A trained model to start from.

    Args:
        run: the other run.
        path: its folder.
        config: of this run.
        folder: of this run.
    """

    run: TrainedRun
    path: Path
    config: RunConfig
    folder: RunFolder

    def copy_into(self, model: nn.Module, task: Task) -> None:
        """
        Put the weights that fit into a model, and say which do; RUN/init_from.json keeps what was said.

        Raises:
            CheckpointError: the models are of different sizes, or have nothing in common.
        """
        plan = make_plan(DescribedModel(model, task), DescribedModel(self.run.models[0], self.run.task))
        self._refuse_other_sizes(plan)
        if not plan.kept:
            raise CheckpointError(
                f"Nothing of {self._described} fits into the model of this run ({_model_and_task(self.config)}): "
                f"that one has {some(list(plan.source.tensors))}, this one {some(list(plan.target.tensors))}. "
                "Choose a model of the same family with --model, or leave out --init-from."
            )
        plan.carry_out()
        logger.info("Starting from the weights of %s:\n%s", self._described, plan.summary())
        self.folder.write_init_from({"run": str(self.path), "checkpoint": self.run.checkpoints[0], **plan.record()})

    @property
    def _described(self) -> str:
        return f"{self.path}, {self.run.checkpoints[0]} ({_model_and_task(self.run.config)})"

    def _refuse_other_sizes(self, plan: Plan) -> None:
        misfits = [f"{name}: {each.why}" for name, each in plan.new.items() if each.of_other_sizes]
        if not misfits:
            return
        settings = [each for each in differences(self.run.config, self.config) if each.key.startswith("model.")]
        said = "; ".join(f"{each.key} is {each.old} there and {each.new} here" for each in settings)
        raise CheckpointError(
            f"The weights of {self._described} are of other sizes than those of this run "
            f"({_model_and_task(self.config)}). {some(misfits)}. {f'Settings that differ: {said}. ' if said else ''}"
            f"Give this model the sizes of that one, which {self.path / 'config.yaml'} says, or leave out --init-from."
        )


def _model_and_task(config: RunConfig) -> str:
    return f"model {config.model.name}, task {config.task.name}"


_MISSING = NoFit("that model has none of this name")
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Plan:
    """
    What becomes of every weight; a tied one goes by the first of its names.

    Args:
        target, source: the two models.
        kept: what weights of the target get, and the name of what they get it from.
        new: why the others get nothing.
        dropped: what of the source goes nowhere.
    """

    target: DescribedModel
    source: DescribedModel
    kept: Mapping[str, tuple[str, Fit]]
    new: Mapping[str, NoFit]
    dropped: Sequence[str]

    @torch.no_grad()
    def carry_out(self) -> None:
        """Copy what is kept."""
        for name, (other, fit) in self.kept.items():
            tensor = self.target.tensors[name]
            tensor[fit.here] = self.source.tensors[other][fit.there].to(tensor)

    @property
    def in_part(self) -> dict[str, tuple[int, int]]:
        """How many rows are kept of how many, where not all are."""
        counts = {name: (fit.count, num_rows(self.target.tensors[name].shape)) for name, (_, fit) in self.kept.items()}
        return {name: each for name, each in counts.items() if each[0] < each[1]}

    def summary(self) -> str:
        """Say it in a few lines."""
        sizes = {name: each.numel() for name, each in self.target.tensors.items()}
        part = self.in_part
        kept = sum(sizes[name] * part[name][0] // part[name][1] if name in part else sizes[name] for name in self.kept)
        every = sum(sizes[name] for name in (*self.kept, *self.new))
        lost = sum(self.source.tensors[name].numel() for name in self.dropped)
        rows = [f"{name}: {count} of {whole} rows" for name, (count, whole) in part.items()]
        new = [name if each is _MISSING else f"{name}, as {each.why}" for name, each in self.new.items()]
        lines = [
            f"kept     {kept:,} of {every:,} parameters, {len(self.kept)} of {len(self.kept) + len(new)} tensors",
            f"in part  {some(rows)}" if rows else "",
            f"new      {some(new)}" if new else "",
            f"dropped  {lost:,} parameters: {some(self.dropped)}" if self.dropped else "",
        ]
        return "\n".join(f"  {line}" for line in lines if line)

    def record(self) -> dict[str, Any]:
        """Say it for programs."""
        part = self.in_part
        return {
            "kept": [name for name in self.kept if name not in part],
            "kept_in_part": {name: {"rows": count, "of": whole} for name, (count, whole) in part.items()},
            "new": {name: each.why for name, each in self.new.items()},
            "dropped": list(self.dropped),
        }


def make_plan(target: DescribedModel, source: DescribedModel) -> Plan:
    """Find out what becomes of every weight; nothing is changed yet."""
    kept: dict[str, tuple[str, Fit]] = {}
    new: dict[str, NoFit] = {}
    for names in target.names_by_tensor():
        matches = {name: match(name, target, source) for name in names if name in source.tensors}
        fits = [(name, each) for name, each in matches.items() if isinstance(each, Fit)]
        if fits:
            kept[names[0]] = fits[0]
        else:
            new[names[0]] = next((each for each in matches.values() if isinstance(each, NoFit)), _MISSING)
    used = {id(source.tensors[name]) for name, _ in kept.values()}
    dropped = [names[0] for names in source.names_by_tensor() if id(source.tensors[names[0]]) not in used]
    return Plan(target, source, kept, new, dropped)


def some(texts: Sequence[str]) -> str:
    """List texts, or the first of many."""
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
