"""`seqtrain checkpoints list`, `verify` and `average`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.cli.checkpoints import checkpoints
from seqtrain.errors import CheckpointError, UsageError


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save time: what a flush is good for shows only when the power fails."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run that saved steps 100 to 400, with BLEU 20, 50, none and 30."""
    (tmp_path / "run").mkdir()
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    for index, bleu in enumerate((20.0, 50.0, None, 30.0), start=1):
        state = {"model": {"w": torch.full((4,), float(index))}, "optimizer": {}}
        store.save(100 * index, index, state, {} if bleu is None else {"bleu": bleu})
    store.retain(keep_last=9, keep_best=1, metric="bleu", higher_is_better=True)
    return tmp_path / "run"


def call(*words: object) -> Result:
    """Run the command; errors of ours come back as the result's exception."""
    return CliRunner().invoke(checkpoints, [str(word) for word in words])


def test_list_shows_steps_measures_and_pointers(run: Path) -> None:
    """A line each, by step."""
    lines = call("list", run).stdout.splitlines()

    assert len(lines) == 5
    assert lines[1].split()[:3] == ["step-00000100", "100", "1"]
    assert lines[2].split()[-2:] == ["best", "bleu=50"]
    assert lines[4].split()[-2:] == ["last", "bleu=30"]


def test_list_as_json_is_for_programs(run: Path) -> None:
    """Everything the table shows, exactly."""
    records = json.loads(call("list", run, "--json").stdout)

    assert [each["step"] for each in records] == [100, 200, 300, 400]
    assert records[1]["measures"] == {"bleu": 50.0}
    assert records[1]["pointers"] == ["best"]
    assert records[3]["pointers"] == ["last"]
    assert records[0]["bytes"] == sum(
        file.stat().st_size for file in (run / "checkpoints/step-00000100").iterdir() if file.name != "manifest.json"
    )


@pytest.mark.runs
def test_list_and_verify_do_not_import_torch(run: Path) -> None:
    """They answer at once."""
    program = (
        "import sys; from seqtrain.cli.checkpoints import checkpoints\n"
        f"checkpoints([sys.argv[1], {str(run)!r}], standalone_mode=False)\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'numpy', 'omegaconf')))"
    )
    for command in ("list", "verify"):
        assert subprocess.run([sys.executable, "-c", program, command], check=False).returncode == 0


def test_verify_names_each_checkpoint(run: Path) -> None:
    """All of them, or the one asked for."""
    assert call("verify", run).stdout.count("  ok\n") == 4
    assert call("verify", run, "best").stdout == "step-00000200  ok\n"


def test_verify_fails_where_one_is_damaged(run: Path) -> None:
    """Exit code 5, and every checkpoint is looked at all the same."""
    (run / "checkpoints/step-00000200/model.safetensors").write_bytes(b"x")
    result = call("verify", run)

    assert isinstance(result.exception, CheckpointError)
    assert result.exception.exit_code == 5
    assert "model.safetensors has 1 bytes" in str(result.exception)
    assert "step-00000200  bad\n" in result.stdout
    assert result.stdout.count("  ok\n") == 3


@pytest.mark.parametrize(
    ("choice", "name", "value", "sources"),
    [
        (["--last", "2"], "average-last-2", 3.5, [300, 400]),
        (["--best", "2"], "average-best-2", 3.0, [200, 400]),
        (["400", "step-00000100", "--output", "mine"], "mine", 2.5, [100, 400]),
        (["last", "best"], "average-last-best", 3.0, [200, 400]),
    ],
)
def test_average_writes_a_checkpoint(run: Path, choice: list[str], name: str, value: float, sources: list[int]) -> None:
    """It is found by its name, and says what it was made of; doing it twice is no error."""
    for _ in range(2):
        result = call("average", run, *choice)
        assert f"{run / 'checkpoints' / name}\n" == result.stdout
    made = CheckpointStore(run / "checkpoints").open(name)

    assert torch.equal(torch.full((4,), value), made.load("model")["w"])
    assert [f"step-{step:08d}" for step in sources] == made.load("average_of")
    assert name in call("list", run).stdout
    assert f"{name}  ok" in call("verify", run).stdout


@pytest.mark.parametrize("choice", [[], ["--last", "2", "--best", "2"], ["--last", "2", "100"]])
def test_average_wants_exactly_one_choice(run: Path, choice: list[str]) -> None:
    """A usage error says which choices there are."""
    assert isinstance(call("average", run, *choice).exception, UsageError)


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        (["--last", "5"], "has 4 checkpoints, not 5"),
        (["--best", "4"], "has 3 checkpoints measured by its best_metric, not 4"),
        (["700"], "No checkpoint '700'"),
    ],
)
def test_average_of_more_than_there_are_is_refused(run: Path, choice: list[str], complaint: str) -> None:
    """Not quietly averaged over fewer."""
    result = call("average", run, *choice)

    assert isinstance(result.exception, CheckpointError)
    assert complaint in str(result.exception)


def test_average_refuses_a_damaged_source(run: Path) -> None:
    """The mean of nonsense would look like a good checkpoint."""
    (run / "checkpoints/step-00000400/model.safetensors").write_bytes(b"x")

    assert isinstance(call("average", run, "--last", "2").exception, CheckpointError)


@pytest.mark.parametrize("command", ["list", "verify", "average"])
def test_a_folder_that_is_no_run_is_named(tmp_path: Path, command: str) -> None:
    """A misspelled path is the commonest mistake."""
    result = call(command, tmp_path / "nowhere", *(["--last", "1"] if command == "average" else []))

    assert isinstance(result.exception, CheckpointError)
    assert "nowhere is not the folder of a run" in str(result.exception)


def test_verify_of_a_run_without_checkpoints_says_so(tmp_path: Path) -> None:
    """No checkpoint is not the same as all being well."""
    (tmp_path / "checkpoints").mkdir()

    assert "no checkpoint" in str(call("verify", tmp_path).exception)
    assert call("list", tmp_path).exit_code == 0
