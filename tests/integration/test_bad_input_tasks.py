"""Texts, tables and runs that a language model or a classifier cannot use: each names the place and what to do."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WORDS = ("red", "blue", "green", "dog", "cat", "house", "tree", "one", "two", "three")
DRAW = random.Random(1)
TEXTS = [" ".join(DRAW.choices(WORDS, k=DRAW.randint(2, 6))) for _ in range(40)]
LABELS = [DRAW.choice("ab") for _ in TEXTS]
MODEL = ["model.layers=1", "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2"]
RUN = [
    "task.tokenizer.name=word", "data.max_sentences=8", "trainer.max_epochs=null", "trainer.max_steps=2",
    "trainer.patience=null", "trackers.tensorboard=null", "lr_scheduler.name=fixed", "trainer.best_metric=loss",
]  # fmt: skip


def write_table(path: Path, rows: Iterable[tuple[str, str]], header: str = "label\ttext") -> Path:
    """Write a TSV file."""
    path.write_text("".join(f"{line}\n" for line in (header, *("\t".join(row) for row in rows))))
    return path


def write_text(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@dataclass
class Bench:
    """Makes tiny runs in a folder, and judges how commands end."""

    folder: Path
    cli: Callable[..., Any]

    def train(self, task: str, *settings: str, run: str = "run", **files: Path) -> Any:
        """Run `seqtrain train`; `files` are `train` and `valid`, where they are not as usual."""
        usual = self.folder / ("text.txt" if task == "lm" else "table.tsv")
        given = [f"task.{split}={files.get(split, usual)}" for split in ("train", "valid")]
        own = {
            "lm": ["--model", "transformer_lm", "task.tokens_per_sample=12", "task.break_mode=eos"],
            "classify": ["--model", "transformer_classifier", "task.max_length=12"],
        }
        common = [*MODEL, *RUN, f"data.cache_dir={self.folder / 'cache'}", "--run-dir", self.folder / run]
        return self.cli("train", "--task", task, *own[task], *given, *common, *settings)

    def ask(self, command: str, run: str, *words: str | Path, lines: Iterable[str] = ()) -> Any:
        """Run `seqtrain predict` on lines, or `seqtrain evaluate`."""
        if command == "predict":
            source = write_text(self.folder / "input.txt", lines)
            words = (*words, "--input", source, "--output", self.folder / "output.txt")
        return self.cli(command, self.folder / run, *words)


def refused(outcome: Any, code: int, *said: str | Path) -> None:
    """Check that a command ended with this code and one paragraph that says these things."""
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    message = outcome.err.partition("seqtrain: error: ")[2]
    for each in said:
        assert str(each) in message


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cli: Callable[..., Any]) -> Bench:
    """A language model and a classifier, in the folders `lm` and `classify`; no test changes them."""
    bench = Bench(tmp_path_factory.mktemp("tasks"), cli)
    write_text(bench.folder / "text.txt", TEXTS)
    write_table(bench.folder / "table.tsv", zip(LABELS, TEXTS, strict=True))
    for task in ("lm", "classify"):
        outcome = bench.train(task, run=task)
        assert outcome.code == 0, outcome.err
    return bench


@pytest.fixture
def bench(trained: Bench, tmp_path: Path) -> Bench:
    """A folder of its own with the same texts."""
    for name in ("text.txt", "table.tsv"):
        shutil.copy(trained.folder / name, tmp_path / name)
    return Bench(tmp_path, trained.cli)


# Labels


def test_a_label_unseen_in_training_is_placed(bench: Bench, trained: Bench) -> None:
    """File and line, with the labels there are; in training and in `evaluate`."""
    table = write_table(bench.folder / "other.tsv", [("a", "red dog"), ("c", "blue cat")])
    said = (f"{table}:3: ", "'c'", "'a', 'b'", "Mend or remove the row")

    refused(bench.train("classify", valid=table), 5, *said)
    refused(trained.ask("evaluate", "classify", f"task.test={table}"), 5, *said)


def test_a_table_with_one_class_is_refused(bench: Bench) -> None:
    """There is nothing to learn."""
    table = write_table(bench.folder / "one.tsv", [("a", text) for text in TEXTS])

    refused(bench.train("classify", train=table), 5, table, "every row has the label 'a'", "task.label_column")


# Columns


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("lable\ttext", ("no column 'label'", "'lable', 'text'", "Did you mean 'lable'?", "task.label_column=NAME")),
        ("label\tsentence", ("no column 'text'", "'label', 'sentence'", "task.text_column=NAME")),
        ("a\tred dog", ("no column 'text'", "task.columns=[...]")),
    ],
)
def test_a_column_that_is_missing_or_renamed_is_told(
    bench: Bench, trained: Bench, header: str, said: tuple[str, ...]
) -> None:
    """With those there are and the setting that names another; in training and in `evaluate`."""
    table = write_table(bench.folder / "other.tsv", zip(LABELS, TEXTS, strict=True), header)

    refused(bench.train("classify", train=table), 5, table, *said)
    refused(trained.ask("evaluate", "classify", f"task.test={table}"), 5, table, *said)


def test_a_row_with_too_few_columns_is_placed(bench: Bench) -> None:
    """File and line."""
    table = write_table(bench.folder / "short.tsv", [("a", "red dog"), ("b",), ("b", "blue")])  # type: ignore[list-item]

    refused(bench.train("classify", train=table), 5, f"{table}:3: ", "1 column")


# Empty texts


def test_texts_that_are_all_empty_are_refused(bench: Bench) -> None:
    """In every split of both tasks, with the file."""
    table = write_table(bench.folder / "empty.tsv", [(label, "") for label in LABELS])
    text = write_text(bench.folder / "empty.txt", [""] * 3)

    refused(bench.train("classify", train=table), 5, table, "every row has an empty text", "task.text_column")
    refused(bench.train("classify", valid=table), 5, table, "empty", "Check that it is the right file")
    refused(bench.train("lm", train=text), 5, text, "every line is empty", "task.train")
    refused(bench.train("lm", valid=text), 5, text, "empty", "Check that it is the right file")


def test_an_empty_text_is_placed_if_that_is_wanted(bench: Bench) -> None:
    """File and line, with the setting that leaves it out."""
    table = write_table(bench.folder / "gap.tsv", [*zip(LABELS, TEXTS, strict=True), ("a", " ")])

    refused(bench.train("classify", "task.empty_lines=error", train=table), 5, f"{table}:42: ", "task.empty_lines=skip")


def test_empty_lines_are_answered(trained: Bench) -> None:
    """Line n of the output belongs to line n of the input, whatever that is."""
    for run in ("lm", "classify"):
        outcome = trained.ask("predict", run, lines=["red dog", "", "blue"])

        assert outcome.code == 0, outcome.err
        assert (trained.folder / "output.txt").read_text().count("\n") == 3


# Lengths


def test_a_prompt_longer_than_the_context_is_placed(trained: Bench) -> None:
    """Line, lengths and three ways out; the lines before it are not lost if they were answered already."""
    said = (
        "Input line 2", "30 tokens", "11 at most", "task.tokens_per_sample=12",
        "task.generation.long_prompt=truncate", "task.tokens_per_sample=31",
    )  # fmt: skip

    refused(trained.ask("predict", "lm", lines=["red", " ".join(["dog"] * 30)]), 5, *said)
    cut = trained.ask("predict", "lm", "task.generation.long_prompt=truncate", lines=[" ".join(["dog"] * 30)])
    assert cut.code == 0, cut.err


def test_learned_positions_go_no_further(trained: Bench) -> None:
    """Asked for more, they say that they are the reason."""
    for run, setting in (("lm", "task.tokens_per_sample=31"), ("classify", "task.max_length=31")):
        outcome = trained.ask("predict", run, setting, lines=[" ".join(["dog"] * 30)])

        refused(outcome, 5, "positions.weight", "another longest sequence", "as it was in the run")


@pytest.mark.parametrize(("task", "setting"), [("lm", "task.tokens_per_sample=31"), ("classify", "task.max_length=31")])
def test_other_positions_go_on(bench: Bench, task: str, setting: str) -> None:
    """A model that was trained with rotary positions reads more when it is asked to."""
    assert bench.train(task, "model.positions=rotary").code == 0

    outcome = bench.ask("predict", "run", setting, lines=[" ".join(["dog"] * 30)])

    assert outcome.code == 0, outcome.err
    assert "cut" not in outcome.err


def test_a_text_that_is_cut_is_told(trained: Bench) -> None:
    """How many, the first of them, and the setting."""
    outcome = trained.ask("predict", "classify", lines=["red", " ".join(["dog"] * 30)])

    assert outcome.code == 0, outcome.err
    for said in ("1 of 2 lines", "longer than 12 tokens", "line 2", "task.max_length=N"):
        assert said in outcome.err


def test_an_example_above_the_budget_is_placed(bench: Bench) -> None:
    """Nothing is said of settings that the task has not."""
    outcome = bench.train("lm", "data.max_tokens=4")

    refused(outcome, 5, bench.folder / "text.txt", "data.max_tokens=4", "seqtrain plugins show task/NAME")
    assert "task.max_length" not in outcome.err


def test_a_wider_window_than_the_model_reads_is_refused(trained: Bench) -> None:
    """With the setting that goes with it."""
    refused(trained.ask("evaluate", "lm", "task.evaluation.context=24"), 3, "tokens_per_sample=12", "raise task.tokens")


# Runs and checkpoints of another task


@pytest.mark.parametrize("words", [(), ("--accept-changes",)], ids=["plainly", "accepted"])
def test_a_run_of_another_task_is_not_gone_on_with(trained: Bench, words: tuple[str, ...]) -> None:
    """Nobody can want that, so it cannot be accepted either; the run is as it was."""
    before = (trained.folder / "lm/config.yaml").read_bytes()

    outcome = trained.train("classify", *words, run="lm")

    refused(outcome, 3, trained.folder / "lm", "task.name=lm", "task.name=classify", "--init-from")
    assert (trained.folder / "lm/config.yaml").read_bytes() == before


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_run_is_not_used_as_one_of_another_task(trained: Bench, command: str) -> None:
    """Rather than missing some of its files."""
    refused(trained.ask(command, "lm", "task.name=classify"), 3, "task.name=lm", "task.name=classify", "--init-from")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_checkpoint_of_another_task_is_refused(trained: Bench, command: str) -> None:
    """With its path, and what it has that this model has not."""
    checkpoint = trained.folder / "lm/checkpoints/step-00000002"

    refused(
        trained.ask(command, "classify", "--checkpoint", checkpoint), 5,
        checkpoint, "checkpoint of another model", "Use the config.yaml of the run",
    )  # fmt: skip


# Parts that do not go together


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        ("lm", ["--model", "transformer_classifier"], ("reads the tokens that it should predict", "objective=masked")),
        ("lm", ["task.objective=span"], ("task.objective=span", "such as transformer")),
        ("lm", ["--criterion", "sentence_prediction"], ("criterion.name=sentence_prediction", "=cross_entropy")),
        ("classify", ["--model", "transformer_lm"], ("model.name=transformer_lm", "(B, C)", "--kind model")),
        ("classify", ["--model", "transformer_lm", "--criterion", "cross_entropy"], ("(B, C)", "--kind model")),
    ],
)
def test_parts_that_do_not_go_together_are_told_before_a_step(
    bench: Bench, task: str, words: list[str], said: tuple[str, ...]
) -> None:
    """The settings and what to choose instead; no checkpoint was made."""
    refused(bench.train(task, *words), 3, *said)
    assert not list((bench.folder / "run").glob("checkpoints/step-*"))


def test_a_falling_rate_under_schedule_free_is_warned_of(bench: Bench) -> None:
    """Once, with what to choose; not with the scheduler that it wants."""
    falling = bench.train(
        "lm", "--optimizer", "schedule_free", "lr_scheduler.name=inverse_sqrt", "lr_scheduler.warmup_steps=1"
    )
    steady = bench.train("lm", "--optimizer", "schedule_free", run="steady")

    assert (falling.code, steady.code) == (0, 0), falling.err + steady.err
    assert falling.err.count("--lr-scheduler fixed") == 1
    assert "--lr-scheduler fixed" not in steady.err


# In a process of its own


def test_a_process_ends_with_the_code_and_one_paragraph(trained: Bench, cli_process: Callable[..., Any]) -> None:
    """As a script sees it: nothing on stdout, the message on stderr."""
    source = write_text(trained.folder / "long.txt", [" ".join(["dog"] * 30)])
    process = cli_process("predict", trained.folder / "lm", "--input", source)
    out, err = process.communicate()

    assert process.returncode == 5
    assert out == b""
    assert b"seqtrain: error: Input line 1: the prompt has 30 tokens" in err
