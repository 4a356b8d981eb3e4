"""Made-up data: benchmarks and dry runs of each task without a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqtrain_testing.contracts.dataset import DatasetContract

MADE_UP = {"examples": 30, "valid_examples": 12, "length": 9, "min_length": 4, "vocab_size": 40}
TINY_MODEL = ("model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2", "lr_scheduler.warmup_steps=1")
MODELS = {
    "translation": ("model.encoder_layers=1", "model.decoder_layers=1", *TINY_MODEL),
    "lm": ("model.layers=1", *TINY_MODEL),
    "classify": ("model.name=transformer_classifier/tiny", "model.layers=1", *TINY_MODEL),
}


@pytest.fixture
def train(cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that trains a task on made-up data in `tmp_path / "run"`, two updates."""

    def train(task: str, *more: str, **changed: Any) -> Any:
        given = [f"task.dummy.{key}={value}" for key, value in {**MADE_UP, **changed}.items()]
        limits = ("trainer.max_steps=2", "trainer.max_epochs=null", "data.max_sentences=8", "trackers={}")
        places = (f"data.cache_dir={tmp_path / 'cache'}", "distributed.device=cpu")
        run = tmp_path / "run"
        return cli("train", "--task", task, "--run-dir", run, *MODELS[task], *limits, *places, *given, *more)

    return train


@pytest.mark.parametrize("task", MODELS)
def test_a_run_needs_no_file(task: str, train: Any, cli: Any, tmp_path: Path) -> None:
    """Two updates, validated by their loss; typed again, the run goes on; nothing is kept or cached."""
    outcome = train(task)

    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("valid (step-")
    assert "The data is made up, 30 examples of random tokens" in (tmp_path / "run" / "train.log").read_text()
    assert train(task, "trainer.max_steps=3").code == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"bleu", "bits_per_char", "macro_f1"}.isdisjoint(key.rsplit("/")[-1] for line in lines for key in line)
    assert not (tmp_path / "cache").exists()
    assert [] == [path for path in (tmp_path / "run" / "task").rglob("*") if path.is_file()]


@pytest.mark.parametrize("task", MODELS)
def test_only_the_loss_is_evaluated_and_nothing_predicted(task: str, train: Any, cli: Any, tmp_path: Path) -> None:
    """There is no text to write, and no reference."""
    assert train(task).code == 0
    (tmp_path / "lines.txt").write_text("one\n")

    measured = cli("evaluate", tmp_path / "run", "--json")
    assert measured.code == 0, measured.err
    assert json.loads(measured.out)["split"] == "valid"
    assert {"loss", "ppl"} <= set(json.loads(measured.out)["measures"])

    predicted = cli("predict", tmp_path / "run", "--input", tmp_path / "lines.txt", "--output", tmp_path / "out.txt")
    assert predicted.code == 3
    assert "This run was trained on made-up data" in predicted.err


@pytest.mark.parametrize("task", MODELS)
@pytest.mark.parametrize(
    ("more", "changed", "said"),
    [
        (["task.train=x"], {}, "train is given together with dummy.examples=30"),
        (["task.valid=x"], {}, "valid is given together with dummy.examples=30"),
        ([], {"length": 2000}, "dummy.length=2000 is above "),
        ([], {"min_length": 10}, "min_length=10 is above length=9"),
        ([], {"length": 1}, "task.dummy.length"),
        ([], {"vocab_size": 4}, "task.dummy.vocab_size"),
        ([], {"examples": 0}, "task.dummy.examples"),
        ([], {"examples": "null"}, "no examples are made up. Set task.dummy.examples=N too"),
        ([], {"examlpes": 5}, "examlpes"),
    ],
)
def test_contradictions_are_refused(
    task: str, more: list[str], changed: dict[str, Any], said: str, train: Any, tmp_path: Path
) -> None:
    """Before there is a run."""
    outcome = train(task, *more, **changed)

    assert (outcome.code, said in outcome.err) == (3, True), outcome.err
    assert not (tmp_path / "run").exists()


def test_random_blocks_are_not_of_made_up_lines(train: Any) -> None:
    """Each of which is a block."""
    outcome = train("lm", "task.random_blocks=true")

    assert (outcome.code, "each made-up line is a block" in outcome.err) == (3, True)


class TestTranslation(DatasetContract):
    """Batches of made-up pairs are batches."""

    name = "translation/translation"
    settings = {"dummy": MADE_UP, "max_length": 9}
    run_overrides = MODELS["translation"]


class TestLanguageModel(DatasetContract):
    """Made-up lines are blocks."""

    name = "lm/lm"
    settings = {"dummy": MADE_UP, "tokens_per_sample": 9}
    run_overrides = MODELS["lm"]


class TestMasked(DatasetContract):
    """And can be masked."""

    name = "lm/lm"
    settings = {"dummy": MADE_UP, "tokens_per_sample": 12, "objective": "masked"}
    run_overrides = ("model.name=transformer_classifier", *MODELS["lm"])


class TestSpan(DatasetContract):
    """Or have spans hidden."""

    name = "lm/lm"
    settings = {"dummy": MADE_UP, "tokens_per_sample": 12, "objective": "span"}
    run_overrides = ("model.name=transformer", *MODELS["translation"])


class TestClassifier(DatasetContract):
    """Made-up rows have labels."""

    name = "classify/classify"
    settings = {"dummy": {**MADE_UP, "classes": 3}, "max_length": 12}
    run_overrides = MODELS["classify"]


class TestSeveralLabels(DatasetContract):
    """Or several."""

    name = "classify/classify"
    settings = {"dummy": {**MADE_UP, "classes": 5}, "max_length": 12, "kind": "multi"}
    run_overrides = MODELS["classify"]


class TestNumbers(DatasetContract):
    """Or numbers."""

    name = "classify/classify"
    settings = {"dummy": MADE_UP, "max_length": 12, "kind": "regression"}
    run_overrides = MODELS["classify"]
