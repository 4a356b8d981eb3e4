"""Several training corpora of different sizes, and several named sets, in whole runs of each task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = (
    "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2", "task.tokenizer.name=word",
    "data.max_sentences=8", "lr_scheduler.name=fixed", "trainer.max_steps=3", "trainer.validate={steps: 1}", "checkpoint.save={steps: 1}",
    "trainer.max_epochs=null", "trackers={}", "distributed.device=cpu", "optimizer.lr=0.01",
)  # fmt: skip
TASKS = {
    "translation": ("task.source_lang=en", "task.target_lang=de", "model.encoder_layers=1", "model.decoder_layers=1"),
    "lm": ("task.break_mode=eos", "task.tokens_per_sample=8", "model.layers=1"),
    "classify": ("model.name=transformer_classifier/tiny", "model.layers=1"),
}
Train = Callable[..., Any]


def names(task: str, folder: Path) -> dict[str, str]:
    """Write corpora of 40, 10, 4 and 3 examples, and return the path of each."""
    for name, count in {"big": 40, "small": 10, "news": 4, "talks": 3}.items():
        lines = [f"{'one two three'.split()[number % 3]} {name}" for number in range(count)]
        for suffix in (".en", ".de"):
            (folder / f"{name}{suffix}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        rows = "".join(f"{'no' if number % 2 else 'yes'}\t{line}\n" for number, line in enumerate(lines))
        (folder / f"{name}.tsv").write_text(f"label\ttext\n{rows}", encoding="utf-8")
    suffix = {"translation": "", "lm": ".en", "classify": ".tsv"}[task]
    return {name: f"{folder / name}{suffix}" for name in ("big", "small", "news", "talks", "gone")}


@pytest.fixture
def train(cli: Callable[..., Any], tmp_path: Path) -> Train:
    """Return a function that trains a task in `tmp_path / "run"`."""

    def train(task: str, **settings: Any) -> Any:
        given = [f"task.{key}={json.dumps(value)}" for key, value in settings.items()]
        more = [*TINY, *TASKS[task], f"data.cache_dir={tmp_path / 'cache'}"]
        return cli("train", "--task", task, "--run-dir", tmp_path / "run", *more, *given)

    return train


@pytest.mark.parametrize("task", TASKS)
def test_sizes_are_evened_out_and_the_first_set_decides(task: str, train: Train, cli: Any, tmp_path: Path) -> None:
    """Of 40 and 10 examples, an epoch at T=2 has 33 and 17; each set is measured, by name, then and later."""
    at = names(task, tmp_path)
    outcome = train(
        task, train=[at["big"], at["small"]], train_temperature=2, valid={"talks": at["talks"], "news": at["news"]}
    )
    log = (tmp_path / "run" / "train.log").read_text(encoding="utf-8")

    assert outcome.code == 0, outcome.err
    assert "33 examples an epoch, 66.7 % of it" in log
    assert "17 examples an epoch, 33.3 % of it" in log
    metric = "accuracy" if task == "classify" else "loss"
    assert f"Validating on valid/talks, valid/news; valid/talks decides what is best, by its {metric}" in log
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    by_split = {line["split"]: line for line in lines}
    assert {"valid/talks", "valid/news"} <= set(by_split)
    best = [line for line in lines if line["split"] == "valid/talks"]
    decided = min(best, key=lambda line: line["valid/talks/loss"])["step"]
    for split in ("valid/talks", "valid/news"):
        measured = cli("evaluate", tmp_path / "run", "--split", split, "--json")
        assert measured.code == 0, measured.err
        found = json.loads(measured.out)
        assert found["checkpoints"] == [f"step-{decided:08d}"]
        expected = next(line for line in lines if line["split"] == split and line["step"] == decided)
        assert found["measures"]["loss"] == pytest.approx(expected[f"{split}/loss"])
    unknown = cli("evaluate", tmp_path / "run", "--split", "valid/books")
    assert unknown.code == 2
    assert "no split 'valid/books' in this run; it has train, valid/talks, valid/news" in unknown.err


@pytest.mark.parametrize("task", TASKS)
def test_another_temperature_is_another_run(task: str, train: Train, tmp_path: Path) -> None:
    """As another weight is; the same one goes on."""
    at = names(task, tmp_path)
    given = {"train": [at["big"], {"path": at["small"], "weight": 2}], "valid": at["news"]}
    assert train(task, **given, train_temperature=2).code == 0
    assert train(task, **given, train_temperature=2).code == 0

    outcome = train(task, **given, train_temperature=3)

    assert outcome.code == 3
    assert "task.train_temperature: 2.0 in the run, 3.0 now" in outcome.err


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"train": ["big", "small"], "train_temperature": 0}, 3, "task.train_temperature"),
        ({"train": ["big", "small"], "train_temperature": -1}, 3, "task.train_temperature"),
        ({"train": ["big", {"path": "small", "weight": 0}]}, 3, "weight 0; it must be a number above 0"),
        ({"train": ["big", "gone"]}, 5, "No text file"),
        ({"train": "big", "valid": {"news": "news", "more": "gone"}}, 5, "No text file"),
        ({"train": ["big", "empty"]}, 5, "empty"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    task: str, settings: dict[str, Any], code: int, said: str, train: Train, tmp_path: Path
) -> None:
    """Before anything is learned, by name and place."""
    at = names(task, tmp_path)
    for suffix in (".en", ".de", ".tsv"):
        (tmp_path / f"empty{suffix}").touch()
    at["empty"] = at["gone"].replace("gone", "empty")

    def places(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: each if key == "weight" else places(each) for key, each in value.items()}
        return [places(each) for each in value] if isinstance(value, list) else at.get(value, value)

    outcome = train(task, **{key: places(value) for key, value in settings.items()})

    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert not (tmp_path / "run" / "task" / "tokenizers").exists()
