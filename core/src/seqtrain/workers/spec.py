"""What a worker is told: references and plain values, as text on its command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from seqtrain.config.dump import to_yaml
from seqtrain.config.paths import expand_home
from seqtrain.config.reader import read_yaml
from seqtrain.config.resolve import resolve
from seqtrain.config.tree import Problems
from seqtrain.errors import PluginError, UsageError
from seqtrain.registry.registry import Registry
from seqtrain.run.request import EvaluateRequest, PredictRequest, Request, RunRequest
from seqtrain.workers.child import python_command

JOBS = ("train", "evaluate", "predict")


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """
    What a worker is to do.

    Args:
        config: the resolved configuration as YAML; how the run is launched is left out, so that no later use of the
            run needs the launcher.
        run_dir: an absolute path.
        fresh, accept_changes, command, verbose: see `RunRequest`.
        plugins: the usable plugins of who started the worker: distribution and version by id.
        plugin_filters: which plugins the user has switched off, as variables of the environment.
        job: one of `JOBS`.
        checkpoints, split, as_json: see `EvaluateRequest`.
        checkpoints, input_file, output_file: see `PredictRequest`; absolute paths.
    """

    config: str
    run_dir: str
    fresh: bool
    accept_changes: bool
    command: Sequence[str]
    verbose: bool
    plugins: Mapping[str, Sequence[str | None]]
    plugin_filters: Mapping[str, str]
    job: str = "train"
    checkpoints: Sequence[str] = field(default_factory=list)
    split: str | None = None
    as_json: bool = False
    input_file: str | None = None
    output_file: str | None = None

    @classmethod
    def of(cls, request: Request, registry: Registry) -> WorkerSpec:
        """Describe a request, to be carried out where the same plugins are installed."""
        here = replace(request.config, distributed=replace(request.config.distributed, launcher=None))
        fields: dict[str, Any] = {"job": "train", "fresh": False, "accept_changes": False, "command": []}
        if isinstance(request, RunRequest):
            command = list(request.command)
            fields |= {"fresh": request.fresh, "accept_changes": request.accept_changes, "command": command}
        else:
            fields |= {"checkpoints": list(request.checkpoints)}
        if isinstance(request, EvaluateRequest):
            fields |= {"job": "evaluate", "split": request.split, "as_json": request.as_json}
        elif isinstance(request, PredictRequest):
            paths = {"input_file": request.input_file, "output_file": request.output_file}
            fields |= {"job": "predict", **{name: path and _absolute(path) for name, path in paths.items()}}
        return cls(
            config=to_yaml(here),
            run_dir=_absolute(request.run_dir),
            verbose=request.verbose,
            plugins=plugin_set(registry),
            plugin_filters=registry.plugin_filters.to_environment(),
            **fields,
        )

    @classmethod
    def read(cls, text: str) -> WorkerSpec:
        """
        Read the argument that `command_line` wrote.

        Raises:
            UsageError: it is something else.
        """
        try:
            spec = cls(**json.loads(text))
            if spec.job not in JOBS or not spec._has_right_types():
                raise TypeError("a field of another type")  # noqa: TRY301 - told like all else that it may be
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"This is not what `seqtrain train` tells a worker: {text[:80]!r}. Workers are started by a launcher; "
                "see distributed.launcher."
            ) from error
        return spec

    def command_line(self) -> list[str]:
        """Return the command that starts a worker."""
        return python_command("seqtrain.workers.main", json.dumps(asdict(self)))

    def request(self, registry: Registry) -> Request:
        """
        Return what is to be run.

        Raises:
            PluginError: other plugins are installed here than where the run was started.
            ConfigError: the configuration does not fit the plugins.
        """
        self._check_plugins(registry)
        problems = Problems()
        settings = read_yaml(self.config, "the configuration of the run", problems)
        problems.raise_any()
        config, run_dir = resolve(registry, settings=settings).config, Path(self.run_dir)
        if self.job == "evaluate":
            return EvaluateRequest(
                config=config,
                run_dir=run_dir,
                checkpoints=self.checkpoints,
                split=self.split,
                as_json=self.as_json,
                verbose=self.verbose,
            )
        if self.job == "predict":
            return PredictRequest(
                config=config,
                run_dir=run_dir,
                checkpoints=self.checkpoints,
                input_file=None if self.input_file is None else Path(self.input_file),
                output_file=None if self.output_file is None else Path(self.output_file),
                verbose=self.verbose,
            )
        return RunRequest(
            config=config,
            run_dir=run_dir,
            fresh=self.fresh,
            accept_changes=self.accept_changes,
            command=self.command,
            verbose=self.verbose,
        )

    def _has_right_types(self) -> bool:
        """Say whether the fields are what their annotations say, which JSON does not know of."""
        hints = get_type_hints(type(self))
        return all(_is_of(getattr(self, name), hint) for name, hint in hints.items())

    def _check_plugins(self, registry: Registry) -> None:
        here, there = plugin_set(registry), {name: list(each) for name, each in self.plugins.items()}
        if here == there:
            return
        why_not_here = {plugin.id: plugin.state for plugin in registry.plugins}
        listed = "\n".join(
            f"  {name}: {_named(there.get(name))} there, {_named(here.get(name), why_not_here.get(name))} here"
            for name in sorted({*here, *there})
            if here.get(name) != there.get(name)
        )
        raise PluginError(
            f"A worker has other plugins than the process that started the run:\n{listed}\n"
            "Install the same distributions in the same versions everywhere, or let the launcher use that Python."
        )


def _is_of(value: Any, hint: Any) -> bool:
    """Say whether a value from JSON fits an annotation made of plain types, `|`, Sequence and Mapping."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Sequence:
        return isinstance(value, list) and all(_is_of(each, parts[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_is_of(each, parts[1]) for each in value.values())
    return any(_is_of(value, part) for part in parts) if parts else isinstance(value, hint)


def _absolute(path: Path) -> str:
    return str(expand_home(path).absolute())


def plugin_set(registry: Registry) -> dict[str, list[str | None]]:
    """Return distribution and version of each usable plugin, by its id."""
    return {plugin.id: [plugin.distribution, plugin.version] for plugin in registry.plugins if plugin.usable}


def _named(plugin: Sequence[str | None] | None, otherwise: str | None = None) -> str:
    return otherwise or "none" if plugin is None else " ".join(part or "?" for part in plugin)
