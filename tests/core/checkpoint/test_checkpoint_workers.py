"""Two and three workers, each with a part of the model, save and load what a single process would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.cli.main import main
from seqtrain.run.compare import differing, leaves

SCRIPT = Path(__file__).with_name("checkpoint_workers.py")
KILLED = -9


def run_workers(what: str, folder: Path, count: int) -> tuple[list[int], list[str]]:
    """Run the script's functions on some workers; return their exit codes and what they said."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), what, str(folder), str(rank), str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    return [process.returncode for process in processes], said


def loaded(path: Path) -> dict[str, object]:
    """Return all of a checkpoint, as one process has it."""
    checkpoint = CheckpointStore(path).open("last")
    return leaves({part: checkpoint.load(part) for part in checkpoint.parts})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what two workers have left."""
    folder = tmp_path_factory.mktemp("workers")
    codes, said = run_workers("save,load,go_on,fail,die", folder, 2)
    assert [0, KILLED] == codes, "\n".join(said)
    return folder


@pytest.mark.runs
@pytest.mark.fault("F2")
def test_two_workers_save_what_one_would_and_go_on_from_it_to_the_bit(saved: Path) -> None:
    """A full disk, a fault and a kill on one of them leave the checkpoint before; see the script."""
    assert not differing(loaded(saved / "whole"), loaded(saved / "by-2"))
    assert not differing(loaded(saved / "whole"), loaded(saved / "whole-by-2"))
    checkpoint = CheckpointStore(saved / "by-2").open("last")
    of_pieces = [checkpoint.path / f"model-{number}-of-2.safetensors" for number in (1, 2)]
    assert all(file.stat().st_size < (saved / "whole/step-00000003/model.safetensors").stat().st_size
               for file in of_pieces)  # fmt: skip


@pytest.mark.runs
def test_three_workers_go_on_from_what_one_or_two_have_saved(saved: Path) -> None:
    """And save it, cut in three."""
    codes, said = run_workers("load", saved, 3)

    assert [0, 0, 0] == codes, "\n".join(said)
    for name in ("whole-by-3", "by-2-by-3"):
        assert not differing(loaded(saved / "whole"), loaded(saved / name))


@pytest.mark.runs
def test_the_commands_take_a_checkpoint_in_pieces_like_any_other(saved: Path, capsys: pytest.CaptureFixture) -> None:
    """`checkpoints list`, `verify` and `average`, without other workers; the average is whole."""
    run = saved / "run"
    shutil.copytree(saved / "by-2", run / "checkpoints")

    assert main(["checkpoints", "list", str(run)]) == 0
    assert main(["checkpoints", "verify", str(run)]) == 0
    assert main(["checkpoints", "average", str(run), "--last", "1", "--output", "mean"]) == 0

    assert "step-00000003  ok" in capsys.readouterr().out
    mean = Checkpoint.verified(run / "checkpoints" / "mean")
    expected = CheckpointStore(saved / "whole").open("last").load("model")
    assert not differing(leaves(expected), leaves(mean.load("model")))
    assert not list(mean.path.glob("*-of-*"))
