"""Runs where little is as usual: paths, locale, environment, clock, an installation that nobody may write to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from seqtrain.registry.discovery import discover

READ_ONLY = """
for each in $FOLDERS; do
    mount --bind "$each" "$each"
    mount -o remount,bind,ro "$each"
    if touch "$each/written" 2> /dev/null; then exit 99; fi
done
"""
BARE = {  # all that there is in the environment: no HOME, no PATH, and a locale of ASCII that nothing may mend
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "OMP_NUM_THREADS": "1",
}
IMPORTS = """
import sys
from seqtrain.cli.main import main
code = main(sys.argv[1:])
print(sorted({"torch", "numpy"} & set(sys.modules)))
sys.exit(code)
"""


def installed_in() -> list[Path]:
    """Return the folders that Python and our packages, which may be editable, are imported from."""
    modules = {plugin.entry_point.split(".")[0] for plugin in discover().plugins if plugin.entry_point}
    origins = [find_spec(name).origin for name in ("seqtrain", *sorted(modules))]
    return sorted({Path(sysconfig.get_path("purelib")), *(Path(each).parents[1] for each in origins)})


@pytest.fixture
def start_bare(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command line in a folder, in a bare environment, on an installation that is read-only if that can be had."""
    prefix, script = ["unshare", "--map-root-user", "--mount"], READ_ONLY
    probe = [*prefix, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        prefix, script = [], ""
    environment = {**BARE, "FOLDERS": " ".join(map(str, installed_in()))}

    def run(folder: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = [*prefix, "sh", "-ec", f'{script}\nexec "$0" -m seqtrain "$@"', sys.executable, *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, **options)

    return run


@pytest.mark.slow
@pytest.mark.fault("F25")
def test_a_run_in_an_odd_place_trains_goes_on_and_predicts(workshop: Any, start_bare: Any) -> None:
    """A path with spaces, umlauts and Chinese; locale C; no HOME; the answers are those of any other place."""
    usual = workshop.folder / "usual"
    assert workshop.train(run=usual, trainer__max_steps=4).code == 0
    odd = workshop.folder / "Ordner mit ü 漢字"
    shutil.copytree(workshop.corpus, odd / "Körper")
    workshop.corpus, workshop.cache = odd / "Körper", "null"  # by default below HOME
    words = workshop.settings(task__test=None)

    for steps, said in ((2, "Training in"), (4, "Resuming from")):
        done = start_bare(odd, "train", *words, f"trainer.max_steps={steps}", "--run-dir", "Lauf ö")
        assert done.returncode == 0, done.stderr.decode()
        assert said in done.stderr.decode()
    predicted = start_bare(odd, "predict", "Lauf ö", input="vier Hund grün\n".encode())

    assert predicted.returncode == 0, predicted.stderr.decode()
    assert workshop.weights(4, odd / "Lauf ö") == workshop.weights(4, usual)
    assert predicted.stdout.decode().count("\n") == 1
    assert (odd / ".cache" / "seqtrain").is_dir()


@pytest.mark.fault("F25")
def test_a_clock_that_jumps_back_changes_nothing(workshop: Any, finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a day at every look, within a run and between two; only what waits or measures has the other clock."""
    now, looks = time.time(), iter(range(1 << 40))
    monkeypatch.setattr(time, "time", lambda: now - 86400 * next(looks))

    for steps in (4, 6):
        outcome = workshop.train(trainer__max_steps=steps, trainer__validate="{steps: 3}")
        assert outcome.code == 0, outcome.err

    assert "Resuming from" in outcome.err
    assert workshop.weights(6) == finished[0].weights(6)
    assert all(json.loads(line)["wall_s"] >= 0 for line in (workshop.run / "metrics.jsonl").read_text().splitlines())


@pytest.mark.fault("F26")
def test_a_tracker_that_cannot_write_costs_nothing(workshop: Any, finished: Any) -> None:
    """TensorBoard's folder is a file: it is told, and at the end what is missing; the weights are as without it."""
    workshop.run.mkdir()
    (workshop.run / "tensorboard").write_text("taken")

    outcome = workshop.train(trackers__tensorboard="{}", trainer__validate="{steps: 3}")

    assert outcome.code == 0, outcome.err
    warnings = [line for line in outcome.err.splitlines() if " WARNING " in line]
    assert len(warnings) == 1, outcome.err
    assert "TensorBoard lacks the newest metrics" in warnings[0]
    assert " ERROR " in outcome.err
    assert workshop.weights(6) == finished[0].weights(6)


@pytest.mark.fault("F28")
def test_settings_that_are_wrong_are_all_told_without_torch(workshop: Any) -> None:
    """Five of them, in one go, each with what was meant; exit code 3, and nothing was made."""
    wrong = {"max_stepz": "trainer.max_steps=3", "embed_dims": "model.embed_dim=8", "fast": "optimizer.lr=0.1",
             "fp8": "trainer.precision=bf16", "trainr": "trainer.seed=2"}  # fmt: skip
    words = ["trainer.max_stepz=3", "model.embed_dims=8", "optimizer.lr=fast", "trainer.precision=fp8", "trainr.seed=2"]
    command = [sys.executable, "-c", IMPORTS, "train", *workshop.settings(), *words, "--run-dir", str(workshop.run)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3, done.stderr
    assert done.stdout == "[]\n"
    assert "Traceback" not in done.stderr
    for typed, meant in wrong.items():
        assert typed in done.stderr
        assert meant.partition("=")[0].rpartition(".")[2] in done.stderr
    assert not workshop.run.exists()
