"""A component in a core section, `distributed.launcher`: chosen, shown, written and refused like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from seqtrain.cli import config as config_commands
from seqtrain.cli import config_options
from seqtrain.config.dump import to_annotated_yaml, to_yaml
from seqtrain.config.help import describe
from seqtrain.config.option import Selection
from seqtrain.config.plain import differences
from seqtrain.config.resolve import Resolved, resolve
from seqtrain.config.schema import DistributedConfig
from seqtrain.config.tree import from_plain
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry

_CONFIG = """
from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    queue: str = option("short", help="queue to wait in", choices=("short", "long"))
    hours: float = option(1.0, help="time to ask for", unit="hours", gt=0)
    note: str = option("", help="text")

    def __post_init__(self):
        if self.queue == "short" and self.hours > 4:
            raise ValueError(f"queue=short allows 4 hours, not {self.hours}")


@dataclass(frozen=True, kw_only=True)
class AnyConfig:
    size: int = option(1, help="size")
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two launchers, and the least that a run needs."""
    (tmp_path / "launch_config_parts.py").write_text(_CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = {"task": "copy", "model": "net", "criterion": "nll", "optimizer": "adam", "lr_scheduler": "fixed"}
    ref = "launch_config_parts:nowhere"
    parts = [
        Component(kind=kind, name=name, ref=ref, config="launch_config_parts:AnyConfig") for kind, name in kinds.items()
    ]
    parts += [
        Component(kind="launcher", name="cluster", ref=ref, config="launch_config_parts:ClusterConfig"),
        Component(kind="launcher", name="plain", ref=ref),
        Component(kind="tracker", name="tensorboard", ref=ref),
    ]
    return Registry([Plugin(id="acme", components=tuple(parts))])


@pytest.fixture
def resolved(registry: Registry) -> Callable[..., Resolved]:
    """Resolve arguments."""

    def resolve_arguments(*overrides: str, config_file: Path | None = None) -> Resolved:
        names = {"task": "copy", "model": "net", "criterion": "nll", "optimizer": "adam", "lr_scheduler": "fixed"}
        return resolve(registry, overrides=overrides, config_file=config_file, **({} if config_file else names))

    return resolve_arguments


def test_by_default_there_is_none(resolved) -> None:
    """This process trains."""
    assert resolved().config.distributed.launcher is None
    assert resolved("distributed.launcher=null").config.distributed.launcher is None


def test_one_is_chosen_by_name_with_its_fields(resolved) -> None:
    """Read by their types, with the defaults of the rest."""
    (launcher,) = {
        resolved("distributed.launcher.name=cluster", "distributed.launcher.hours=3").config.distributed.launcher
    }

    assert isinstance(launcher, Selection)
    assert (launcher.kind, launcher.name, launcher.config.queue, launcher.config.hours) == (
        "launcher", "cluster", "short", 3.0
    )  # fmt: skip
    assert resolved("distributed.launcher.name=acme/plain").config.distributed.launcher.name == "acme/plain"


def test_null_above_takes_it_back(resolved, tmp_path: Path) -> None:
    """A file may choose one, and the command line none, or another one without the fields of the first."""
    file = tmp_path / "run.yaml"
    file.write_text(to_yaml(resolved("distributed.launcher.name=cluster", "distributed.launcher.queue=long").config))

    assert resolved(config_file=file).config.distributed.launcher.config.queue == "long"
    assert resolved("distributed.launcher=null", config_file=file).config.distributed.launcher is None
    assert resolved("distributed.launcher.name=plain", config_file=file).config.distributed.launcher.name == "plain"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("distributed.launcher.name=plain",),
        ("distributed.launcher.name=cluster", "distributed.launcher.hours=2", "distributed.launcher.note=${x} null"),
    ],
)
def test_what_is_written_reads_back_the_same(resolved, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """And is written the same again."""
    config = resolved(*(each.replace("${", "\\${") for each in arguments)).config
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    again = resolved(config_file=tmp_path / "config.yaml").config

    assert again == config
    assert to_yaml(again) == to_yaml(config)
    assert yaml.safe_load(to_yaml(config))["distributed"]["launcher"] == (
        {"name": "cluster", "queue": "short", "hours": 2.0, "note": r"\${x} null"} if len(arguments) == 3
        else {"name": "plain"} if arguments else None
    )  # fmt: skip


def test_origins_are_shown_field_by_field(resolved) -> None:
    """Of the name, of what was set, and of what was not."""
    lines = to_annotated_yaml(
        resolved("distributed.launcher.name=cluster", "distributed.launcher.hours=3")
    ).splitlines()
    origins = {line.split(":")[0].strip(): line.partition("# ")[2] for line in lines}

    assert origins["hours"] == "argument distributed.launcher.hours=3"
    assert origins["queue"] == "default"
    assert "    name: cluster" in "\n".join(lines)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["distributed.launcher.name=clutser"], PluginError, "No launcher is named 'clutser'. Did you mean 'cluster'?"),
        (["distributed.launcher.queue=long"], ConfigError, "set distributed.launcher.name too: which launcher"),
        (["distributed.launcher=cluster"], ConfigError, "expected fields, as in distributed.launcher.NAME=VALUE"),
        (
            ["distributed.launcher.name=cluster", "distributed.launcher.que=long"],
            ConfigError,
            "no such field of launcher 'cluster'. Did you mean 'queue'?",
        ),
        (
            ["distributed.launcher.name=cluster", "distributed.launcher.hours=0"],
            ConfigError,
            "expected float, hours, > 0, got '0'",
        ),
        (
            ["distributed.launcher.name=cluster", "distributed.launcher.hours=9"],
            ConfigError,
            "distributed.launcher: queue=short allows 4 hours, not 9.0",
        ),
        (["distributed.launcher.name=plain", "distributed.launcher.x=1"], ConfigError, "no such field of launcher"),
    ],
)
def test_mistakes_are_refused_with_the_way_out(resolved, arguments, kind, said) -> None:
    """As in a section of its own."""
    with pytest.raises(kind) as caught:
        resolved(*arguments)

    assert said in str(caught.value)


def test_a_resumed_run_may_be_launched_otherwise(resolved) -> None:
    """How a run is started says nothing of what it computes."""
    here = resolved().config
    there = resolved("distributed.launcher.name=cluster").config
    longer = resolved("distributed.launcher.name=cluster", "distributed.launcher.hours=2").config

    for one, other in ((here, there), (there, here), (there, longer)):
        (difference,) = differences(one, other)
        assert difference.key.startswith("distributed.launcher")
        assert difference.may_change


def test_it_is_in_the_table_of_its_section() -> None:
    """Under the key that chooses it."""
    (row,) = (each for each in describe(DistributedConfig, "distributed") if "launcher" in each.key)

    assert (row.key, row.type, row.default) == ("distributed.launcher.name", "launcher or null", "null")


def test_the_commands_show_and_check_it(registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show`, `config check` and `--help`."""
    monkeypatch.setattr(config_commands, "installed_plugins", lambda: registry)
    monkeypatch.setattr(config_options, "installed_plugins", lambda: registry)
    names = "--task copy --model net --criterion nll --optimizer adam --lr-scheduler fixed".split()
    chosen = [*names, "distributed.launcher.name=cluster"]

    shown = CliRunner().invoke(config_commands.config, ["show", "--json", *chosen])
    assert json.loads(shown.stdout)["config"]["distributed"]["launcher"]["name"] == "cluster"
    assert CliRunner().invoke(config_commands.config, ["check", *chosen]).stdout == "ok\n"
    assert "distributed.launcher.name" in CliRunner().invoke(config_commands.config, ["show", *names, "--help"]).stdout
    wrong = CliRunner().invoke(config_commands.config, ["check", *chosen, "distributed.launcher.hours=0"])
    assert isinstance(wrong.exception, ConfigError)


def test_settings_may_come_from_elsewhere_than_a_file(registry) -> None:
    """What the user gives lies over them, and their place is told."""
    names = {"task": "copy", "model": "net", "criterion": "nll", "optimizer": "adam", "lr_scheduler": "fixed"}
    sections = {kind: {"name": name, "size": 3} for kind, name in names.items()}

    found = resolve(registry, settings=from_plain(sections, "somewhere"), overrides=["model.size=4"])

    assert (found.config.task.config.size, found.config.model.config.size) == (3, 4)
    assert (found.origin("task.size"), found.origin("model.size")) == ("somewhere", "argument model.size=4")
    with pytest.raises(ConfigError, match=r"somewhere: model\.size: expected int, got 'x'"):
        resolve(registry, settings=from_plain({**sections, "model": {"name": "net", "size": "x"}}, "somewhere"))
