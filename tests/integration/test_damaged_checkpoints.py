"""Checkpoints that are truncated, edited, or of something else; disks that are full or read-only."""

from __future__ import annotations

import json
import resource
import shutil
from contextlib import contextmanager

import pytest

AS_FINISHED = {"trackers__tensorboard": None, "trainer__validate": "{steps: 3}"}  # the settings of the run `copied`


def truncate(path):
    """Cut a file to half its length."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path):
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def empty(path):
    """Leave nothing in a file."""
    path.write_bytes(b"")


def unlink(path):
    """Delete a file."""
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (truncate, "model.safetensors"),
        (edit, "optimizer.safetensors"),
        (edit, "state.json"),
        (empty, "manifest.json"),
        (unlink, "model.safetensors"),
    ],
)
@pytest.mark.fault("F5")
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(copied, damage, file):
    """It says so, keeps the damaged one under another name, and ends with the same bits."""
    undisturbed = copied.weights(6)
    damage(copied.run / "checkpoints/step-00000006" / file)

    outcome = copied.train(**AS_FINISHED)

    assert outcome.code == 0, outcome.err
    assert "Resuming from" in outcome.err
    assert "step-00000003" in outcome.err
    assert file in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006", "step-00000006.damaged"]
    assert copied.weights(6) == undisturbed


@pytest.mark.fault("F5")
def test_all_damaged_checkpoints_end_the_run(copied):
    """It never starts over by itself."""
    for step in ("step-00000003", "step-00000006"):
        truncate(copied.run / "checkpoints" / step / "model.safetensors")

    outcome = copied.train(**AS_FINISHED)

    assert outcome.code == 5
    assert "--fresh" in outcome.err
    assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


@pytest.mark.fault("F5")
def test_a_damaged_checkpoint_is_not_evaluated(copied, cli):
    """The message names it, the file, and the others."""
    edit(copied.run / "checkpoints/step-00000003/model.safetensors")

    outcome = cli("evaluate", copied.run, "--checkpoint", "3")

    assert outcome.code == 5
    for said in ("step-00000003", "model.safetensors", "step-00000006"):
        assert said in outcome.err
    assert cli("checkpoints", "verify", copied.run).code == 5


def test_a_checkpoint_that_is_not_there_is_answered_with_those_that_are(copied, cli):
    """Exit code 5."""
    outcome = cli("predict", copied.run, "--checkpoint", "7")

    assert outcome.code == 5
    assert "step-00000003, step-00000006" in outcome.err


@pytest.mark.fault("F6")
def test_a_checkpoint_of_another_model_is_refused(copied, cli):
    """By `train` and by `evaluate`; the difference is shown, and nothing lost."""
    other = copied.folder / "other"
    assert copied.train(run=other, model__ffn_dim=64).code == 0
    shutil.rmtree(copied.run / "checkpoints/step-00000006")
    shutil.copytree(other / "checkpoints/step-00000006", copied.run / "checkpoints/step-00000006")

    for outcome in (copied.train(**AS_FINISHED, trainer__max_steps=9), cli("evaluate", copied.run)):
        assert outcome.code == 5
        for said in ("step-00000006", "(64, 16)", "(32, 16)", "another model"):
            assert said in outcome.err
        assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


@pytest.mark.fault("F22")
def test_a_vocabulary_that_does_not_fit_is_refused(copied, cli):
    """As when task/ is replaced by that of another run."""
    other = copied.folder / "other"
    assert copied.train(run=other, task__tokenizer__vocab_size=20).code == 0
    shutil.rmtree(copied.run / "task")
    shutil.copytree(other / "task", copied.run / "task")

    for outcome in (
        copied.train(**AS_FINISHED, trainer__max_steps=9),
        cli("predict", copied.run, "--input", copied.corpus / "test.en", "--output", copied.folder / "out"),
    ):
        assert outcome.code == 5, outcome.err
        assert "vocabulary" in outcome.err
        assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


@pytest.mark.fault("F22")
def test_a_damaged_tokenizer_is_refused(copied, cli):
    """With its file."""
    (file,) = [path for path in (copied.run / "task").rglob("*.json") if "vocabulary" in path.name]
    truncate(file)

    outcome = cli("evaluate", copied.run)

    assert outcome.code == 5
    assert str(file) in outcome.err
    assert "Traceback" not in outcome.err


@contextmanager
def files_up_to(size: int):
    """Let this process write no file above a size: what a full disk does, to one file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault("F3")
def test_a_checkpoint_that_cannot_be_written_costs_nothing_but_itself(copied):
    """The earlier one is whole, and the same command goes on when there is room."""
    undisturbed = copied.folder / "undisturbed"
    assert copied.train(run=undisturbed, trainer__max_steps=9).code == 0
    largest = (copied.run / "checkpoints/step-00000006/model.safetensors").stat().st_size

    with files_up_to(largest - 1):
        failed = copied.train(trackers__tensorboard="null", trainer__max_steps=9)

    assert failed.code == 5, failed.err
    assert "Cannot write" in failed.err
    assert "step-00000006 is untouched" in failed.err
    assert "Traceback" not in failed.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]
    assert not list(copied.run.glob("checkpoints/.*"))
    outcome = copied.train(trackers__tensorboard="null", trainer__max_steps=9)
    assert outcome.code == 0, outcome.err
    assert copied.weights(9) == copied.weights(9, undisturbed)


