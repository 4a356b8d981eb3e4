"""A training run from beginning to end. Read this first, then `trainer.py`."""

from __future__ import annotations

import logging

from seqtrain.build import Build
from seqtrain.config.dump import to_yaml
from seqtrain.config.schema import RunConfig
from seqtrain.finetune.warm_start import warm_start
from seqtrain.inference.load import load_run
from seqtrain.registry.registry import Registry
from seqtrain.run.environment import computing_of
from seqtrain.run.folder import RunFolder
from seqtrain.run.open import open_run
from seqtrain.run.request import RunRequest
from seqtrain.run.results import Results, final_split
from seqtrain.task import Task
from seqtrain.trainer import Trainer
from seqtrain.training.signals import stop_on_request
from seqtrain.training.stopping import described_limits
from seqtrain.workers.group import WorkerGroup

logger = logging.getLogger(__name__)


def main(request: RunRequest, registry: Registry, group: WorkerGroup) -> Results:
    """Make the parts, restore the newest checkpoint if there is one, train, and report what came out."""
    config = request.config
    with open_run(request, registry, group) as (folder, progress_bar):
        initialise = warm_start(config, registry, folder)
        build = Build(config, registry, folder, group)
        task = build.task()
        model = build.model(task, initialise)
        criterion = build.criterion(task, model)
        optimizer = build.optimizer(model)
        train_data = build.train_data(task)
        lr_scheduler = build.lr_scheduler(train_data)
        trainer = build.trainer(task, model, criterion, optimizer, lr_scheduler, train_data, progress_bar)

        resumed = trainer.restore()
        describe_run(trainer, folder, config, resumed=resumed)
        with (
            stop_on_request(trainer, config.trainer.stop_file, group),
            progress_bar.showing(trainer.progress.step, trainer.total_steps),
        ):
            trainer.run()
        return report(trainer, config, registry, folder)


def describe_run(trainer: Trainer, folder: RunFolder, config: RunConfig, *, resumed: bool) -> None:
    """Write down the data and the configuration; log what is about to be trained, and until when."""
    if trainer.engine.group.is_main:
        folder.add_to_environment(data=describe_data(trainer.task))
        changed = folder.add_computing(computing_of(trainer.engine.device, trainer.engine.group.world_size))
        if changed and resumed:
            logger.warning("bits may differ from an undisturbed run, because %s", ", ".join(changed))
        if resumed:
            folder.write_config(to_yaml(config))  # not before the checkpoint was found to fit it
    plan = trainer.train_data.plan(trainer.progress.epoch)
    logger.info(
        "%s %s: %s parameters, %d examples, %d steps an epoch, on %s",
        "Resuming in" if resumed else "Training in",
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
    if limits := described_limits(trainer.config):
        logger.info("Training ends at the first of: %s", limits)
    else:
        logger.warning(
            "No limit is set: the run continues until it is stopped with Ctrl-C. "
            "trainer.max_epochs, max_steps, patience, stop_min_lr or stop_time_hours would end it."
        )


def describe_data(task: Task) -> dict[str, list[object]]:
    """Return what became of the lines of each split's files; the log has it from the task."""
    files: dict[str, list[object]] = {split: list(task.describe_data(split)) for split in task.splits()}
    return {split: each for split, each in files.items() if each}


def report(trainer: Trainer, config: RunConfig, registry: Registry, folder: RunFolder) -> Results:
    """Say why the run ended; measure the best checkpoint (else the last) of one that is done, as `evaluate` would."""
    if exit_code := trainer.requests.exit_code():
        logger.warning(
            "stopped after step %d: %s; the same command resumes", trainer.progress.step, trainer.stop_reason
        )
        return Results(folder.path, exit_code=exit_code)
    logger.info("done training: %s", trainer.stop_reason)
    split = final_split(trainer.task)
    if split is None:
        return Results(folder.path)
    best = trainer.checkpointer.default()
    if split in trainer.evaluator.validation_splits[:1] and best.step in trainer.validations:
        measures = trainer.validations[best.step]  # of these very weights
    else:
        finished = load_run(folder, registry, config, task=trainer.task, group=trainer.engine.group)
        measures = finished.evaluator.measure(split, finished.models)
    trainer.metric_logger.log_results(trainer.progress, split, measures, checkpoint=best.name)
    return Results(folder.path, split=split, checkpoint=best.name, measures=measures)
