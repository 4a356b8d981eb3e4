"""A training run from beginning to end. Read this first, then `trainer.py`."""

from __future__ import annotations

import logging

from seqtrain.build import build_trainer
from seqtrain.config.dump import to_yaml
from seqtrain.config.schema import RunConfig
from seqtrain.finetune.warm_start import warm_start
from seqtrain.inference.load import load_run
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.open import RunRequest, open_run
from seqtrain.run.results import Results, final_split
from seqtrain.task import Task
from seqtrain.trainer import Trainer
from seqtrain.training.signals import stop_on_request
from seqtrain.training.stopping import has_limit
from seqtrain.workers.group import WorkerGroup

logger = logging.getLogger(__name__)


def main(request: RunRequest, registry: Registry, group: WorkerGroup) -> Results:
    """Build the parts, restore the newest checkpoint if there is one, train, and measure what came out."""
    config = request.config
    with open_run(request, registry, group) as (folder, progress_bar):
        start = warm_start(config, registry, folder)
        trainer = build_trainer(config, registry, folder, progress_bar, start, group)
        if group.is_main:
            write_down_data(trainer.task, folder)
        resumed = trainer.checkpointer.restore(trainer)
        if resumed and group.is_main:
            folder.write_config(to_yaml(config))  # not before the checkpoint was found to fit it
        describe_run(trainer, folder, resumed=resumed)
        progress, stop_file = trainer.progress, config.trainer.stop_file if group.is_main else None
        with (
            stop_on_request(trainer, stop_file) as interruption,
            progress_bar.showing(progress.step, trainer.total_steps),
        ):
            trainer.run()
        if exit_code := max(group.all_gather_object(interruption.exit_code)):
            logger.warning("stopped after step %d: %s; the same command goes on", progress.step, trainer.stop_reason)
            return Results(folder.path, exit_code=exit_code)
        logger.info("done training: %s", trainer.stop_reason)
        return measure_results(trainer, config, registry, folder)


def write_down_data(task: Task, folder: RunFolder) -> None:
    """Note in environment.json what became of the lines of the files; the log has it from the task."""
    files = {split: list(task.describe_data(split)) for split in task.splits()}
    folder.add_to_environment(data={split: each for split, each in files.items() if each})


def describe_run(trainer: Trainer, folder: RunFolder, *, resumed: bool) -> None:
    """Log what is about to be trained, and until when."""
    plan = trainer.train_data.plan(trainer.progress.epoch)
    logger.info(
        "%s %s: %s parameters, %d examples, %d steps an epoch, on %s",
        "Going on in" if resumed else "Training in",
        folder.path,
        f"{sum(parameter.numel() for parameter in trainer.optimizer.parameters):,}",
        len(trainer.train_data.dataset),
        plan.num_steps,
        trainer.engine.device,
    )
    validation = trainer.evaluator.validation_splits
    if len(validation) > 1:
        logger.info(
            "Validating on %s; %s decides what is best, by its %s",
            ", ".join(validation),
            validation[0],
            trainer.config.best_metric,
        )
    if not validation:
        logger.warning("There is no validation set: no checkpoint is best, and trainer.patience ends nothing.")
    if not has_limit(trainer.config):
        logger.warning(
            "No limit is set: the run goes on until it is stopped with Ctrl-C. "
            "trainer.max_epochs, max_steps, patience, stop_min_lr or stop_time_hours would end it."
        )


def measure_results(trainer: Trainer, config: RunConfig, registry: Registry, folder: RunFolder) -> Results:
    """Measure the run's best checkpoint (else its last) as `seqtrain evaluate` would."""
    split = final_split(trainer.task)
    if split is None:
        return Results(folder.path)
    finished = load_run(folder, registry, config, task=trainer.task, group=trainer.engine.group)
    measures = finished.evaluator.measure(split, finished.models)
    checkpoint = finished.checkpoints[0]
    trainer.metric_logger.log_results(trainer.progress, split, measures, checkpoint=checkpoint)
    return Results(folder.path, split=split, checkpoint=checkpoint, measures=measures)
