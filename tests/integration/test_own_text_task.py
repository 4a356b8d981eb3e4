"""A fourth task on text, written as a stranger would: the one in the README of seqtrain-text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "plugins" / "seqtrain_text" / "README.md"
LINES = ["abc", "ab ba", "cab", "bb a", "a", "b cc", "abc cba", "ca"]
TINY = (
    "model.encoder_layers=1", "model.decoder_layers=1", "model.embed_dim=16", "model.ffn_dim=32",
    "model.attention_heads=2", "trainer.max_steps=4", "trackers={}", "data.max_sentences=4",
    "checkpoint.save={steps: 2}", "logging.every={steps: 1}", "optimizer.lr=0.01",
)  # fmt: skip


@pytest.fixture
def train(cli: Any, plugin_folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that trains the task in `tmp_path / "run"`, or in another folder, on a few lines."""
    files = dict(
        re.findall(r"^`(acme_\w+\.py)`:\n\n```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    )
    folder = plugin_folder("acme", files["acme_plugin.py"])
    (folder / "acme_task.py").write_text(files["acme_task.py"])
    monkeypatch.syspath_prepend(folder)
    for split, lines in (("train", LINES * 3), ("valid", LINES[:4]), ("test", LINES[2:6])):
        (tmp_path / split).write_text("".join(f"{line}\n" for line in lines))

    def train(*more: str, run: str = "run", **data: str | None) -> Any:
        places = {split: str(tmp_path / split) for split in ("train", "valid", "test")} | data
        given = [f"task.{split}={path}" for split, path in places.items() if path is not None]
        chosen = ("--model", "transformer", "--criterion", "cross_entropy", "--optimizer", "adam")
        command = ("train", "--task", "backwards", *chosen, "--lr-scheduler", "fixed", "--run-dir", tmp_path / run)
        return cli(*command, f"data.cache_dir={tmp_path / 'cache'}", *TINY, *given, *more)

    return train


def test_it_trains_evaluates_and_predicts(train: Any, cli: Any, tmp_path: Path) -> None:
    """Its own metric is measured; a line comes out for each that goes in; the corpus is not needed to predict."""
    outcome = train()

    assert outcome.code == 0, outcome.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["valid/exact_match"] for line in lines if line["split"] == "valid"]
    assert ["text"] == [path.name for path in (tmp_path / "run" / "task" / "tokenizers").iterdir()]
    measured = cli("evaluate", tmp_path / "run", "task.metrics=[chrf]", "--json")
    assert measured.code == 0, measured.err
    assert {"chrf"} == json.loads(measured.out)["measures"].keys() - {"loss", "nll_loss", "ppl"}
    for split in ("train", "valid", "test"):
        (tmp_path / split).unlink()
    (tmp_path / "lines").write_text("abc\n\nba\n")
    predicted = cli("predict", tmp_path / "run", "--input", tmp_path / "lines", "--output", tmp_path / "out")
    assert predicted.code == 0, predicted.err
    assert 3 == len((tmp_path / "out").read_text().splitlines())


def test_it_is_resumed_to_the_bit(train: Any, tmp_path: Path) -> None:
    """Stopped after two steps and gone on with, it ends with the weights of a run that was not stopped."""
    assert train(run="whole").code == 0
    assert train("trainer.max_steps=2").code == 0

    outcome = train()

    assert outcome.code == 0, outcome.err
    weights = [tmp_path / run / "checkpoints" / "step-00000004" / "model.safetensors" for run in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_it_learns(train: Any, cli: Any, tmp_path: Path) -> None:
    """Every line that it was trained on comes out backwards."""
    assert (
        train("trainer.max_steps=600", "checkpoint.save={steps: 600}", "model.embed_dim=32", "model.dropout=0").code
        == 0
    )
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in LINES))

    predicted = cli("predict", tmp_path / "run", "--input", tmp_path / "lines", "--output", tmp_path / "out")

    assert predicted.code == 0, predicted.err
    assert [line[::-1] for line in LINES] == (tmp_path / "out").read_text().splitlines()


def test_without_a_corpus_of_its_own_it_asks_for_one(train: Any) -> None:
    """It has no built-in one."""
    outcome = train(train=None, valid=None, test=None)

    assert outcome.code == 3, outcome.err
    assert "This task has no built-in corpus. Set task.train" in outcome.err


def test_text_that_is_not_there_is_told(train: Any, tmp_path: Path) -> None:
    """As in every task on text."""
    (tmp_path / "train").write_text("\n\n")

    outcome = train()

    assert outcome.code == 5, outcome.err
    assert "there is no text, or every line is empty. Check task.train." in outcome.err
