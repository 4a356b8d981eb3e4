"""Metrics chosen by name with `task.metrics`, in all tasks."""

from __future__ import annotations

import json

import pytest
import yaml

OF_CRITERIA = {"loss", "nll_loss", "ppl"}


def measured(cli, run, *settings):
    """Return what `evaluate` measures by metrics, in its order."""
    outcome = cli("evaluate", run, *settings, "--json")
    assert outcome.code == 0, outcome.err
    measures = json.loads(outcome.out)["measures"]
    return {name: value for name, value in measures.items() if name not in OF_CRITERIA}


def test_metrics_are_those_of_the_list_in_its_order(finished, cli):
    """Their values are those that they have among the task's own; `task.metric` comes last; none may be named."""
    run = finished[0].run
    own = measured(cli, run)

    assert ["bleu", "chrf", "exact_match"] == list(own)
    assert list(own.items()) == list(measured(cli, run, "task.metrics=[bleu,chrf,exact_match]").items())
    assert list(measured(cli, run, "task.metrics=[exact_match,translation/bleu]").items()) == [
        ("exact_match", own["exact_match"]), ("bleu", own["bleu"])
    ]  # fmt: skip
    assert ["chrf", "bleu"] == list(measured(cli, run, "task.metrics=[chrf]", "task.metric.name=bleu"))
    assert {} == measured(cli, run, "task.metrics=[]")


def test_the_settings_of_scoring_are_those_of_the_metrics(finished, cli):
    """As they were before the metrics could be chosen; a metric of `task.metric` has its own."""
    run = finished[0].run
    for settings in (["task.metrics=[bleu]", "task.scoring.tokenize=char"], ["task.scoring.tokenize=char"]):
        outcome = cli("evaluate", run, *settings)
        assert "tok:char" in outcome.out, outcome.err
    outcome = cli("evaluate", run, "task.metrics=[chrf]", "task.metric.name=bleu", "task.metric.lowercase=true")
    bleu, chrf = (next(line for line in outcome.out.splitlines() if f" {name} " in line) for name in ("bleu", "chrf"))
    assert "case:lc" in bleu
    assert "case:mixed" in chrf


def test_a_run_keeps_its_metrics(workshop, cli):
    """They are in RUN/config.yaml, decide what is best, and may be changed when it is resumed."""
    assert workshop.train(task__metrics="[chrf]", trainer__best_metric="chrf", trainer__max_steps=3).code == 0

    assert ["chrf"] == yaml.safe_load((workshop.run / "config.yaml").read_text())["task"]["metrics"]
    assert {"chrf"} == measured(cli, workshop.run).keys()
    assert workshop.train(task__metrics="[exact_match]", trainer__best_metric="exact_match").code == 0
    assert {"exact_match"} == measured(cli, workshop.run).keys()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["task.metrics=[bleo]"], 4, "No metric is named 'bleo'. Did you mean 'bleu'?"),
        (["task.metrics=[bleu,chrf,bleu]"], 3, "metrics names 'bleu' twice"),
        (["task.metrics=bleu"], 3, "expected list of metric names or null, got 'bleu' (write [bleu])"),
        (["task.metrics.name=bleu"], 3, "expected list of metric names or null, got a map"),
        (["task.metrics=[bits_per_byte]"], 3, "'bits_per_byte' is not for this task: it measures TextLikelihood"),
        (["task.metrics=[accuracy]"], 3, "it measures LabelResults or LabelSetResults, and the task has TextPairs"),
        (["task.metric.name=bleu"], 4, "The metric 'bleu' calls a measure 'bleu', and there is one of that name"),
        (["task.metrics=[bleu,translation/bleu]"], 4, "Leave it out of task.metrics."),
    ],
)
def test_what_cannot_be_measured_is_refused(finished, cli, settings, code, said):
    """Before anything is computed, and with what to type instead."""
    outcome = cli("evaluate", finished[0].run, *settings)

    assert code == outcome.code, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


CLASSIFIER = "model.name=transformer_classifier/tiny"
TINY = ("model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2", "model.layers=1")


@pytest.fixture
def train_on(cli, tmp_path):
    """Return a function that trains a task for a step on a few lines."""

    def train_on(task, text, *more):
        file = tmp_path / ("data.tsv" if task == "classify" else "data.txt")
        file.write_text(text)
        data = [f"task.{split}={file}" for split in ("train", "valid", "test")]
        limits = (
            "trainer.max_steps=1",
            "trainer.max_epochs=null",
            "trackers={}",
            f"data.cache_dir={tmp_path / 'cache'}",
        )
        settings = (*data, *limits, *TINY, "task.tokenizer.name=char", "lr_scheduler.warmup_steps=1")
        return cli("train", "--task", task, "--run-dir", tmp_path / "run", *settings, *more)

    return train_on


def test_language_models_are_measured_by_what_is_named(train_on, cli, tmp_path):
    """Perplexity is exp of the nats of a token; texts cannot be compared, since nothing is predicted."""
    text = "one two three\n" * 9
    outcome = train_on("lm", text, "task.tokens_per_sample=8", "task.metrics=[perplexity,nats_per_token]")

    assert outcome.code == 0, outcome.err
    found = measured(cli, tmp_path / "run")
    assert ["perplexity", "nats_per_token", "unk_share"] == list(found)
    assert 2.718281828 ** found["nats_per_token"] == pytest.approx(found["perplexity"])
    refused = cli("evaluate", tmp_path / "run", "task.metrics=[bleu]")
    assert 3 == refused.code
    assert "'bleu' is not for this task: it measures TextPairs, and the task has TextLikelihood" in refused.err
    masked = train_on(
        "lm", text, "task.objective=masked", "task.metrics=[perplexity]", "--model=transformer_classifier"
    )
    assert 3 == masked.code
    assert "metrics are for objective=causal" in masked.err


def test_classifiers_are_measured_by_what_is_named(train_on, cli, tmp_path):
    """Those that are for labels, or for texts; not those for numbers, unless texts have numbers."""
    table = "label\ttext\n" + "1\tone\n2\ttwo\n" * 4
    outcome = train_on("classify", table, "task.metrics=[mcc,exact_match]", "trainer.best_metric=mcc", CLASSIFIER)

    assert outcome.code == 0, outcome.err
    found = measured(cli, tmp_path / "run")
    assert ["accuracy", "mcc", "exact_match"] == list(found)  # the first is the criterion's
    assert found["exact_match"] == measured(cli, tmp_path / "run", "task.metrics=[accuracy]")["accuracy"]
    for name in ("pearson", "bits_per_byte"):
        refused = cli("evaluate", tmp_path / "run", f"task.metrics=[{name}]")
        assert 3 == refused.code
        assert f"The metric '{name}' is not for this task" in refused.err
        assert "the task's own are accuracy, macro_f1, micro_f1, mcc" in refused.err
