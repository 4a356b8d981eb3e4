"""What becomes of a job of two workers when one of them raises, is killed, hangs or leaves; each twice on each rank."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from fake_distributions import write_distribution

pytestmark = pytest.mark.slow

PLUGIN = """
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from seqtrain.plugin import Component, hookimpl, option


@hookimpl
def seqtrain_components():
    yield Component(kind="callback", name="fault", ref="acme_fault:Fault", config="acme_fault:FaultConfig", summary="Fail")


@dataclass(frozen=True, kw_only=True)
class FaultConfig:
    kind: str = option("none", help="what happens", may_change=True)
    rank: int = option(0, help="to which worker", may_change=True)
    step: int = option(0, help="after which step", may_change=True)
    mark: str = option("", help="a file that is made then; if it is there already, nothing happens", may_change=True)


def raise_error():
    raise RuntimeError("a cosmic ray")


KINDS = {
    "raise": raise_error,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "leave": lambda: os._exit(0),
    "stop": lambda: os.kill(os.getppid(), signal.SIGTERM),
}


class Fault:
    def __init__(self, config):
        self.config = config

    @hookimpl
    def seqtrain_step_end(self, trainer):
        config = self.config
        mark = Path(config.mark)
        here = (trainer.engine.group.rank, trainer.progress.step) == (config.rank, config.step)
        if here and config.kind in KINDS and not mark.exists():
            mark.touch()
            KINDS[config.kind]()
"""
STEPS, FAULT_AT, SAVED = 12, 8, 6
TIMEOUT = 8  # seconds of silence
TOLD = {  # what the user is told: the kind of fault, as a pattern of the worker's number
    "raise": r"callbacks\.fault.*a cosmic ray",
    "kill": r"[Ww]orker {rank} .*SIGKILL",
    "hang": r"[Ww]orker {rank} ",
    "leave": r"[Ww]orker {rank} .*exit code 0",
}
CODES = {"raise": 4, "kill": 137, "hang": 1, "leave": 1}
TRIALS = list(itertools.product(TOLD, (0, 1), (1, 2)))
TRIALS_BY_DEFAULT = [("raise", 1, 1), ("kill", 0, 1), ("hang", 1, 1), ("leave", 0, 1)]
CHOSEN = TRIALS if os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all" else TRIALS_BY_DEFAULT


class Job(NamedTuple):
    """How a command ended."""

    code: int
    said: str
    seconds: float
    """From the fault to the end of the command."""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the callback, for processes that have the folder on their path."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "acme_fault.py").write_text(PLUGIN, encoding="utf-8")
    write_distribution(folder, "acme-fault", ("acme", "acme_fault"))
    return folder


@pytest.fixture(scope="module")
def train(plugin: Path, workers_in: Any) -> Callable[..., Job]:
    """Return a function that trains with two workers in a folder, with what else is on the command line."""

    def run(folder: Path, *more: str) -> Job:
        mark = folder.with_name(f"{folder.name}.mark")
        settings = {
            "task.dummy.examples": 40,
            "trainer.max_steps": STEPS,
            "checkpoint.save": "{steps: 3}",
            "checkpoint.asynchronous": "false",
            "distributed.timeout": TIMEOUT,
            "distributed.stop_seconds": 5,
            "callbacks.fault.mark": mark,
        }
        task, *words = workers_in.words("lm", settings)
        command = [
            sys.executable,
            "-m",
            "seqtrain",
            "train",
            "--task",
            task,
            "--run-dir",
            str(folder),
            "--workers",
            "2",
        ]
        environ = {**os.environ, "PYTHONPATH": str(plugin), "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(
            [*command, *words, *more], env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        since = time.time() - mark.stat().st_mtime if mark.exists() else 0.0
        return Job(ended.returncode, ended.stderr, since)

    return run


@pytest.fixture(scope="module")
def undisturbed(train: Callable[..., Job], workers_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the weights of a run that nothing happened to, by its engine."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for engine in ("ddp", "fsdp"):
        ended = train(folder / engine, f"distributed.engine={engine}")
        assert ended.code == 0, ended.said
    return {engine: workers_in(folder).weights(engine) for engine in ("ddp", "fsdp")}


def fault(kind: str, rank: int) -> list[str]:
    """Return the words that bring it about."""
    return [f"callbacks.fault.kind={kind}", f"callbacks.fault.rank={rank}", f"callbacks.fault.step={FAULT_AT}"]


@pytest.mark.fault("F12")
@pytest.mark.parametrize(("kind", "rank", "trial"), CHOSEN)
def test_a_failure_ends_the_job_and_names_the_worker(
    train: Callable[..., Job], undisturbed: Any, workers_in: Any, tmp_path: Path, kind: str, rank: int, trial: int
) -> None:
    """All end within the timeout, with the first failure's words; the same command goes on to the same weights."""
    failed = train(tmp_path / "run", *fault(kind, rank))

    print(f"{kind} on worker {rank}: {failed.seconds:.1f} s, exit code {failed.code}\n{failed.said}")
    assert failed.code == CODES[kind], failed.said
    assert re.search(TOLD[kind].format(rank=rank), failed.said), failed.said
    assert "Traceback" not in failed.said
    assert f"step-{SAVED:08}" in os.listdir(tmp_path / "run" / "checkpoints")  # noqa: PTH208

    ended = train(tmp_path / "run", *fault(kind, rank))
    assert ended.code == 0, ended.said
    assert f"step {SAVED}" in ended.said
    same(undisturbed["ddp"], workers_in(tmp_path).weights("run"))


@pytest.mark.fault("F12")
@pytest.mark.parametrize(("kind", "rank", "engine"), [("kill", 1, "fsdp"), ("hang", 0, "ddp")])
def test_a_restart_goes_on_by_itself(
    train: Callable[..., Job], undisturbed: Any, workers_in: Any, tmp_path: Path, kind: str, rank: int, engine: str
) -> None:
    """With --max-restarts 1 the command ends well, having lost what came after the newest checkpoint."""
    ended = train(tmp_path / "run", *fault(kind, rank), f"distributed.engine={engine}", "--max-restarts", "1")

    assert ended.code == 0, ended.said
    assert f"step {SAVED}" in ended.said
    same(undisturbed[engine], workers_in(tmp_path).weights("run"))


@pytest.mark.fault("F10")
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_sigterm_stops_all_after_the_same_step(
    train: Callable[..., Job], undisturbed: Any, workers_in: Any, tmp_path: Path, engine: str
) -> None:
    """The command passes it on; all workers save together and leave, and the same command resumes bit for bit."""
    stopped = train(tmp_path / "run", *fault("stop", 1), f"distributed.engine={engine}")

    assert stopped.code == 143, stopped.said
    assert "SIGTERM received; the same command resumes" in stopped.said
    ended = train(tmp_path / "run", *fault("stop", 1), f"distributed.engine={engine}")
    assert ended.code == 0, ended.said
    assert re.search(rf"Resuming from .*step ({FAULT_AT}|{FAULT_AT + 1}|{FAULT_AT + 2})\b", ended.said), ended.said
    same(undisturbed[engine], workers_in(tmp_path).weights("run"))


def same(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    """Compare bit for bit."""
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
