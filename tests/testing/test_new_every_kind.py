"""What `plugins new` writes, for every kind: built, installed beside our wheels, checked, tested, used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from seqtrain.cli.main import main
from seqtrain.plugin import KINDS

# Holds the rules against many plugins in one process, which imports torch once.
CHECK = """
import json, sys
from seqtrain.cli.main import main

codes = {name: main(["plugins", "check", name]) for name in sys.argv[1:]}
print(json.dumps(codes))
"""
SMALL = ["trainer.max_steps=2", "data.max_tokens=512", "task.generation.max_len_a=0", "task.generation.max_len_b=2"]


@dataclass(frozen=True)
class Everything:
    """
    A plugin of each kind, installed.

    Args:
        folder: where they were written.
        scripts: of the environment.
        run: see `run_command` in tests/conftest.py.
    """

    folder: Path
    scripts: Path
    run: Callable[..., str]

    def python(self, *arguments: str | Path) -> str:
        """Run Python there."""
        return self.run(self.scripts / "python", *arguments, cwd=self.folder)


def name_of(kind: str) -> str:
    return f"acme-new-{kind.replace('_', '-')}"


@pytest.fixture(scope="module")
def everything(
    run: Callable[..., str],
    build_wheels: Callable[..., list[Path]],
    make_environment: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Everything:
    """Written by the command line, and installed from wheels."""
    folder = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        assert main(["plugins", "new", name_of(kind), "--kind", kind, "--directory", str(folder)]) == 0
    wheels = build_wheels(*(folder / name_of(kind) for kind in KINDS), into=tmp_path_factory.mktemp("wheels-of-new"))
    return Everything(folder, make_environment("every-kind", *wheels), run)


@pytest.mark.slow
def test_every_kind_keeps_all_rules(everything):
    """From the wheel, in an environment that knows nothing of the folder it was written in."""
    report = everything.python("-c", CHECK, *map(name_of, KINDS))
    text, _, codes = report.strip().rpartition("\n")

    assert [line for line in text.splitlines() if line.lstrip().startswith(("FAIL", "WARN", "SKIP"))] == []
    assert json.loads(codes) == {name_of(kind): 0 for kind in KINDS}


@pytest.mark.slow
def test_every_kind_passes_its_own_tests(everything):
    """What seqtrain asks of the kind, and what is particular to the one that was written."""
    folders = [everything.folder / name_of(kind) / "tests" for kind in KINDS]
    report = everything.python(
        "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders
    )

    assert " passed" in report


@pytest.mark.slow
def test_a_run_can_use_several_of_them(everything):
    """Two steps with a model, a criterion, an optimizer, a scheduler, a tokenizer, a metric and two watchers."""
    parts = {"model": "model", "criterion": "criterion", "optimizer": "optimizer", "lr_scheduler": "lr-scheduler"}
    options = [word for kind, option in parts.items() for word in (f"--{option}", f"new_{kind}")]
    settings = [
        "task.tokenizer.name=new_tokenizer",
        "task.metric.name=new_metric",
        "trackers.new_tracker={}",
        "callbacks.new_callback.every=1",
        f"data.cache_dir={everything.folder / 'cache'}",
    ]
    seqtrain = everything.scripts / "seqtrain"
    run = everything.folder / "run"
    everything.run(
        seqtrain, "train", "--task", "translation", *options, *settings, *SMALL, "--run-dir", run, cwd=everything.folder
    )
    shown = everything.run(seqtrain, "new_command", run, "--metric", "valid/word_error_rate", cwd=everything.folder)

    assert (run / "new_tracker" / "metrics.csv").read_text().startswith("step,name,value\n")
    assert shown.splitlines()[1].split()[0] == "2"
