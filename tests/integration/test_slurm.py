"""Runs on SLURM, where its controller answers: `srun`, the job file of the documentation, and the launcher."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seqtrain_testing.contracts import LauncherContract

JOB_FILE = Path(__file__).parents[2] / "core" / "docs" / "examples" / "slurm.sbatch"
SETTINGS = {
    "task.dummy.examples": 400,
    "task.dummy.valid_examples": 12,
    "task.dummy.length": 9,
    "task.dummy.min_length": 4,
    "task.dummy.vocab_size": 40,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.embed_dim": 16,
    "model.ffn_dim": 32,
    "model.attention_heads": 2,
    "lr_scheduler.warmup_steps": 1,
    "trainer.max_epochs": "null",
    "trainer.micro_batches_per_step": 2,
    "trainer.validate.epochs": 1000,
    "checkpoint.save.epochs": 1000,
    "data.max_sentences": 8,
    "distributed.device": "cpu",
    "trackers": "{}",
}


def run(*command: object, timeout: float = 120) -> str:
    """Run a command that must not fail, and return what it says on both streams."""
    ended = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module", autouse=True)
def _slurm() -> None:
    """Skip where there is no SLURM, or one that does not start anything."""
    if shutil.which("sinfo") is None:
        pytest.skip("needs SLURM: there is no `sinfo` here")
    try:
        run("sinfo", "--noheader", timeout=10)
        run("srun", "--immediate=10", "--ntasks=2", "true", timeout=30)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"needs SLURM: its controller starts no two tasks ({error})")


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the arguments of a tiny run; `seqtrain` is that of this Python, and logs lie in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def train(run_dir: str, **changed: object) -> list[str]:
        settings = {**SETTINGS, "data.cache_dir": tmp_path / "cache"}
        settings.update({key.replace("__", "."): value for key, value in changed.items()})
        run_dir = str(tmp_path / run_dir)
        return ["--task", "translation", "--run-dir", run_dir, *(f"{key}={each}" for key, each in settings.items())]

    return train


def weights(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    """Return what a run has come to."""
    return load_file(run_dir / "checkpoints" / f"step-{step:08d}" / "model.safetensors")


def wait_for(condition, seconds: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_tasks_of_srun_train_as_one_process_does(train, tmp_path):
    """They find each other, divide the batches, and come to the same weights."""
    said = run("srun", "--ntasks=2", "seqtrain", "train", *train("two", trainer__max_steps=6))
    run("seqtrain", "train", *train("one", trainer__max_steps=6))
    ours, alone = weights(tmp_path / "two", 6), weights(tmp_path / "one", 6)

    assert said.count("Joining the job that srun started: worker 0 of 2") == 1
    assert said.count("results: ") == 1
    assert max((ours[name] - alone[name]).abs().max().item() for name in alone) < 1e-6


def test_a_batch_script_without_srun_is_one_worker(train):
    """Though SLURM tells it of a job of two tasks and of a first one."""
    log = Path("log")
    command = ["seqtrain", "train", *train("one", trainer__max_steps=1)]
    run("sbatch", "--wait", "--ntasks=2", f"--output={log}", "--wrap", " ".join(command))

    assert "Joining" not in log.read_text()
    assert "results: " in log.read_text()


def test_the_job_file_goes_on_after_it_was_told_to_save(train, tmp_path):
    """It saves, goes back into the queue, starts again and ends; as it would have without the interruption."""
    options = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=0", "--cpus-per-task=1", "--time=10", "--parsable"]
    arguments = train("run", trainer__max_steps=400)
    job = run("sbatch", *options, JOB_FILE, *arguments).strip()
    try:
        log = tmp_path / f"seqtrain-{job}.log"
        wait_for(lambda: log.exists() and "epoch 2 " in log.read_text())
        run("scancel", "--signal=TERM", job)
        wait_for(lambda: run("squeue", "--noheader", "--states=PENDING", "--format=%i").split() == [job])
        said = log.read_text()
        run("scontrol", "update", f"JobId={job}", "StartTime=now")  # instead of after two minutes
        wait_for(lambda: "results: " in log.read_text())
    finally:
        subprocess.run(["scancel", job], check=False)

    assert "SIGTERM received; the same command resumes" in said
    assert "Resuming in" in log.read_text()
    run("seqtrain", "train", *train("alone", trainer__max_steps=400))
    ours, alone = weights(tmp_path / "run", 400), weights(tmp_path / "alone", 400)
    assert max((ours[name] - alone[name]).abs().max().item() for name in alone) < 1e-4


class TestSubmititOnSlurm(LauncherContract):
    """What launchers promise, by jobs of SLURM's."""

    name = "submitit"
    settings = {"minutes": 5, "stop_seconds": 20}

    @pytest.fixture(autouse=True)
    def _logs(self, tmp_path, monkeypatch):
        """Write the logs of jobs where the test's other files are."""
        monkeypatch.chdir(tmp_path)
