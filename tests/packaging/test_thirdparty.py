"""
A stranger's plugin, from its wheel, away from this repository.

What lies in `tests/thirdparty` is not changed along with core: when a test here fails, the plugin API was changed in a
way that breaks packages which are installed already.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[1] / "thirdparty" / "acme-seqtrain-rnn"
PUBLIC = {"seqtrain.plugin", "seqtrain.api", "seqtrain.testing.contracts"}
PARTS = ["--model", "rnn/small", "--criterion", "focal", "callbacks.weight_growth.every={steps: 1}"]
SMALL = ["model.hidden=16", "data.max_tokens=512", "task.generation.beam=2", "task.generation.max_len_a=0",
         "task.generation.max_len_b=2", "logging.every={steps: 1}", "checkpoint.save={steps: 2}",
         "--lr-scheduler", "fixed"]  # fmt: skip


@dataclass(frozen=True)
class Stranger:
    """
    The plugin, installed from its wheel.

    Args:
        project: its copy, outside of the repository.
        scripts: of the environment that it is installed in.
        folder: an unrelated one to work in.
        run: see `run_command` in tests/conftest.py.
    """

    project: Path
    scripts: Path
    folder: Path
    run: Callable[..., str]

    def seqtrain(self, *arguments: str | Path) -> str:
        """Run a command line in a new process and return what it prints."""
        return self.run(self.scripts / "seqtrain", *arguments, cwd=self.folder)

    def train(self, run: str, *, steps: int) -> Path:
        """Train, or go on with, a run of so many steps with all that the plugin offers; return its last checkpoint."""
        cache = f"data.cache_dir={self.folder / 'cache'}"
        limit = f"trainer.max_steps={steps}"
        self.seqtrain("train", "--task", "translation", *PARTS, *SMALL, cache, limit, "--run-dir", run)
        return self.folder / run / "checkpoints" / f"step-{steps:08d}"


@pytest.fixture(scope="module")
def stranger(
    run: Callable[..., str],
    build_wheels: Callable[..., list[Path]],
    make_environment: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stranger:
    """The plugin's wheel, built from a copy and installed beside ours."""
    project = tmp_path_factory.mktemp("acme") / SOURCE.name
    shutil.copytree(SOURCE, project, ignore=shutil.ignore_patterns("__pycache__"))
    (wheel,) = build_wheels(project, into=tmp_path_factory.mktemp("dist"))
    return Stranger(project, make_environment("acme", wheel), tmp_path_factory.mktemp("unrelated"), run)


@pytest.fixture(scope="module")
def trained(stranger: Stranger) -> Path:
    """The last checkpoint of a run of four steps that nothing interrupted."""
    return stranger.train("whole", steps=4)


def imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports from seqtrain or its first-party packages."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        module = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in (*names, *module) if name.startswith("seqtrain"))


def test_it_imports_the_public_surface_and_nothing_else() -> None:
    """Else it would pin something that nobody promised."""
    files = sorted(SOURCE.rglob("*.py"))
    found = {name for file in files for name in imports(file)}

    assert len(files) > 10
    assert found == PUBLIC


def test_it_passes_the_check_of_plugins(stranger: Stranger) -> None:
    """As its author would run it before publishing."""
    report = json.loads(stranger.seqtrain("plugins", "check", "acme-seqtrain-rnn", "--json"))

    assert report["schema"] == "seqtrain.plugins.check/1"
    assert report["passed"]
    assert {rule["status"] for plugin in report["plugins"] for rule in plugin["rules"]} == {"PASS"}


@pytest.mark.slow
def test_it_passes_its_own_tests(stranger: Stranger) -> None:
    """Contracts and numbers, spawned workers among them, in the environment that it is installed in."""
    report = stranger.run(
        stranger.scripts / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=stranger.project
    )

    assert " passed" in report


def test_it_is_listed_with_all_that_it_offers(stranger: Stranger) -> None:
    """From where it is installed, under its qualified names."""
    listing = json.loads(stranger.seqtrain("plugins", "list", "--json"))
    (plugin,) = [each for each in listing["plugins"] if each["id"] == "acme-seqtrain-rnn"]

    assert plugin["state"] == "ok"
    assert [(each["kind"], each["name"]) for each in plugin["components"]] == [
        ("model", "rnn"),
        ("criterion", "focal"),
        ("callback", "weight_growth"),
        ("command", "curve"),
    ]


def test_it_trains_and_translates(stranger: Stranger, trained: Path) -> None:
    """A run of its model, criterion and callback leaves what predicting needs; decoding uses its cache."""
    (stranger.folder / "text").write_text("two hundred and five\nforty\n", encoding="utf-8")
    stranger.seqtrain("predict", "whole", "--input", "text", "--output", "translations")

    assert trained.is_dir()
    assert len((stranger.folder / "translations").read_text(encoding="utf-8").splitlines()) == 2


def test_stopped_and_resumed_it_ends_as_if_nothing_had_happened(stranger: Stranger, trained: Path) -> None:
    """Two steps in one process and two in another give the weights, the optimizer and the callback of four, bit for bit."""
    stranger.train("parted", steps=2)
    resumed = stranger.train("parted", steps=4)

    assert hashes(trained) == hashes(resumed)
    assert {"model.safetensors", "optimizer.safetensors", "state.safetensors"} <= hashes(trained).keys()
    assert saved_callback(trained) == saved_callback(resumed)
    assert saved_callback(trained)["record"]["step"] > 0


def hashes(checkpoint: Path) -> dict[str, str]:
    """Return the hashes of a checkpoint's tensors."""
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in checkpoint.glob("*.safetensors")}


def saved_callback(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint holds of the callback, its tensors left out."""
    state: dict[str, Any] = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = state["callbacks.weight_growth"]
    return found


def test_its_command_draws_the_run(stranger: Stranger, trained: Path) -> None:
    """A command of a plugin is one of `seqtrain`'s, with its own options and its line in the help."""
    heading, line = stranger.seqtrain("curve", "whole").splitlines()

    assert heading.startswith("train/loss  steps 1 to 4  ")
    assert len(line) == 4
    assert "Draw a metric of a run in one line" in stranger.seqtrain("--help")
