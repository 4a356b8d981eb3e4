"""From raw text files to a translated file: train, evaluate, predict, average."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def run(finished):
    """The folder of a finished run."""
    return finished[0].run


def measures(outcome) -> dict[str, float]:
    """Read the measures of `evaluate --json`."""
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["measures"]


def test_train_ends_with_scores_the_place_and_the_next_commands(finished, run):
    """On stdout, and with nothing else there."""
    _, outcome = finished
    score, place, following, *commands = outcome.out.splitlines()

    assert score.startswith("test (step-0000000")
    assert {"loss", "ppl", "bleu", "chrf"} <= set(score.split())
    assert place == f"results: {run}"
    assert following == "next:"
    assert [command.split()[:3] for command in commands] == [
        ["seqtrain", "predict", str(run)],
        ["seqtrain", "evaluate", str(run)],
    ]


def test_a_run_leaves_the_files_of_the_design(run):
    """No pickle among them: checkpoints hold safetensors, JSON and pointers."""
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    checkpoint = {f"checkpoints/step-00000006/{name}" for name in (
        "manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"
    )}  # fmt: skip

    assert {
        "config.yaml",
        "environment.json",
        "train.log",
        "metrics.jsonl",
        "checkpoints/last",
        "checkpoints/best",
    } <= files
    assert checkpoint <= files
    assert any(file.startswith("tensorboard/events.") for file in files)
    assert any(file.startswith("task/") for file in files)
    assert {Path(file).suffix for file in files if file.startswith("checkpoints/step-")} == {".json", ".safetensors"}
    assert not {file for file in files if file.endswith((".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".npy"))}


def test_the_pointers_name_checkpoints_and_the_environment_tells_the_command(run):
    """What a person reads first in a run's folder."""
    environment = json.loads((run / "environment.json").read_text())

    assert (run / "checkpoints/last").read_text().strip() == "step-00000006"
    assert (run / "checkpoints" / (run / "checkpoints/best").read_text().strip()).is_dir()
    assert {"torch", "seqtrain"} <= environment["versions"].keys()
    assert environment["plugins"]["translation"].keys() == {"distribution", "version"}
    assert environment["command"]


def test_metrics_have_the_keys_that_others_rely_on(run):
    """Each line says where it is from; training lines carry rates."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    by_split = {line["split"]: line for line in lines}

    assert by_split.keys() == {"train", "valid", "test"}
    assert all({"step", "epoch", "split", "wall_s"} <= line.keys() for line in lines)
    assert [line["step"] for line in lines if line["split"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert {f"train/{name}" for name in (
        "loss", "nll_loss", "ppl", "lr", "grad_norm", "tokens_per_s", "sentences_per_s", "padding"
    )} <= by_split["train"].keys()  # fmt: skip
    assert {f"valid/{name}" for name in ("loss", "nll_loss", "ppl", "bleu", "chrf")} <= by_split["valid"].keys()


@pytest.mark.parametrize("step", [3, 6])
def test_evaluate_gives_the_numbers_of_training(run, cli, step):
    """The decoder, the scorer and the batches of a validation during training are those of `evaluate`."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (line,) = (each for each in lines if each["split"] == "valid" and each["step"] == step)

    found = measures(cli("evaluate", run, "--split", "valid", "--checkpoint", str(step), "--json"))

    assert found == {key.removeprefix("valid/"): value for key, value in line.items() if key.startswith("valid/")}


def test_evaluate_repeats_the_score_that_ended_the_run(finished, cli):
    """Without arguments it takes the checkpoint and the split that the run took."""
    workshop, outcome = finished
    last = workshop.metrics()[-1]

    evaluated = cli("evaluate", workshop.run)

    assert outcome.out.split()[1].strip("():") in evaluated.out.splitlines()[0]
    assert f"loss         {last['test/loss']:10.4f}" in evaluated.out
    assert "nrefs:1|case:mixed|eff:no|tok:13a" in evaluated.out


