"""A run that is killed or stopped, and goes on, ends with the bits of one that was left alone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

STEPS = 150
LONG = {
    "trainer__max_steps": STEPS,  # 12 steps an epoch
    "trainer__validate": "{steps: 50}",
    "trainer__patience": 100,
    "checkpoint__save": "{steps: 7}",
    "model__dropout": 0.3,
    "callbacks__ema__decay": 0.9,
    "data__prefetch": 2,
}
SHORT = {**LONG, "trainer__max_steps": 30, "trainer__validate": "{steps: 10}"}

SIGNALS_ITSELF = """
import os
import signal

from seqtrain.plugin import Component, hookimpl


class Accident:
    def __init__(self, config):
        self.step, _, self.signal = os.environ.get("ACCIDENT", "0:SIGTERM").partition(":")

    @hookimpl
    def seqtrain_step_end(self, trainer):
        if trainer.progress.step == int(self.step):
            os.kill(os.getpid(), getattr(signal, self.signal))


@hookimpl
def seqtrain_components():
    yield Component(kind="callback", name="accident", ref=__name__ + ":Accident")
"""


def steps_logged(path) -> int:
    """Count the training steps in metrics.jsonl so far."""
    return path.read_bytes().count(b'"split": "train"') if path.exists() else 0


@pytest.mark.slow
@pytest.mark.fault("F1")
def test_a_run_killed_three_times_ends_with_the_bits_of_an_undisturbed_one(workshop, cli_process):
    """SIGKILL in mid-epoch; dropout, prefetching and an average of the weights are on. Then the same command."""
    undisturbed = workshop.folder / "undisturbed"
    assert workshop.train(run=undisturbed, **LONG).code == 0

    for until in (15, 40, 65):
        process = cli_process("train", *workshop.settings(**LONG), "--run-dir", workshop.run)
        while steps_logged(workshop.run / "metrics.jsonl") < until and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, err.decode()
    outcome = workshop.train(**LONG)

    assert outcome.code == 0, outcome.err
    assert "Resuming from" in outcome.err
    assert workshop.weights(STEPS) == workshop.weights(STEPS, undisturbed)
    assert workshop.metrics() == workshop.metrics(undisturbed)
    assert not list(workshop.run.glob("checkpoints/.*"))


@pytest.fixture
def accidents(plugin_folder, monkeypatch):
    """Offer the callback `accident`, which sends its own process a signal: `accidents(step, name)`."""
    monkeypatch.syspath_prepend(plugin_folder("accidents", SIGNALS_ITSELF))

    def plan(step: int, name: str) -> None:
        monkeypatch.setenv("ACCIDENT", f"{step}:{name}")

    return plan


@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGUSR2", 143), ("SIGHUP", 129)])
@pytest.mark.fault("F10")
def test_a_signal_saves_the_last_step_and_the_same_command_goes_on(workshop, accidents, name, code):
    """In mid-epoch and between two checkpoints; the exit code is the one that shells expect."""
    undisturbed = workshop.folder / "undisturbed"
    changed = {**SHORT, "callbacks__accident": "{}"}
    accidents(0, name)
    assert workshop.train(run=undisturbed, **changed).code == 0
    accidents(17, name)

    stopped = workshop.train(**changed)

    assert stopped.code == code
    assert stopped.out == ""
    assert f"{name} received; the same command resumes" in stopped.err
    assert workshop.checkpoints()[-1] == "step-00000017"
    outcome = workshop.train(**changed)
    assert outcome.code == 0, outcome.err
    assert "Resuming from" in outcome.err
    assert workshop.weights(30) == workshop.weights(30, undisturbed)
    assert workshop.metrics() == workshop.metrics(undisturbed)


@pytest.mark.fault("F11")
def test_sigusr1_saves_and_the_run_goes_on(workshop, accidents):
    """In mid-epoch and between two checkpoints; the run is no other for it."""
    undisturbed = workshop.folder / "undisturbed"
    changed = {**SHORT, "callbacks__accident": "{}", "checkpoint__keep_last": 20}
    accidents(0, "SIGUSR1")
    assert workshop.train(run=undisturbed, **changed).code == 0
    accidents(17, "SIGUSR1")

    outcome = workshop.train(**changed)

    assert outcome.code == 0, outcome.err
    assert {"step-00000017"} == set(workshop.checkpoints()) - set(workshop.checkpoints(undisturbed))
    assert workshop.weights(30) == workshop.weights(30, undisturbed)
    assert workshop.metrics() == workshop.metrics(undisturbed)


@pytest.mark.fault("F11")
def test_a_stop_file_saves_the_last_step_and_the_same_command_goes_on(workshop, cli_process):
    """The file is removed, so that it does not stop the next start."""
    changed = {**SHORT, "trainer__max_steps": "null", "trainer__patience": "null"}
    stop_file = workshop.folder / "stop now"
    process = cli_process("train", *workshop.settings(**changed), "--run-dir", workshop.run, "--stop-file", stop_file)
    while steps_logged(workshop.run / "metrics.jsonl") < 3 and process.poll() is None:
        time.sleep(0.01)

    stop_file.touch()
    out, err = process.communicate(timeout=300)

    assert process.returncode == 143, err.decode()
    assert out == b""
    assert f"{stop_file} appeared; the same command resumes" in err.decode()
    assert not stop_file.exists()
    last = max(line["step"] for line in workshop.metrics())
    assert workshop.checkpoints()[-1] == f"step-{last:08d}"
    changed["trainer__max_steps"] = last + 3
    assert workshop.train("--stop-file", str(stop_file), **changed).code == 0


@pytest.mark.fault("F10")
def test_a_second_signal_ends_the_process_at_once_and_the_run_goes_on(workshop, cli_process):
    """While the first one is being obeyed; what was saved before is whole."""
    changed = {**SHORT, "trainer__max_steps": "null", "trainer__patience": "null"}
    process = cli_process("train", *workshop.settings(**changed), "--run-dir", workshop.run)
    while len(workshop.checkpoints()) < 2 and process.poll() is None:
        time.sleep(0.01)

    process.send_signal(signal.SIGTERM)
    time.sleep(0.005)  # two at once count as one
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)

    assert process.returncode in (-signal.SIGTERM, 143), err.decode()  # 143: it had ended already
    outcome = workshop.train(**{**changed, "trainer__max_steps": 200})
    assert outcome.code == 0, outcome.err
    assert "Resuming from" in outcome.err


@pytest.mark.fault("F10")
def test_sigterm_from_outside_ends_the_process_with_143(workshop, cli_process):
    """A run without a limit says so at its start, and is ended like this."""
    changed = {**SHORT, "trainer__max_steps": "null", "trainer__patience": "null"}
    process = cli_process("train", *workshop.settings(**changed), "--run-dir", workshop.run)
    while steps_logged(workshop.run / "metrics.jsonl") < 3 and process.poll() is None:
        time.sleep(0.01)

    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=300)

    assert process.returncode == 143, err.decode()
    assert out == b""
    assert b"No limit is set" in err
    assert b"Traceback" not in err
    last = max(line["step"] for line in workshop.metrics())
    assert workshop.checkpoints()[-1] == f"step-{last:08d}"


@pytest.fixture
def hung_up(workshop, hears_hangups):
    """Train in a session with a terminal of its own, and take the terminal away; return the process, and its exit code."""

    def hang_up(wrapper: list[str]) -> tuple[int, list[str]]:
        changed = {**SHORT, "trainer__max_steps": "null" if not wrapper else 60, "trainer__patience": "null"}
        ours, terminal = os.openpty()
        command = ["setsid", "--ctty", *wrapper, sys.executable, "-m", "seqtrain", "train"]
        process = subprocess.Popen(
            [*command, *workshop.settings(**changed), "--run-dir", str(workshop.run)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=workshop.folder,  # for nohup.out
        )
        os.close(terminal)
        while steps_logged(workshop.run / "metrics.jsonl") < 3 and process.poll() is None:
            if select.select([ours], [], [], 0.01)[0]:
                with suppress(OSError):  # nohup has let go of the terminal
                    os.read(ours, 65536)
        os.close(ours)  # the system sends SIGHUP; writing to the terminal fails from here on
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGHUP)  # and so does the shell
        return process.wait(300), (workshop.run / "train.log").read_text().splitlines()

    return hang_up


@pytest.mark.fault("F34")
def test_a_terminal_that_goes_has_the_run_save_and_stop(workshop, hung_up):
    """Two signals come then, and neither takes the save away."""
    code, log = hung_up([])

    assert code == 129
    assert "SIGHUP received; the same command resumes" in log[-1]
    last = max(line["step"] for line in workshop.metrics())
    assert workshop.checkpoints()[-1] == f"step-{last:08d}"


@pytest.mark.fault("F34")
def test_a_run_under_nohup_does_not_need_its_terminal(workshop, hung_up):
    """It trains to its end."""
    code, log = hung_up(["nohup"])

    assert code == 0
    assert workshop.checkpoints()[-1] == "step-00000060"
    assert not [line for line in log if "ERROR" in line]


def test_prefetching_changes_nothing(workshop):
    """Batches made ahead are the batches made when needed."""
    without = workshop.folder / "without"

    assert workshop.train(data__prefetch=3).code == 0
    assert workshop.train(data__prefetch=0, run=without).code == 0

    assert workshop.weights(6) == workshop.weights(6, without)


def test_a_longer_limit_goes_on_where_the_run_ended(workshop):
    """6 steps and 6 more are 12."""
    at_once = workshop.folder / "at-once"
    assert workshop.train(trainer__max_steps=12, run=at_once).code == 0

    assert workshop.train(trainer__max_steps=6).code == 0
    assert workshop.train(trainer__max_steps=12).code == 0

    assert workshop.weights(12) == workshop.weights(12, at_once)
    train, other = ([line for line in workshop.metrics(run) if line["split"] == "train"] for run in (None, at_once))
    assert train == other


def test_a_finished_run_started_again_says_its_results_once(workshop):
    """The line of the test set is replaced, not repeated, also where it has changed; the rest stays as it is."""
    assert workshop.train().code == 0
    before = workshop.metrics()

    again = workshop.train()

    assert again.code == 0, again.err
    assert "test (step-00000006)" in again.out
    assert workshop.metrics() == before
    assert [line["checkpoint"] for line in before if line["split"] == "test"] == ["step-00000006"]
    assert workshop.train(task__generation__beam=2, task__generation__max_len_b=1).code == 0
    assert [line["split"] for line in workshop.metrics()] == [line["split"] for line in before]


def test_without_a_test_set_the_last_validation_stays(workshop):
    """The results are those of the validation set then, and a line of their own."""
    for _ in range(2):
        assert workshop.train(task__test=None).code == 0

    valid = [line for line in workshop.metrics() if line["split"] == "valid"]
    assert ["checkpoint" in line for line in valid] == [False, True]
