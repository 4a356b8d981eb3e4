"""What became of each line of each file stands in RUN/environment.json, as the log says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TINY = ["model.embed_dim=16", "model.ffn_dim=16", "model.attention_heads=2", "lr_scheduler.name=fixed"]
RUN = [
    "task.tokenizer.name=word", "data.max_sentences=4", "trainer.max_epochs=null", "trainer.patience=null",
    "trackers.tensorboard=null", "trainer.best_metric=loss", "task.score_validation=false",
]  # fmt: skip
LONG = "one two three four five six seven eight nine"


@pytest.fixture
def counted(cli: Any, tmp_path: Path) -> Any:
    """Train an update and then one more; return what environment.json says of the data, and the log."""

    def counted(task: str, *settings: str) -> tuple[dict[str, list[dict[str, Any]]], str]:
        found = []
        for steps in (1, 2):
            words = [*TINY, *RUN, *settings, f"trainer.max_steps={steps}", f"data.cache_dir={tmp_path / 'cache'}"]
            outcome = cli("train", "--task", task, "--run-dir", tmp_path / "run", *words)
            assert outcome.code == 0, outcome.err
            found.append(json.loads((tmp_path / "run" / "environment.json").read_text())["data"])
        assert found[0] == found[1]  # also where the text was binarised before
        return found[0], outcome.err

    return counted


def write(path: Path, *lines: str) -> Path:
    """Write lines of text."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_of_both_sides_of_a_translation(counted: Any, tmp_path: Path) -> None:
    """A pair that is skipped is so on both; validation sets lose none, and are cut where training is."""
    for split in ("train", "valid"):
        write(tmp_path / f"{split}.en", "one two", "", LONG, "three", "four five", "six")
        write(tmp_path / f"{split}.de", "eins zwei", "nichts", LONG, "drei", LONG, "")
    files = [f"task.{split}={tmp_path / split}" for split in ("train", "valid")]
    layers = ["model.encoder_layers=1", "model.decoder_layers=1"]
    policies = ["task.max_length=6", "task.empty_lines=skip", "task.too_long=truncate"]

    data, log = counted("translation", "task.source_lang=en", "task.target_lang=de", *files, *layers, *policies)

    english, german = data["train"]
    common = {"lines": 6, "kept": 4, "skipped": 2, "empty": 1}
    assert {"file": str(tmp_path / "train.en"), **common, "too_long": 1, "truncated": 1}.items() <= english.items()
    assert {"file": str(tmp_path / "train.de"), **common, "too_long": 2, "truncated": 2}.items() <= german.items()
    assert [(each["lines"], each["kept"], each["skipped"]) for each in data["valid"]] == [(6, 6, 0)] * 2
    assert f"2 lines of {tmp_path / 'train.de'} are longer than 6 tokens" in log
    assert f"{tmp_path / 'train.en'}: 4 of 6 lines, {english['tokens']} tokens" in log


@pytest.mark.parametrize(("policy", "done"), [("skip", "skipped"), ("truncate", "truncated"), ("split", "split")])
def test_of_the_lines_that_become_blocks(counted: Any, tmp_path: Path, policy: str, done: str) -> None:
    """Those that are too long for one, by what is done to them."""
    text = write(tmp_path / "text.txt", "one two three", "", LONG, "four five")
    settings = ["task.tokens_per_sample=6", "task.break_mode=eos", f"task.too_long={policy}", "model.layers=1"]

    data, _ = counted("lm", f"task.train={text}", f"task.valid={text}", *settings)

    (train,) = data["train"]
    assert {"lines": 4, "empty": 1, "too_long": 1, done: 1, "kept": 4 - (policy == "skip")}.items() <= train.items()
    assert train["blocks"] == {"skip": 2, "truncate": 3, "split": 4}[policy]
    assert [each["skipped"] for each in data["valid"]] == [0]


def test_of_the_rows_of_a_table(counted: Any, tmp_path: Path) -> None:
    """Those without a text, and those with too much of it."""
    rows = [f"{'ab'[each % 2]}\t{text}" for each, text in enumerate(["one two", "", LONG, "three", "four five"])]
    table = write(tmp_path / "table.tsv", "label\ttext", *rows)
    policies = ["task.max_length=6", "task.empty_lines=skip", "task.too_long=skip", "model.name=transformer_classifier"]

    data, _ = counted("classify", f"task.train={table}", f"task.valid={table}", *policies)

    counts = {"file": str(table), "lines": 5, "kept": 3, "skipped": 2, "empty": 1, "too_long": 1, "truncated": 0}
    assert counts.items() <= data["train"][0].items()
    assert {"lines": 5, "kept": 5, "skipped": 0, "empty": 1, "truncated": 1}.items() <= data["valid"][0].items()
