"""
A run folder of every format that was ever released can be gone on with, measured and used.

`python tests/integration/test_checkpoint_formats.py` writes the folder of the present format, once, when there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqtrain.checkpoint import manifest
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.cli.main import main

FORMATS = Path(__file__).with_name("checkpoint_formats")
STEP = 5  # within the second epoch
ROWS = ["label\ttext", *(f"{'ab'[each % 2]}\t{'red green' if each % 2 else 'blue'} {'dog ' * (each % 5)}cat" for each in range(12))]  # fmt: skip
SETTINGS = [
    "--task", "classify", "--model", "cnn_classifier", "--lr-scheduler", "reduce_lr_on_plateau",
    "task.train=table.tsv", "task.valid=table.tsv", "task.tokenizer.name=word", "task.max_length=12",
    "model.embed_dim=4", "model.channels=2", "callbacks.ema.decay=0.9", "trackers={}",
    "data.max_sentences=4", "data.max_tokens=2048", "data.cache_dir=cache", "trainer.max_epochs=null", "trainer.patience=9",
    "trainer.validate={steps: 5}", "trainer.best_metric=loss", "checkpoint.save={steps: 5}", "checkpoint.keep_last=1",
    "logging.every={steps: 1}", "distributed.device=cpu",
]  # fmt: skip


def write_folder(folder: Path) -> None:
    """Train a little in an empty folder, and leave what a run is gone on with: nothing that tells of this machine."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    Path("table.tsv").write_text("".join(f"{row}\n" for row in ROWS))
    if main(["train", *SETTINGS, f"trainer.max_steps={STEP}", "--run-dir", "run"]):
        sys.exit("The run failed.")
    shutil.rmtree("cache")
    for name in ("environment.json", "train.log", "lock"):
        Path("run", name).unlink()


def formats() -> list[int]:
    """Return the formats of which there is a folder."""
    return sorted(int(folder.name.removeprefix("format-")) for folder in FORMATS.glob("format-*"))


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Copy a stored folder and go there, as its settings name files beside it; return the run."""

    def copy(number: int) -> Path:
        shutil.copytree(FORMATS / f"format-{number}", tmp_path / "copy")
        monkeypatch.chdir(tmp_path / "copy")
        return tmp_path / "copy" / "run"

    return copy


def measured(outcome: Any) -> dict[str, float]:
    """Return what a command measured."""
    assert outcome.code == 0, outcome.err
    measures: dict[str, float] = json.loads(outcome.out)["measures"]
    return measures


def test_every_format_has_a_folder() -> None:
    """Up to the present one: whoever changes the format writes one, and those before stay."""
    assert list(range(1, manifest.FORMAT + 1)) == formats()


@pytest.mark.fault("F29")
@pytest.mark.parametrize("number", formats())
def test_a_run_of_any_format_is_gone_on_with(stored: Callable[[int], Path], cli: Any, number: int) -> None:
    """Within its epoch, with all that it had remembered."""
    run = stored(number)
    words = [*SETTINGS, f"trainer.max_steps={2 * STEP}", "--run-dir", run]

    outcome = cli("train", *words)

    assert outcome.code == 0, outcome.err
    assert f"Resuming from {run / 'checkpoints' / f'step-{STEP:08d}'}: epoch 2, step {STEP}" in outcome.err
    assert "knows nothing of" not in outcome.err
    assert "begins anew" not in outcome.err
    last = Checkpoint.verified(run / "checkpoints" / f"step-{2 * STEP:08d}")
    assert {"model", "optimizer", "progress", "callbacks.ema", "early_stopping", "lr_scheduler"} <= set(last.parts)
    steps = [
        line["step"]
        for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        if line["split"] == "train"
    ]
    assert list(range(1, 2 * STEP + 1)) == steps


@pytest.mark.fault("F29")
@pytest.mark.parametrize("number", formats())
def test_a_run_of_any_format_is_measured_and_used(stored: Callable[[int], Path], cli: Any, number: int) -> None:
    """It gives the measures that it gave to the version that wrote it."""
    run = stored(number)
    (line,) = [
        line for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if "checkpoint" in line
    ]
    Path("input.txt").write_text("red dog\nblue cat\n")

    found = measured(cli("evaluate", run, "--json"))
    predicted = cli("predict", run, "--input", "input.txt", "--output", "output.txt")

    assert {name: pytest.approx(line[f"valid/{name}"], rel=1e-4) for name in found} == found
    assert predicted.code == 0, predicted.err
    assert len(Path("output.txt").read_text().splitlines()) == 2
    assert cli("checkpoints", "verify", run).code == 0


@pytest.mark.fault("F29")
@pytest.mark.parametrize("words", [["train", *SETTINGS], ["evaluate"], ["predict", "--input", "table.tsv"]])
def test_a_newer_format_is_refused_and_kept(stored: Callable[[int], Path], cli: Any, words: list[str]) -> None:
    """With the version that wrote it; it is neither taken for damaged nor passed over for an older one."""
    run = stored(manifest.FORMAT)
    folder = run / "checkpoints" / f"step-{STEP:08d}"
    record = json.loads((folder / "manifest.json").read_text())
    record |= {"format": manifest.FORMAT + 1, "seqtrain": "99.1"}
    del record["sha256"]
    record["sha256"] = manifest._digest(record)
    (folder / "manifest.json").write_text(json.dumps(record))
    command, *more = words

    outcome = cli(command, *(["--run-dir", run] if command == "train" else [run]), *more)

    assert outcome.code == 5, outcome.err
    said = f"has format {manifest.FORMAT + 1}, written by seqtrain 99.1; this version, "
    for each in (said, f"reads format {manifest.FORMAT}", "Install the version that wrote it."):
        assert each in outcome.err
    assert "Traceback" not in outcome.err
    assert [folder.name] == [each.name for each in folder.parent.glob("step-*")]


if __name__ == "__main__":
    write_folder(FORMATS / f"format-{manifest.FORMAT}")
