"""Trained models on their way out to other programs, and in from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from seqtrain.build import build_engine, build_model, build_task, cache_folder, refuse_misfit
from seqtrain.checkpoint.atomic_io import finished_as
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.checkpoint.task_files import TaskFiles
from seqtrain.config.dump import escaped, to_yaml
from seqtrain.config.option import Selection
from seqtrain.config.plain import to_plain
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.config.tree import MapNode, from_plain
from seqtrain.errors import CheckpointError, ConfigError, PluginError
from seqtrain.inference.load import TrainedRun, load_weights
from seqtrain.protocols.runs import Exporter, Imported, Importer
from seqtrain.registry.isolation import blame
from seqtrain.registry.registry import RegisteredComponent, Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.open import write_environment


def export_run(run: TrainedRun, output: Path, selection: Selection, registry: Registry) -> None:
    """
    Have an exporter write a run's model; `output` is there whole in the end, or not at all.

    Raises:
        UsageError: there is something already, or no folder to put it in.
        PluginError: the exporter fails, or writes something else.
        ConfigError: the format has no place for this model.
    """
    component = registry.get(selection.kind, selection.name)
    with finished_as(output) as unfinished:
        exporter = cast("Exporter", registry.build(selection))
        with blame(component):
            exporter(run, unfinished)
        written = sorted(each.name for each in unfinished.parent.iterdir())
        if written != [output.name]:
            raise PluginError(f"{component} was to write {output.name}, and wrote {', '.join(written) or 'nothing'}.")


def import_run(
    source: Path, run_dir: Path, selection: Selection, registry: Registry, *, command: Sequence[str]
) -> RunFolder:
    """
    Make a run of a model from elsewhere, good for predicting and measuring.

    It is there whole in the end, or not at all.

    Args:
        source: the other program's file or folder.
        run_dir: where the run will be.
        selection: the importer.
        registry: what is installed.
        command: the words of the command line, for environment.json.

    Raises:
        UsageError: there is something already.
        DataError: the source is not of the importer's format.
        PluginError: the importer fails, or leaves something out.
        ConfigError: the configuration that it returns is not right.
        CheckpointError: the weights do not fit the model, or nothing can be written.
    """
    component = registry.get(selection.kind, selection.name)
    finished = RunFolder(run_dir)
    with finished_as(finished.path) as unfinished:
        folder = RunFolder(unfinished)
        folder.create()
        importer = cast("Importer", registry.build(selection))
        with blame(component):
            imported: object = importer(source, folder.task)
        imported = _checked(imported, component)
        config = _whole_config(imported.config, component, registry)
        model = _build_imported(imported, config, registry, folder, component)
        folder.write_config(to_yaml(config))
        write_environment(folder, registry, command)
        CheckpointStore(folder.checkpoints).save_imported(model.state_dict(), TaskFiles(folder.task))
    return finished


def _checked(imported: object, component: RegisteredComponent) -> Imported:
    if not isinstance(imported, Imported):
        raise PluginError(f"{component} returned {type(imported).__name__}, not a seqtrain.api.Imported.")
    if not (isinstance(imported.config, Mapping) and isinstance(imported.weights, Mapping)):
        raise PluginError(f"{component} returned a config or weights that are no map; see seqtrain.api.Imported.")
    odd = [name for name, weight in imported.weights.items() if not isinstance(weight, Tensor)]
    if odd:
        raise PluginError(f"{component} returned a weight {odd[0]!r} that is no tensor.")
    return imported


def _whole_config(sections: Mapping[str, object], component: RegisteredComponent, registry: Registry) -> RunConfig:
    settings = from_plain(escaped(to_plain(sections)), f"importer {component.component.name!r}")
    assert isinstance(settings, MapNode)
    try:
        return resolve(registry, settings=settings).config
    except ConfigError as error:
        raise ConfigError(f"{component} returned a configuration that cannot be used. {error}") from error


def _build_imported(
    imported: Imported, config: RunConfig, registry: Registry, folder: RunFolder, component: RegisteredComponent
) -> nn.Module:
    """Build the model with the imported weights, which proves that the run can be loaded."""
    task = build_task(config, registry)
    try:
        task.load(folder.task, cache_folder(config))
    except CheckpointError as error:
        raise PluginError(
            f"{component} left something out that the task {config.task.name!r} needs: {error}"
        ) from error
    remedy = (
        f"Settings of the importer may help: `seqtrain plugins show importer/{component.qualified_name}` lists them."
    )
    where, shapes = f"what {component} returned", {name: each.shape for name, each in imported.weights.items()}
    refuse_misfit(config, registry, task.model_spec, {where: shapes}, remedy=remedy)
    model = build_model(config, registry, task.model_spec, build_engine(config))
    load_weights(model, imported.weights, where, remedy=remedy)
    return model
