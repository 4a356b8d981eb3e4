"""Workers with other software or settings are found before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component, option
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.workers import check as worker_check
from seqtrain.workers.group import WorkerGroup


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """Of every component here."""

    text: str = option("", help="a text")


def registry(version: str = "1.0") -> Registry:
    kinds = {
        "task": "p",
        "model": "p",
        "criterion": "p",
        "optimizer": "p",
        "lr_scheduler": "p",
        "tracker": "tensorboard",
    }
    config = f"{__name__}:PartConfig"
    parts = tuple(Component(kind=kind, name=name, ref=config, config=config) for kind, name in kinds.items())
    return Registry([Plugin(id="acme", distribution="acme-parts", version=version, components=parts)])


def config(*settings: str) -> RunConfig:
    names = dict.fromkeys(("task", "model", "criterion", "optimizer", "lr_scheduler"), "p")
    return resolve(registry(), overrides=settings, **names).config


class Recorder(WorkerGroup):
    """Notes what this worker says, and answers with what others said."""

    def __init__(self, *others: list[Any]) -> None:
        self.said: list[Any] = []
        self.others = others

    def all_gather_object(self, value: Any) -> list[Any]:
        self.said.append(value)
        return [*(other[len(self.said) - 1] for other in self.others), value]


def says(config: RunConfig, registry: Registry) -> list[Any]:
    """Return what a worker says that finds nobody alike."""
    recorder = Recorder(["other", {"software": {}, "plugins": {}, "settings": {}}])
    with pytest.raises(PluginError):
        worker_check.refuse_worker_differences(recorder, config, registry)
    return recorder.said


MAIN = says(config(), registry())


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["distributed.workers=3", "distributed.rendezvous=n1:29400", "distributed.threads=2"],
        ["data.cache_dir=/scratch", "logging.level=error", "trackers.tensorboard=null"],
    ],
)
def test_what_is_a_host_s_own_may_differ(settings) -> None:
    """Where it keeps its files, and how many workers it has."""
    group = Recorder(MAIN)

    worker_check.refuse_worker_differences(group, config(*settings), registry())
    assert len(group.said) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["trainer.seed=3"], "trainer.seed: 1 on worker 0, 3 on worker 1"),
        (["model.text=x"], "model.text:  on worker 0, x on worker 1"),
        (["distributed.engine=fsdp"], "distributed.engine: ddp on worker 0, fsdp on worker 1"),
    ],
)
def test_other_settings_are_named(settings, said) -> None:
    """With both values and the worker."""
    with pytest.raises(ConfigError, match="Worker 1 has other settings than worker 0") as caught:
        worker_check.refuse_worker_differences(Recorder(MAIN), config(*settings), registry())
    assert said in str(caught.value)


def test_other_plugins_are_named() -> None:
    """With both versions; and before the settings, which may differ for it."""
    with pytest.raises(PluginError, match=r"acme: acme-parts 1\.0 on worker 0, acme-parts 1\.1 on worker 1"):
        worker_check.refuse_worker_differences(Recorder(MAIN), config("trainer.seed=3"), registry("1.1"))


def test_other_versions_of_what_computes_are_named(monkeypatch) -> None:
    """Of seqtrain and of torch."""
    monkeypatch.setattr(worker_check.torch, "__version__", "2.0")

    with pytest.raises(PluginError, match=r"torch: .* on worker 0, 2\.0 on worker 1"):
        worker_check.refuse_worker_differences(Recorder(MAIN), config(), registry())