def test_predict_answers_every_line_in_its_order(run, cli_process, tmp_path):
    """Whatever the order in which lines are decoded: equal lines have equal answers, empty ones empty answers."""
    lines = ["six red dog", "", "one", "two two two two two", "six red dog", "an unknown word", "", "one"]
    text = "".join(f"{line}\n" for line in lines)

    process = cli_process("predict", run, stdin=-1)
    out, err = process.communicate(text.encode(), timeout=300)
    answers = out.decode().split("\n")

    assert process.returncode == 0, err
    assert answers.pop() == ""
    assert len(answers) == len(lines)
    assert [index for index, answer in enumerate(answers) if not answer] == [1, 6]
    assert answers[0] == answers[4]
    assert answers[2] == answers[7]


def test_a_copied_run_predicts_without_corpus_and_cache(workshop, cli):
    """The folder of a run is all that predicting needs, wherever it lies."""
    corpus = workshop.copy_corpus()
    workshop.cache = workshop.folder / "cache"
    assert workshop.train().code == 0
    source = workshop.folder / "input.txt"
    source.write_text("six red dogs\nthe cat\n")
    before = workshop.folder / "before.txt"
    assert cli("predict", workshop.run, "--input", source, "--output", before).code == 0
    elsewhere = workshop.folder / "other" / "place"
    elsewhere.parent.mkdir()
    shutil.move(workshop.run, elsewhere)
    shutil.rmtree(corpus)
    shutil.rmtree(workshop.cache)

    after = workshop.folder / "after.txt"
    outcome = cli("predict", elsewhere, "--input", source, "--output", after)

    assert outcome.code == 0, outcome.err
    assert after.read_bytes() == before.read_bytes()
    assert after.read_bytes().count(b"\n") == 2
    assert not workshop.cache.exists()


def test_several_checkpoints_decide_together(run, cli, finished, tmp_path):
    """Their probabilities are averaged, so that a score is at least the mean of theirs (Jensen)."""
    corpus = finished[0].corpus

    def scores(*names):
        chosen = [word for name in names for word in ("--checkpoint", name)]
        output = tmp_path / "scored.txt"
        files = ("--input", corpus / "test.en", "--output", output, f"task.references={corpus / 'test.de'}")
        outcome = cli("predict", run, *chosen, *files)
        assert outcome.code == 0, outcome.err
        return [float(line.split("\t")[0]) for line in output.read_text().splitlines()]

    early, late, both = scores("3"), scores("last"), scores("3", "last")

    assert len(both) == 6
    assert both not in (early, late)
    assert all(score >= (one + other) / 2 - 1e-4 for score, one, other in zip(both, early, late, strict=True))


def test_an_average_predicts_and_evaluates(copied, cli):
    """By the name that `checkpoints average` gave it."""
    assert cli("checkpoints", "average", copied.run, "--last", "2").code == 0
    source = copied.corpus / "test.en"
    target = copied.folder / "translated.txt"

    outcome = cli("predict", copied.run, "--checkpoint", "average-last-2", "--input", source, "--output", target)

    assert outcome.code == 0, outcome.err
    assert target.read_bytes().count(b"\n") == source.read_bytes().count(b"\n")
    assert measures(cli("evaluate", copied.run, "--checkpoint", "average-last-2", "--json")) != measures(
        cli("evaluate", copied.run, "--checkpoint", "6", "--json")
    )


def test_config_yaml_replays_the_run(finished, cli, tmp_path):
    """The weights of the second run are those of the first, bit for bit."""
    workshop, _ = finished
    again = tmp_path / "again"

    outcome = cli("train", workshop.run / "config.yaml", "--run-dir", again)

    assert outcome.code == 0, outcome.err
    assert "data.cache_dir is ignored" in outcome.err  # it is a place outside the run, for whoever types the command
    shutil.rmtree(again)
    outcome = cli("train", workshop.run / "config.yaml", "--run-dir", again, f"data.cache_dir={workshop.cache}")

    assert outcome.code == 0, outcome.err
    assert "is ignored" not in outcome.err
    assert workshop.weights(6, again) == workshop.weights(6)
    assert workshop.metrics(again) == workshop.metrics()
    assert (again / "config.yaml").read_text() == (workshop.run / "config.yaml").read_text()


def test_a_finished_run_that_is_started_again_trains_no_more(copied):
    """It says its results again."""
    before = copied.weights(6)

    outcome = copied.train(trackers__tensorboard=None, trainer__validate="{steps: 3}")

    assert outcome.code == 0, outcome.err
    assert "Resuming from" in outcome.err
    assert outcome.out.startswith("test (step-")
    assert copied.weights(6) == before
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]
