"""Start a run from the weights of another one: `--init-from RUN`. To resume, in contrast, takes over everything."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.config.plain import differences
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import CheckpointError, SeqtrainError
from seqtrain.inference.load import TrainedRun, load_run
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.task import Task
from seqtrain.weight_matching import DescribedModel
from seqtrain.weight_plan import Plan, make_plan, some

logger = logging.getLogger(__name__)

KEY = "checkpoint.init_from"


def initial_weights(config: RunConfig, registry: Registry, folder: RunFolder) -> InitialWeights | None:
    """
    Read the weights that a new run is to start from; None if it starts from nothing, or goes on from its own.

    Raises:
        CheckpointError: there is no such run or checkpoint, or it is damaged.
        PluginError: the other run's plugins are not installed.
        ConfigError: its configuration cannot be read any more.
    """
    if config.checkpoint.init_from is None:
        return None
    path = Path(config.checkpoint.init_from).expanduser()
    if folder.has_checkpoints():
        logger.info(
            "%s=%s is applied when a run begins; this one has begun, and goes on from a checkpoint of its own.",
            KEY,
            path,
        )
        return None
    other, name = find_run(path)
    if other.path.resolve() == folder.path.resolve():
        raise CheckpointError(
            f"{KEY}={path} is the folder of this very run, which has nothing to start from. Choose another --run-dir."
        )
    try:
        # Weights are put into a model that is on the CPU still, wherever those two runs compute.
        there = resolve(registry, config_file=other.config, overrides=["distributed.device=cpu"]).config
        checkpoint = name or CheckpointCatalog(other.checkpoints).best_good().name
        return InitialWeights(load_run(other, registry, there, checkpoints=[checkpoint]), other.path, config, folder)
    except SeqtrainError as error:
        raise type(error)(f"{KEY}={path} cannot be used. {error}") from error


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
class InitialWeights:
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
