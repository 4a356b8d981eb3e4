"""Settings that are wrong, or not those of the run that lies in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.run.folder import RunFolder

AS_FINISHED = {"trackers__tensorboard": None, "trainer__validate": "{steps: 3}"}  # the settings of the run `copied`


@pytest.mark.fault("F28")
def test_all_wrong_settings_are_told_at_once(workshop):
    """Component keys, types, values and sections, each with its place; nothing is created."""
    outcome = workshop.train(
        model__embed_dims=32,
        optimizer__lr="fast",
        trainer__precision="fp8",
        model__dropout=1.5,
        trainr__max_steps=3,
    )

    assert outcome.code == 3, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    for said in (
        "model.embed_dims", "embed_dim",  # did you mean
        "optimizer.lr", "fast",
        "trainer.precision", "fp8", "bf16",
        "model.dropout", "1.5",
        "trainr", "trainer",
    ):  # fmt: skip
        assert said in outcome.err
    assert not workshop.run.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "transfromer"], "transformer"),
        (["--criterion", "cross_entropi"], "cross_entropy"),
        (["--optimizer", "adamm"], "adam"),
        (["task.tokenizer.name=bep"], "bpe"),
        (["--model", "transformer/tinny"], "tiny"),
    ],
)
def test_an_unknown_component_gets_a_suggestion(workshop, words, said):
    """Exit code 4, as nothing but a component is wrong."""
    outcome = workshop.train(*words)

    assert outcome.code == 4, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not workshop.run.exists()


@pytest.mark.fault("F28")
def test_a_file_of_settings_is_quoted_with_line_and_column(cli, tmp_path):
    """YAML that is wrong in two places."""
    file = tmp_path / "run.yaml"
    file.write_text("task:\n  name: translation\ntrainer:\n  max_stepz: 3\n  seed: one\n")

    outcome = cli("train", file, "--run-dir", tmp_path / "run")

    assert outcome.code == 3
    assert f"{file}:4:" in outcome.err
    assert f"{file}:5:" in outcome.err


@pytest.mark.parametrize("patience", ["null", 3])
def test_a_metric_that_no_validation_gives_is_refused_and_costs_no_step(workshop, patience):
    """It may be set right on resume, and the trained weights were saved, not their average."""
    changed = {"trainer__patience": patience, "callbacks__ema__decay": 0.9, "trainer__validate": "{steps: 4}"}
    undisturbed = workshop.folder / "undisturbed"
    assert workshop.train(run=undisturbed, **changed).code == 0

    outcome = workshop.train(trainer__best_metric="blue", **changed)

    assert outcome.code == 3, outcome.err
    _, _, message = outcome.err.partition("seqtrain: error: ")
    assert message.startswith("trainer.best_metric=blue ")
    assert "bleu" in message
    assert workshop.checkpoints()[-1] == "step-00000004"
    assert workshop.train(trainer__best_metric="bleu", **changed).code == 0
    assert workshop.weights(6) == workshop.weights(6, undisturbed)


def test_limits_cadences_retention_and_logging_may_change(copied):
    """On resume, without a question."""
    outcome = copied.train(
        trackers__tensorboard=None,
        trainer__max_steps=8,
        trainer__validate="{epochs: 1}",
        checkpoint__save="{steps: 2}",
        checkpoint__keep_last=1,
        logging__every="{steps: 2}",
        logging__level="warning",
        data__prefetch=0,
        task__generation__beam=2,
    )

    assert outcome.code == 0, outcome.err
    assert "step-00000008" in copied.checkpoints()


def test_another_run_in_the_folder_is_refused_with_the_difference(copied):
    """What would alter model, data order or update; nothing is lost."""
    before = copied.weights(6), (copied.run / "config.yaml").read_text()

    outcome = copied.train(**AS_FINISHED, model__ffn_dim=64, optimizer__lr=0.5, data__seed=9, trainer__max_steps=9)

    assert outcome.code == 3
    for said in ("model.ffn_dim: 32", "64", "optimizer.lr", "0.5", "data.seed: 1", "9", "--fresh", "--accept-changes"):
        assert said in outcome.err
    assert "max_steps" not in outcome.err
    assert (copied.weights(6), (copied.run / "config.yaml").read_text()) == before


def test_accepted_changes_go_on_and_are_told(copied):
    """With the new learning rate in config.yaml from then on."""
    outcome = copied.train("--accept-changes", **AS_FINISHED, optimizer__lr=0.0123, trainer__max_steps=8)

    assert outcome.code == 0, outcome.err
    assert "optimizer.lr" in outcome.err
    assert copied.checkpoints()[-1] == "step-00000008"
    assert yaml.safe_load((copied.run / "config.yaml").read_text())["optimizer"]["lr"] == 0.0123


@pytest.mark.parametrize("changed", [{"data__max_sentences": 32}, {"data__max_sentences": 3}, {"data__seed": 5}])
def test_an_epoch_of_other_batches_begins_anew(copied, changed):
    """A place in the old order says nothing of the new one: every example comes once from there on, and so it is told."""
    given = {**AS_FINISHED, **changed, "trainer__max_steps": 9}

    outcome = copied.train("--accept-changes", **given)

    assert outcome.code == 0, outcome.err
    assert "The batches of epoch 1, or their order, are not what they were: the epoch begins anew" in outcome.err
    state = Checkpoint.verified(copied.run / "checkpoints" / "step-00000009").load("progress")
    assert (state["epoch"], state["cursor"]) == (1, 3)
    again = copied.train("--accept-changes", **{**given, "trainer__max_steps": 10})
    assert "begins anew" not in again.err


def test_a_changed_model_is_refused_by_its_checkpoint_even_if_accepted(copied):
    """The weights do not fit; what was saved stays, and the settings it was made with."""
    before = copied.weights(6), (copied.run / "config.yaml").read_text()

    outcome = copied.train("--accept-changes", **AS_FINISHED, model__ffn_dim=64, trainer__max_steps=9)

    assert outcome.code == 5
    assert "it is a checkpoint of another model" in outcome.err.lower()
    assert "Traceback" not in outcome.err
    assert (copied.weights(6), (copied.run / "config.yaml").read_text()) == before


def test_a_start_that_failed_does_not_stand_in_the_way(workshop):
    """As nothing was trained, the next command may set everything right; it makes its own vocabulary."""
    assert workshop.train(task__train="nowhere/train").code == 5
    assert workshop.train(task__shared_vocabulary="false").code == 3  # the model cannot share its embeddings

    outcome = workshop.train()

    assert outcome.code == 0, outcome.err
    assert "Resuming" not in outcome.err
    fresh = workshop.folder / "fresh"
    assert workshop.train(run=fresh).code == 0
    assert workshop.weights(6) == workshop.weights(6, fresh)


def test_a_run_without_its_config_is_refused(copied):
    """Rather than guessing what it was started with."""
    (copied.run / "config.yaml").unlink()

    outcome = copied.train(**AS_FINISHED)

    assert outcome.code in (3, 5), outcome.err
    assert "config.yaml" in outcome.err
    assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


def test_fresh_starts_over_and_keeps_the_old_run_aside(copied):
    """Under RUN.old-1."""
    old = copied.weights(6)

    outcome = copied.train("--fresh", **AS_FINISHED, model__ffn_dim=64)

    assert outcome.code == 0, outcome.err
    aside = copied.run.with_name("run.old-1")
    assert str(aside) in outcome.err
    assert copied.weights(6, aside) == old
    assert copied.weights(6) != old


def test_two_runs_in_one_directory_are_refused(copied):
    """The second says who holds it, with exit code 2, and changes nothing."""
    with RunFolder(copied.run).lock():
        config = (copied.run / "config.yaml").read_bytes()
        outcome = copied.train(**AS_FINISHED, trainer__max_steps=9)

    assert outcome.code == 2
    assert "Another run is using" in outcome.err
    assert "--run-dir" in outcome.err
    assert (copied.run / "config.yaml").read_bytes() == config
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


def test_a_run_directory_that_is_a_file_is_refused(workshop):
    """Nothing is written over."""
    workshop.run.write_text("notes")

    outcome = workshop.train()

    assert outcome.code == 2
    assert str(workshop.run) in outcome.err
    assert workshop.run.read_text() == "notes"


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_that_is_no_run_is_refused(cli, tmp_path, command):
    """With what makes a run."""
    outcome = cli(command, tmp_path)

    assert outcome.code == 5
    assert f"{tmp_path} is no run" in outcome.err


def test_evaluate_names_the_splits_there_are(finished, cli):
    """When asked for another."""
    outcome = cli("evaluate", finished[0].run, "--split", "tset")

    assert outcome.code == 2
    for said in ("tset", "valid", "test", "task.test="):
        assert said in outcome.err


@pytest.mark.parametrize(
    ("variables", "settings", "code", "said"),
    [
        ({"WORLD_SIZE": "4"}, {}, 2, "RANK is not set"),
        ({"WORLD_SIZE": "4", "RANK": "4"}, {}, 2, "RANK='4'"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"}, {}, 2, "MASTER_PORT"),
        (
            {"WORLD_SIZE": "4", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
            {"distributed__workers": 2},
            3,
            "4 workers, but distributed.workers",
        ),
        ({}, {"distributed__nodes": 2}, 2, "--rendezvous"),
        ({}, {"distributed__rendezvous": "host:29400"}, 3, "distributed.nodes"),
    ],
)
def test_a_job_of_several_workers_that_makes_no_sense_is_refused(
    workshop, monkeypatch, variables, settings, code, said
):
    """With the variable or the setting that is wrong, before anything is made."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    outcome = workshop.train(**settings)

    assert outcome.code == code
    assert said in outcome.err
    assert not Path(workshop.run).exists()