@pytest.mark.slow
@pytest.mark.fault("F3")
def test_a_full_disk_is_told_and_loses_nothing(copied, in_namespace, cli):
    """A file system with room for the run so far, and not for one checkpoint more."""
    kilobytes = sum(-(-path.stat().st_size // 4096) * 4 for path in copied.run.rglob("*") if path.is_file()) + 80
    script = (
        f"cp -r '{copied.run}' '{copied.folder}/kept'; mount -t tmpfs -o size={kilobytes}k tmpfs '{copied.run}'; "
        f"cp -r '{copied.folder}/kept/.' '{copied.run}'\n"
        f'trap \'rm -r "{copied.folder}/kept"; cp -r "{copied.run}" "{copied.folder}/kept"\' EXIT'
    )
    arguments = ["train", *copied.settings(trainer__max_steps=30), "--run-dir", str(copied.run)]

    outcome = in_namespace(script, arguments)

    assert outcome.returncode in (1, 5), outcome.stderr
    assert "full" in outcome.stderr or "no space" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert cli("checkpoints", "verify", copied.folder / "kept").code == 0


@pytest.mark.slow
@pytest.mark.fault("F4")
def test_a_read_only_run_directory_is_refused_at_once(copied, in_namespace):
    """Before any work is done; evaluating needs to write nothing there."""
    mount = f"mount --bind '{copied.run}' '{copied.run}'; mount -o remount,ro,bind '{copied.run}'"
    arguments = ["train", *copied.settings(trainer__max_steps=30), "--run-dir", str(copied.run)]

    refused = in_namespace(mount, arguments)
    evaluated = in_namespace(mount, ["evaluate", str(copied.run), "--json"])

    assert refused.returncode == 5, refused.stderr
    assert "read-only" in refused.stderr
    assert str(copied.run) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["measures"]


FILLS_THE_DISK = """
import errno
import os
from pathlib import Path

from seqtrain.plugin import Component, hookimpl


class Filler:
    def __init__(self, config):
        pass

    @hookimpl
    def seqtrain_step_end(self, trainer):
        filler = Path(os.environ["RUN"], "filler")
        if trainer.progress.step == 4:
            with filler.open("wb", buffering=0) as file:
                for size in (4096, 64, 1):
                    try:
                        while file.write(bytes(size)) == size:
                            pass
                    except OSError as error:
                        assert error.errno == errno.ENOSPC
        if trainer.progress.step == 20:
            filler.unlink()


@hookimpl
def seqtrain_components():
    yield Component(kind="callback", name="filler", ref=__name__ + ":Filler")
"""


@pytest.mark.slow
@pytest.mark.fault("F33")
@pytest.mark.parametrize("policy", ["continue", "stop"])
def test_a_disk_that_is_full_between_saves(workshop, in_namespace, plugin_folder, monkeypatch, policy):
    """A file system without a byte to spare from step 4 to step 20: metrics, log and TensorBoard wait, or the run stops."""
    settings = {"trainer__max_steps": 26, "checkpoint__save": "{steps: 25}", "trackers__tensorboard": "{}"}
    straight, kept = workshop.folder / "straight", workshop.folder / "kept"
    assert workshop.train(run=straight, **settings).code == 0
    monkeypatch.setenv("RUN", str(workshop.run))
    monkeypatch.setenv("PYTHONPATH", str(plugin_folder("filler", FILLS_THE_DISK)))
    changed = {**settings, "callbacks__filler": "{}", "checkpoint__when_unwritable": policy}
    script = (
        f"mkdir -p '{workshop.run}'; mount -t tmpfs -o size=4m tmpfs '{workshop.run}'\n"
        f'trap \'rm -f "{workshop.run}/filler"; cp -r "{workshop.run}" "{kept}"\' EXIT\n'
        'code=0; "$0" -m seqtrain "$@" || code=$?; exit $code\n#'
    )

    outcome = in_namespace(script, ["train", *workshop.settings(**changed), "--run-dir", str(workshop.run)])

    said, lines = outcome.stderr, workshop.metrics(kept)
    assert "Traceback" not in said
    assert f"{workshop.run}/" in said
    assert "the disk is full" in said
    if policy == "stop":
        assert outcome.returncode == 5, said
        assert lines == workshop.metrics(straight)[: len(lines)]
    else:
        assert outcome.returncode == 0, said
        assert lines == workshop.metrics(straight)
        assert workshop.weights(26, kept) == workshop.weights(26, straight)
        assert "metrics.jsonl is written again, and lacks nothing" in said
        log = (kept / "train.log").read_text()
        assert all(f"step {step}  train" in log for step in range(1, 27))
