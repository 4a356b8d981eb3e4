"""Standard streams that are closed, full, or that nobody reads any longer."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.fault("F35")


def shell(*words, then: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in bash with something done to its streams; the exit code is that of the command itself."""
    command = shlex.join([sys.executable, "-m", "seqtrain", *map(str, words)])
    script = f"{command} {then}\nexit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("then", ["<&- >&- 2>&-", "2>&1 | head -c 1"])
def test_a_training_needs_no_streams(workshop, then):
    """Nothing that it prints lands in a file of the run instead, and the log is in the run's folder."""
    outcome = shell("train", *workshop.settings(), "--run-dir", workshop.run, then=then)

    assert outcome.returncode == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr + outcome.stdout
    assert workshop.checkpoints()[-1] == "step-00000006"
    assert [line["step"] for line in workshop.metrics() if line["split"] == "train"] == list(range(1, 7))
    log = (workshop.run / "train.log").read_text()
    assert "done training" in log
    assert "ERROR" not in log


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("| head -n 1", (0, 1), ""),
        ("| true", (0, 1), ""),
        (">/dev/full", (1,), "Cannot write to standard output: No space left on device."),
        (">&-", (1,), "Cannot write to standard output: Bad file descriptor."),
        ("2>&- | cat", (0,), ""),
        ("2>/dev/full", (0,), ""),
    ],
)
def test_what_cannot_be_printed_is_an_error_and_no_bug(then, code, said):
    """A reader that has left has seen enough; a full disk is told."""
    outcome = shell("plugins", "list", then=then)

    assert outcome.returncode in code, outcome.stderr
    assert outcome.stderr == (f"seqtrain: error: {said}\n" if said else "")


def test_an_error_that_cannot_be_printed_keeps_its_exit_code():
    """As with a terminal that is gone."""
    for then in (">&- 2>&-", ">/dev/full 2>/dev/full"):
        assert shell("config", "check", "trainer.max_steps=x", then=then).returncode == 3


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("| head -n 1 >/dev/null", ""),
        (">/dev/full", "Cannot write to standard output: No space left on device."),
        ("--output /dev/full", "Cannot use /dev/full: no space is left on the device."),
    ],
)
def test_predictions_that_nobody_takes_end_the_command(finished, tmp_path, then, said):
    """Quietly where the reader has left, as other tools do; else it is told."""
    workshop, _ = finished
    lines = tmp_path / "lines"
    lines.write_text((workshop.corpus / "train.en").read_text() * 5)

    outcome = shell("predict", workshop.run, "--input", lines, then=then)

    assert outcome.returncode == 1
    assert outcome.stderr.startswith(f"seqtrain: error: {said}") if said else outcome.stderr == ""
    assert "Traceback" not in outcome.stderr


def test_predicting_without_an_input_is_told(finished):
    """Not silently nothing."""
    workshop, _ = finished

    outcome = shell("predict", workshop.run, then="<&-")

    assert outcome.returncode == 5
    assert "stdin cannot be read: Bad file descriptor" in outcome.stderr
