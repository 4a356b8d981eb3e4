"""Measuring and predicting by several workers: the results of one, from real processes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("measured_in_workers.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ENVIRON = {**os.environ, "OMP_NUM_THREADS": "1"}
WORDS = ("red", "blue", "green", "dog", "cat", "house", "tree", "one", "two", "three")
MODEL = ["model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2"]
RUN = [
    *MODEL, "task.tokenizer.name=word", "data.max_sentences=8", "trainer.max_epochs=null", "trainer.max_steps=12",
    "trainer.patience=null", "trackers={}", "lr_scheduler.name=fixed", "trainer.best_metric=loss",
    "distributed.device=cpu", "checkpoint.save={steps: 12}", "trainer.validate={steps: 12}",
]  # fmt: skip
TASKS = {
    "translation": ["task.generation.beam=2", "model.encoder_layers=1", "model.decoder_layers=1", "optimizer.lr=0.05"],
    "lm": ["model.layers=1", "task.tokens_per_sample=12", "task.break_mode=eos", "optimizer.lr=0.05"],
    "classify": ["model.name=transformer_classifier/tiny", "model.layers=1", "task.max_length=12", "optimizer.lr=0.05"],
}


def write_corpus(folder: Path) -> dict[str, list[str]]:
    """Write texts in three forms; return the settings that name them, by task."""
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(19)]
    lines = "".join(f"{each}\n" for each in texts)
    rows = "".join(f"{draw.choice('ab')}\t{each}\n" for each in texts)
    for name, content in {
        "words.txt": lines, "pairs.en": lines, "pairs.de": lines.upper(), "table.tsv": f"label\ttext\n{rows}",
    }.items():  # fmt: skip
        (folder / name).write_text(content, encoding="utf-8")
    files = {"translation": "pairs", "lm": "words.txt", "classify": "table.tsv"}
    more = {"translation": ["task.source_lang=en", "task.target_lang=de"]}
    return {
        task: [f"task.train={folder / file}", f"task.valid={folder / file}", *more.get(task, [])]
        for task, file in files.items()
    }


def python(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run Python in a process of its own."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, input=stdin, capture_output=True, env=ENVIRON, timeout=240, check=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a run of each task, and with what one process and two workers answer by each."""
    folder = tmp_path_factory.mktemp("shared-work")
    trainings = [
        ["train", "--task", task, *RUN, *TASKS[task], *settings, f"data.cache_dir={folder / 'cache'}",
         "--run-dir", str(folder / task)]
        for task, settings in write_corpus(folder).items()
    ]  # fmt: skip
    for command in ([SCRIPT, folder, json.dumps(trainings)], [*TORCHRUN, SCRIPT, folder]):
        ended = python(*command)
        assert ended.returncode == 0, ended.stderr.decode()[-6000:]
    return folder


@pytest.fixture(scope="module")
def answers(runs: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """Return what the one process answers, and each of two workers, by rank and number of workers."""
    return {
        (rank, number): json.loads((runs / f"answers-{rank}-of-{number}.json").read_text(encoding="utf-8"))
        for rank, number in ((0, 1), (0, 2), (1, 2))
    }


def test_two_workers_measure_and_predict_what_one_does(answers: dict[tuple[int, int], dict[str, Any]]) -> None:
    """By beam search, by chance and by scoring; no line, fewer lines than workers, and half a buffer."""
    alone = answers[0, 1]

    assert answers[0, 2] == answers[1, 2]
    for asked, expected in alone.items():
        found = answers[0, 2][asked]
        if isinstance(expected, dict):
            assert losses(found) == pytest.approx(losses(expected), rel=1e-9), asked
            found |= losses(expected)
        assert expected == found, asked


def losses(measures: dict[str, float]) -> dict[str, float]:
    """Return the sums over batches, which workers add up in another order."""
    return {name: value for name, value in measures.items() if name in ("loss", "nll_loss", "ppl")}


def test_the_measures_are_worth_comparing(answers: dict[tuple[int, int], dict[str, Any]]) -> None:
    """The models have learned something, and answer lines differently."""
    measured = answers[0, 1]

    assert measured["translation "]["bleu"] > 0
    assert {"loss", "nats_per_token"} <= set(measured["lm "])
    assert "accuracy" in measured["classify "]
    assert len(set(measured["translation  9 lines"])) > 1


SETTINGS = ["task.generation.max_tokens=12", "task.buffer_lines=4", "data.max_sentences=2"]  # as in the script


def test_evaluate_prints_what_one_process_would(runs: Path, answers: dict[Any, Any]) -> None:
    """Once, though two workers have measured it."""
    words = ["evaluate", runs / "translation", *SETTINGS, "--split", "valid", "--json", "--workers", "2"]
    ended = python("-m", "seqtrain", *words)

    assert ended.returncode == 0, ended.stderr.decode()
    printed = json.loads(ended.stdout)
    assert printed["measures"] == pytest.approx(answers[0, 1]["translation "], rel=1e-9)
    assert set(printed["notes"]) == {"bleu", "chrf"}


def test_predict_joins_the_workers_that_torchrun_has_started(runs: Path, answers: dict[Any, Any]) -> None:
    """The file has the answers in order, each once; nothing is printed."""
    some = runs / "some.txt"
    some.write_text("".join((runs / "words.txt").read_text().splitlines(keepends=True)[:9]))
    files = ["--input", some, "--output", runs / "answers.txt"]
    ended = python(*TORCHRUN, "-m", "seqtrain", "predict", runs / "translation", *SETTINGS, *files)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert (runs / "answers.txt").read_text().splitlines() == answers[0, 1]["translation  9 lines"]


def test_predict_ends_with_one_message_at_a_bad_line(runs: Path, answers: dict[Any, Any]) -> None:
    """Line 9 is no UTF-8: the eight before it, two buffers, are answered in order."""
    lines = (runs / "words.txt").read_bytes().splitlines(keepends=True)
    lines[8] = b"caf\xe9\n"
    words = ["predict", runs / "translation", *SETTINGS, "--workers", "2"]
    ended = python("-m", "seqtrain", *words, stdin=b"".join(lines))

    assert ended.returncode == 5
    assert ended.stdout.decode().splitlines() == answers[0, 1]["translation  9 lines"][:8]
    (told,) = ended.stderr.decode().splitlines()
    assert "stdin, line 9: byte 4 (0xe9) is not UTF-8." in told


def test_a_closed_pipe_ends_all_workers_quietly(runs: Path) -> None:
    """As `| head -1` closes it."""
    words = map(str, ["-m", "seqtrain", "predict", runs / "lm", "task.buffer_lines=1", "--workers", "2"])
    with subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON
    ) as started:
        assert started.stdin and started.stdout and started.stderr
        started.stdin.write(b"red\n")
        started.stdin.flush()
        assert started.stdout.readline().startswith(b"red")  # answered while the input goes on
        started.stdout.close()
        started.stdin.write(b"blue\n" * 3)
        started.stdin.close()
        assert started.stderr.read() == b""
        assert started.wait(60) == 1
