"""The task from tables to answers, with a toy model."""

from __future__ import annotations

import gzip
import json
import logging
import math
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.errors import CheckpointError, DataError, PluginError, TrainingError
from seqtrain.registry.discovery import discover
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.prediction_config import PredictionConfig
from seqtrain_classify.task import ClassifyTask
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.symbols import whitespace

PAD, BOS, EOS, UNK = range(4)
TRAIN = "label\ttext\nyes\tone two\nno\tthree\nyes\ttwo two two\n"
MakeTask = Callable[..., ClassifyTask]


class FirstToken(nn.Module):
    """Logits that the first token alone decides."""

    def __init__(self, vocab_size: int, num_classes: int, *, seed: int = 1) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(vocab_size, num_classes, generator=rng))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table[tokens[:, 0]]


def toy(task: ClassifyTask, *, seed: int = 1) -> FirstToken:
    """Make a model for a task."""
    spec = task.model_spec
    assert spec.num_classes is not None
    return FirstToken(spec.vocab_size, spec.num_classes, seed=seed)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with train, valid and test tables."""
    folder = tmp_path / "data"
    folder.mkdir()
    valid = "label\ttext\nno\tthree one\nyes\ttwo\n"
    for split, text in (("train", TRAIN), ("valid", valid), ("test", "text\tlabel\none\tno\n")):
        (folder / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make_task(data: Path) -> MakeTask:
    """
    Make a task on these tables, or on others.

    The config of a `metric` that is given is the metric itself.
    """

    def make(**settings: Any) -> ClassifyTask:
        tokenizer = WhitespaceConfig(joiner=None)
        given = {split: str(data / f"{split}.tsv") for split in ("train", "valid", "test")}
        given["tokenizer"] = Selection("tokenizer", "whitespace", tokenizer)
        metric = settings.get("metric")
        return ClassifyTask(
            ClassifyConfig(**{"max_length": 8, **given, **settings}),
            tokenizer=lambda: whitespace(tokenizer),
            metrics=partial(discover().build_named, "metric"),
            metric=(lambda: metric.config) if metric else None,
        )

    return make


def prepared(task: ClassifyTask, tmp_path: Path) -> ClassifyTask:
    """Prepare a task and return it."""
    task.prepare(tmp_path / "artifacts", tmp_path / "cache")
    return task


def texts_of(task: ClassifyTask, split: str = "train") -> list[str]:
    """Return the rows of a split as the names of their tokens."""
    dataset = task.dataset(split)
    rows = (dataset.collate(np.array([index])).net_input["tokens"][0].tolist() for index in range(len(dataset)))
    return [" ".join(task._tokenizer.tokens(row)) for row in rows]


def targets_of(task: ClassifyTask, split: str = "train") -> list[Any]:
    """Return the targets of a split."""
    return task.dataset(split).collate(np.arange(len(task.dataset(split)))).target.tolist()


def test_a_table_becomes_rows_and_labels(make_task, tmp_path):
    """A row ends in eos; labels are numbered in their order."""
    task = prepared(make_task(), tmp_path)

    assert ["one two </s>", "three </s>", "two two two </s>"] == texts_of(task)
    assert [1, 0, 1] == targets_of(task)
    assert ([0, 1], [0]) == (targets_of(task, "valid"), targets_of(task, "test"))
    assert (7, PAD, 2, 8) == (
        task.model_spec.vocab_size, task.model_spec.padding, task.model_spec.num_classes, task.model_spec.max_positions,
    )  # fmt: skip


def test_a_batch_is_padded_on_the_right(make_task, tmp_path):
    """An example is one target, however many tokens it has."""
    batch = prepared(make_task(), tmp_path).dataset("train").collate(np.array([1, 2]))
    two, three = 4, 6

    assert [[three, EOS, PAD, PAD], [two, two, two, EOS]] == batch.net_input["tokens"].tolist()
    assert (2, 6, 8) == (batch.num_targets, batch.num_tokens, batch.num_positions)
    assert (torch.int64, [0, 1]) == (batch.target.dtype, batch.target.tolist())


def test_tables_of_several_formats_are_one_split(make_task, tmp_path, data):
    """In their order, each with its weight; rows of several in one batch stay in the order asked for."""
    (data / "more.csv").write_text('text,label\n"three, three",no\n')
    (data / "more.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one", "label": "yes"}\n'))
    train = [str(data / "train.tsv"), {"path": str(data / "more.csv"), "weight": 3}, str(data / "more.jsonl")]
    dataset = prepared(make_task(train=train), tmp_path).dataset("train")
    batch = dataset.collate(np.array([4, 0, 3]))

    assert [(0, 3, 1.0), (3, 4, 3.0), (4, 5, 1.0)] == [(each.start, each.stop, each.weight) for each in dataset.parts]
    assert [1, 1, 0] == batch.target.tolist()
    assert [2, 3, 3] == (batch.net_input["tokens"] != PAD).sum(1).tolist()
    assert [[3], [2], [4], [3], [2]] == dataset.lengths(0, 5).tolist()
    assert [[4], [3]] == dataset.lengths(2, 4).tolist()
    assert ["train.tsv:4", "more.csv:2", "more.jsonl.gz:1"] == [Path(dataset.describe(n)).name for n in (2, 3, 4)]


def test_a_pair_is_one_row(make_task, tmp_path, data):
    """Both columns make the vocabulary; tabs and line ends within a text are blanks."""
    (data / "train.csv").write_text('a,b,label\none,"two\nthree",1\n four ,five,0\n')
    settings = {"text_column": "a", "text_pair_column": "b", "prepend_bos": True, "valid": None, "test": None}
    task = prepared(make_task(train=str(data / "train.csv"), **settings), tmp_path)

    assert ["<s> one </s> two three </s>", "<s> four </s> five </s>"] == texts_of(task)
    assert 4 + 5 == task.model_spec.vocab_size


def test_several_labels_are_a_row_of_zeros_and_ones(make_task, tmp_path, data):
    """A row without any is a row."""
    (data / "train.tsv").write_text("label\ttext\nb|a\tone\n\ttwo\nc\tthree\n")
    task = prepared(make_task(kind="multi", label_separator="|", valid=None, test=None), tmp_path)
    batch = task.dataset("train").collate(np.arange(3))

    assert [[1, 1, 0], [0, 0, 0], [0, 0, 1]] == batch.target.tolist()
    assert (torch.float32, 3, 3) == (batch.target.dtype, batch.num_targets, task.model_spec.num_classes)


def test_a_number_is_a_number(make_task, tmp_path, data):
    """The model has one output."""
    (data / "train.tsv").write_text("label\ttext\n0.5\tone\n-2\ttwo\n")
    task = prepared(make_task(kind="regression", valid=None, test=None), tmp_path)

    assert [0.5, -2.0] == targets_of(task)
    assert 1 == task.model_spec.num_classes
    assert {"kind": "regression", "labels": []} == json.loads((tmp_path / "artifacts" / "labels.json").read_text())


def test_training_rows_without_text_are_left_out(make_task, tmp_path, data, caplog):
    """They are counted, with the first one's line, and others keep their labels and places."""
    (data / "train.tsv").write_text("label\ttext\nno\t\nyes\tone\nno\t  \nno\ttwo\n")
    task = prepared(make_task(), tmp_path)

    assert ["one </s>", "two </s>"] == texts_of(task)
    assert [1, 0] == targets_of(task)
    assert ["train.tsv:3", "train.tsv:5"] == [Path(task.dataset("train").describe(index)).name for index in (0, 1)]
    assert "2 rows of" in caplog.text
    assert "train.tsv have an empty text (the first: line 2) and were left out" in caplog.text


def test_rows_without_text_stay_in_other_sets(make_task, tmp_path, data, caplog):
    """Or measures could not be compared."""
    (data / "valid.tsv").write_text("label\ttext\nno\t\nyes\tone\n")
    task = prepared(make_task(), tmp_path)

    assert ["</s>", "one </s>"] == texts_of(task, "valid")
    assert "1 rows of" in caplog.text
    assert "valid.tsv have an empty text (the first: line 2) and were kept" in caplog.text
    assert 0.5 == prepared(make_task(), tmp_path).measure("valid", [Constant(task)])["accuracy"]


class Constant(FirstToken):
    """Finds the first label everywhere."""

    def __init__(self, task: ClassifyTask) -> None:
        super().__init__(task.model_spec.vocab_size, task.model_spec.num_classes or 0)
        with torch.no_grad():
            self.table.copy_(torch.arange(self.table.shape[1], 0, -1).expand_as(self.table))


def test_empty_texts_can_be_refused(make_task, tmp_path, data):
    """The error names the line; pairs are empty if either text is."""
    (data / "train.tsv").write_text("label\ttext\tother\nyes\tone\ttwo\nno\tone\t \n")

    with pytest.raises(DataError, match=r"train\.tsv:3: the text is empty.*or set task\.empty_lines=skip"):
        prepared(make_task(empty_lines="error", text_pair_column="other"), tmp_path)


def test_texts_that_are_too_long_are_cut(make_task, tmp_path, caplog):
    """In all splits, and it is said how many."""
    task = prepared(make_task(max_length=4), tmp_path)
    assert "two two two </s>" == texts_of(task)[2]

    caplog.clear()
    (tmp_path / "data" / "valid.tsv").write_text("label\ttext\nno\tone two one two one\n")
    task = prepared(make_task(max_length=4), tmp_path)

    assert ["one two one </s>"] == texts_of(task, "valid")
    assert "1 rows of" in caplog.text
    assert "longer than 4 tokens (the first: row 1) and were cut off" in caplog.text


def test_pairs_that_are_too_long_are_counted_once(make_task, tmp_path, data, caplog):
    """The longer text loses its end, and the row has exactly the most it may have."""
    (data / "train.tsv").write_text("label\ttext\tother\nyes\tone one one one one one\ttwo\nno\tone\ttwo\n")
    task = prepared(make_task(text_pair_column="other", valid=None, test=None, max_length=6), tmp_path)

    assert ["one one one </s> two </s>", "one </s> two </s>"] == texts_of(task)
    assert "1 rows of" in caplog.text
    assert "longer than 6 tokens (the first: row 1) and were cut off" in caplog.text


def test_training_rows_that_are_too_long_can_be_left_out(make_task, tmp_path, data):
    """The others keep their labels and places; other sets are cut all the same."""
    (data / "train.tsv").write_text("label\ttext\nno\tone one one one\nyes\tone\nno\ttwo two two two\nno\ttwo\n")
    (data / "valid.tsv").write_text("label\ttext\nno\tone one one one\n")
    task = prepared(make_task(max_length=4, too_long="skip"), tmp_path)

    assert ["one </s>", "two </s>"] == texts_of(task)
    assert [1, 0] == targets_of(task)
    assert ["train.tsv:3", "train.tsv:5"] == [Path(task.dataset("train").describe(index)).name for index in (0, 1)]
    assert ["one one one </s>"] == texts_of(task, "valid")


@pytest.mark.parametrize("is_pair", [False, True])
def test_texts_that_are_too_long_can_be_refused(make_task, tmp_path, data, is_pair):
    """The error names the line of the file and how long it is, and nothing is left behind."""
    (data / "train.tsv").write_text("label\ttext\tother\nyes\t\ttwo\nyes\tone\ttwo\nno\tone one one one\ttwo two\n")
    pair = {"text_pair_column": "other", "max_length": 7} if is_pair else {"max_length": 4}

    with pytest.raises(
        DataError, match=rf"train\.tsv:4: the row has {8 if is_pair else 5} tokens.*Raise task\.max_length"
    ):
        prepared(make_task(too_long="error", valid=None, test=None, **pair), tmp_path)
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.parametrize(
    ("split", "content", "settings", "message"),
    [
        (
            "valid",
            "label\ttext\nyes\tone\nmaybe\tone\n",
            {},
            r"valid\.tsv:3: no training row has the label 'maybe', only",
        ),
        ("train", "label\ttext\nyes\tone\nyes\ttwo\n", {}, r"train\.tsv: every row has the label 'yes'"),
        ("train", "label\tsentence\nyes\tone\n", {}, r"train\.tsv has no column 'text'"),
        ("test", "label\tsentence\nyes\tone\n", {}, r"test\.tsv has no column 'text'"),
        ("train", "label\ttext\nyes\tone\n\ttwo\n", {}, r"train\.tsv:3: the label is empty"),
        (
            "train",
            "label\ttext\n1.5\tone\nhigh\ttwo\n",
            {"kind": "regression"},
            r"train\.tsv:3: the label 'high' is no nu",
        ),
        ("train", "label\ttext\nyes\t\nno\t \n", {}, r"train\.tsv: every row has an empty text"),
        ("train", "label\ttext\n1\t\n2\t\n", {"kind": "regression"}, r"train\.tsv: every row has an empty text"),
        ("valid", "label\ttext\nyes\tone\ttwo\n", {}, r"valid\.tsv:2: the row has 3 columns"),
    ],
)
def test_bad_tables_are_refused_before_any_work_is_done(make_task, tmp_path, data, split, content, settings, message):
    """The error names the place; no vocabulary is learned, and nothing stays."""
    (data / f"{split}.tsv").write_text(content)

    with pytest.raises(DataError, match=message):
        prepared(make_task(**settings), tmp_path)
    assert not (tmp_path / "artifacts").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"text": 3, "label": 1}', r"train\.jsonl:1: the text is 3, where a text in quotes is expected"),
        ('{"text": null, "label": 1}', r"train\.jsonl:1: the text is None"),
        ('{"text": "\\ud83d!", "label": 1}', r"train\.jsonl:1: the text has '\\ud83d', half of a character"),
        ('{"text": "a", "label": [1]}', r"train\.jsonl:1: the label is a list, \[1\]\. Set task\.kind=multi"),
    ],
)
def test_json_that_holds_something_else_is_refused(make_task, tmp_path, data, row, message):
    """With its line."""
    (data / "train.jsonl").write_text(row + "\n")

    with pytest.raises(DataError, match=message):
        prepared(make_task(train=str(data / "train.jsonl")), tmp_path)


def test_a_missing_file_is_named_before_any_work_is_done(make_task, tmp_path, data):
    """The error says what there is beside it."""
    (data / "test.tsv").rename(data / "test.csv")

    with pytest.raises(DataError, match=r"No text file .*test\.tsv or test\.tsv\.gz.*test\.csv"):
        prepared(make_task(), tmp_path)
    assert not (tmp_path / "artifacts").exists()


def test_a_resumed_run_uses_the_labels_it_has(make_task, tmp_path, data):
    """A new label in the training table is one that no training row had."""
    before = prepared(make_task(), tmp_path).model_spec
    (data / "train.tsv").write_text(TRAIN.replace("one", "seven"))
    assert before == prepared(make_task(), tmp_path).model_spec

    (data / "train.tsv").write_text(TRAIN + "maybe\tone\n")
    with pytest.raises(DataError, match=r"train\.tsv:5: no training row has the label 'maybe', only 'no', 'yes'"):
        prepared(make_task(), tmp_path)


def test_data_with_other_labels_has_another_fingerprint(make_task, tmp_path, data):
    """Even with the texts unchanged, and with the labels' numbers unchanged."""
    fingerprints = [prepared(make_task(), tmp_path).dataset("train").fingerprint]
    for number, text in enumerate((TRAIN.replace("no\t", "yes\tx\nno\t"), TRAIN.replace("yes\ttwo", "no\ttwo"),
                                   TRAIN.replace("no\t", "never\t"))):  # fmt: skip
        (data / "train.tsv").write_text(text)
        task = make_task(valid=None, test=None)
        task.prepare(tmp_path / f"artifacts-{number}", tmp_path / "cache")
        fingerprints.append(task.dataset("train").fingerprint)

    assert 4 == len(set(fingerprints))


def test_a_run_folder_alone_is_enough_to_predict(make_task, tmp_path, data):
    """With corpus and cache gone, `load` and `predict` still work."""
    task = prepared(make_task(), tmp_path)
    before = list(task.predict([toy(task)], ["one", "three two"]))
    for path in data.iterdir():
        path.unlink()
    moved = (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    loaded = make_task()
    loaded.load(moved, tmp_path / "no-cache")

    assert before == list(loaded.predict([toy(loaded)], ["one", "three two"]))
    assert not (tmp_path / "no-cache").exists()


def test_a_test_set_can_be_measured_after_the_training_table_is_gone(make_task, tmp_path, data):
    """Only the tables of the split that is asked for are read."""
    prepared(make_task(), tmp_path)
    (data / "train.tsv").unlink()
    task = make_task()
    task.load(tmp_path / "artifacts", tmp_path / "cache")

    assert {"accuracy": 1.0, "macro_f1": 1.0, "micro_f1": 1.0, "mcc": 0.0} == task.measure("test", [Constant(task)])


@pytest.mark.parametrize(
    ("missing", "message"), [("tokenizers", "holds no tokenizers"), ("labels.json", "Cannot read the")]
)
def test_loading_an_incomplete_run_folder_is_refused(make_task, tmp_path, missing, message):
    """The error says what is missing."""
    prepared(make_task(), tmp_path)
    (tmp_path / "artifacts" / missing).rename(tmp_path / "gone")

    with pytest.raises(CheckpointError, match=message):
        make_task().load(tmp_path / "artifacts", tmp_path / "cache")


def test_a_run_of_another_kind_is_refused(make_task, tmp_path, data):
    """Before its model's sizes are found not to fit."""
    prepared(make_task(), tmp_path)
    (data / "train.tsv").write_text("label\ttext\n1\tone\n2\ttwo\n")

    with pytest.raises(CheckpointError, match=r"is of task\.kind=single, but task\.kind=regression is asked for"):
        prepared(make_task(kind="regression"), tmp_path)


def test_measures_compare_answers_with_labels(make_task, tmp_path):
    """All rows of the split count, whatever batches they are in."""
    for max_tokens in (1, 10_000):
        task = prepared(make_task(prediction=PredictionConfig(max_tokens=max_tokens)), tmp_path)
        measures = task.measure("valid", [Constant(task)])

        assert {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3), "micro_f1": 0.5, "mcc": 0.0} == measures
        assert "2 rows; no taken for no 1x; yes taken for no 1x" == task.describe_measures("valid")["accuracy"]
        assert set(measures) == task.higher_is_better
        assert {} == task.describe_measures("test")


@pytest.mark.parametrize(
    ("kind", "labels", "names"),
    [
        ("multi", ("a,b", "b", "a"), {"accuracy", "macro_f1", "micro_f1"}),
        ("regression", "123", {"pearson", "spearman"}),
    ],
)
def test_other_kinds_have_measures_of_their_own(make_task, tmp_path, data, kind, labels, names):
    """All of which are better when higher."""
    rows = zip(labels, ("one", "two", "three"), strict=True)
    (data / "train.tsv").write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
    task = prepared(make_task(kind=kind, valid=str(data / "train.tsv"), test=None), tmp_path)
    measures = task.measure("valid", [toy(task)])

    assert names == set(measures) == task.higher_is_better
    assert all(map(math.isfinite, measures.values()))


def test_validation_can_be_left_to_the_loss(make_task, tmp_path):
    """Tests are measured all the same."""
    task = prepared(make_task(score_validation=False), tmp_path)

    assert {} == task.measure("valid", [toy(task)])
    assert task.measure("test", [toy(task)])


def test_an_answer_is_the_label_and_all_probabilities(make_task, tmp_path):
    """In the order of the labels; an empty line is a text, and a tab within a text a blank."""
    task = prepared(make_task(), tmp_path)
    model = toy(task)
    answers = [line.split("\t") for line in task.predict([model], ["one two", "", "one\ttwo"])]
    expected = model.table[torch.tensor([5, EOS, 5])].softmax(-1)  # "one" is the second of the words

    assert [["no", "yes"][row.argmax()] for row in expected] == [answer[0] for answer in answers]
    assert [[f"{each:.4f}" for each in row] for row in expected] == [answer[1:] for answer in answers]


def test_an_answer_can_be_an_object(make_task, tmp_path):
    """With the probabilities by label."""
    task = prepared(make_task(prediction=PredictionConfig(format="json")), tmp_path)
    (answer,) = map(json.loads, task.predict([toy(task)], ["one"]))

    assert ["label", "probabilities"] == list(answer)
    assert ["no", "yes"] == list(answer["probabilities"])
    assert 1 == pytest.approx(sum(answer["probabilities"].values()), abs=1e-3)


def test_few_probabilities_are_written_of_many_labels(make_task, tmp_path, data, caplog):
    """That is said, unless the user asked for it."""
    caplog.set_level(logging.INFO)
    (data / "train.tsv").write_text("label\ttext\n" + "".join(f"{n}\tone\n" for n in range(200)))
    task = prepared(make_task(valid=None, test=None), tmp_path)
    (answer,) = task.predict([toy(task)], ["one"])

    assert 1 + 2 * 10 == len(answer.split("\t"))
    assert "There are 200 labels, so each answer has the probabilities of the 10 most probable" in caplog.text

    caplog.clear()
    task = prepared(make_task(valid=None, test=None, prediction=PredictionConfig(probabilities=200)), tmp_path)
    (answer,) = task.predict([toy(task)], ["one"])

    assert 1 + 200 == len(answer.split("\t"))
    assert "most probable" not in caplog.text


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_measuring_takes_memory_by_rows_and_labels(make_task, tmp_path, data, kind):
    """200 rows of 20,000 labels would be 16 MB of scores at once, and a confusion matrix 3.2 GB."""
    num_labels = 20_000
    table = data / "many.tsv"
    table.write_text("label\ttext\n" + "".join(f"{n}\tone\n" for n in range(num_labels)))
    (data / "valid.tsv").write_text("label\ttext\n" + "7\tone\n" * 200)
    task = prepared(make_task(train=str(table), test=None, kind=kind), tmp_path)
    model = toy(task)
    with torch.no_grad():
        model.table[:, 7] = 99.0

    assert max(map(len, task._classifier([model]).batches(np.full(999, 2)))) == 2**22 // num_labels
    tracemalloc.start()
    measures = task.measure("valid", [model])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # with sets of labels, about half of the others are answers too
    assert (1.0 if kind == "single" else 0.0) == measures["accuracy"]
    assert 100_000_000 > peak


def test_missing_labels_are_refused_with_their_place(make_task, tmp_path, data):
    """Of JSON and of text, where all other labels are numbers."""
    (data / "train.jsonl").write_text('{"text": "a", "label": 1.0}\n{"text": "b", "label": NaN}\n')
    with pytest.raises(
        DataError, match=r"train\.jsonl:2: the label is empty: it is nan, which stands for a missing one"
    ):
        prepared(make_task(train=str(data / "train.jsonl")), tmp_path)

    (data / "train.tsv").write_text("label\ttext\n1\tone\n2\ttwo\nnan\tthree\n")
    with pytest.raises(DataError, match=r"train\.tsv:4: the label is 'nan', which stands for a missing one"):
        prepared(make_task(), tmp_path)


def test_several_models_are_averaged(make_task, tmp_path):
    """By their probabilities."""
    task = prepared(make_task(), tmp_path)
    models = [toy(task, seed=seed) for seed in (1, 2)]
    each = [float(line.split("\t")[1]) for model in models for line in task.predict([model], ["one"])]
    (together,) = task.predict(models, ["one"])

    assert float(together.split("\t")[1]) == pytest.approx(sum(each) / 2, abs=2e-4)


def test_a_pair_is_asked_for_with_a_tab(make_task, tmp_path, data):
    """A line without one, or with two, is refused with its number; an empty line is a pair of empty texts."""
    (data / "train.tsv").write_text("label\ttext\tother\nyes\tone\ttwo\nno\ttwo\tone\n")
    task = prepared(make_task(text_pair_column="other", valid=None, test=None, buffer_lines=1), tmp_path)
    answers = task.predict([toy(task)], ["one\ttwo", "", "one two", "one"])

    assert 2 == len([next(answers), next(answers)])
    with pytest.raises(DataError, match=r"Line 3 of the input has 0 tabs.*TEXT<tab>TEXT"):
        next(answers)
    with pytest.raises(DataError, match=r"Line 1 of the input has 2 tabs"):
        list(task.predict([toy(task)], ["one\ttwo\tthree"]))


def test_lines_that_are_too_long_are_cut_and_counted(make_task, tmp_path, caplog):
    """At the end, once, with the first one's number; they are answered as what is left of them."""
    task = prepared(make_task(max_length=4, buffer_lines=2), tmp_path)
    lines = ["one", "two two two", "two", "one two one two", "two two two two two"]
    answers = list(task.predict([toy(task)], lines))

    assert answers[:2] == [answers[3], answers[4]]
    assert "2 of 5 lines are longer than 4 tokens (the first: line 4) and were cut" in caplog.text


def test_a_stream_is_answered_while_it_goes_on(make_task, tmp_path):
    """No more lines are read than a buffer has."""
    task = prepared(make_task(buffer_lines=2), tmp_path)
    read = []
    lines = (read.append(line) or line for line in ["one", "two", "three", "one"])
    answers = task.predict([toy(task)], lines)
    next(answers)

    assert ["one", "two"] == read
    assert 3 == len(list(answers))
    assert [] == list(task.predict([toy(task)], []))


def test_a_model_whose_output_is_not_finite_is_refused(make_task, tmp_path):
    """It has no most probable label."""
    task = prepared(make_task(), tmp_path)
    model = toy(task)
    with torch.no_grad():
        model.table.fill_(math.nan)

    with pytest.raises(TrainingError, match=r"not finite.*--checkpoint"):
        list(task.predict([model], ["one"]))


def test_labels_and_their_numbers_are_logged(make_task, tmp_path, caplog):
    """A person sees at once whether the column was right."""
    with caplog.at_level(logging.INFO):
        prepared(make_task(), tmp_path)

    assert "2 labels: no (1), yes (2)" in caplog.text


def test_text_is_binarised_once(make_task, tmp_path):
    """Other labels for the same texts need no other tokens."""
    prepared(make_task(), tmp_path)
    stores = sorted(path.name for path in (tmp_path / "cache").iterdir())
    prepared(make_task(), tmp_path)

    assert 3 == len(stores)
    assert stores == sorted(path.name for path in (tmp_path / "cache").iterdir())


class Seen:
    """A metric: keeps what it is given."""

    def __init__(self, *higher: str) -> None:
        self.higher_is_better = frozenset(higher)
        self.pairs: list[tuple[str, str]] = []

    def __call__(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        self.pairs = sorted(zip(predictions, references, strict=True))
        return {"seen": float(len(predictions))}


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("single", [("yes", "one"), ("no", "two")], {"yes", "no"}),
        ("multi", [("b,a", "one"), ("", "two"), ("b", "three")], {"a,b", "", "b"}),
        ("regression", [("1.5", "one"), ("-2", "two")], {"1.5000", "-2.0000"}),
    ],
)
def test_a_metric_compares_what_predict_writes(make_task, tmp_path, data, kind, rows, expected):
    """Answers and labels are texts, in the form in which `predict` writes them; its measures stand beside the own."""
    table = data / "rows.tsv"
    table.write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    metric = Seen("seen")
    split = {name: str(table) for name in ("train", "valid", "test")}
    task = prepared(make_task(**split, kind=kind, metric=Selection("metric", "acme/seen", metric)), tmp_path)
    model = toy(task)
    measures = task.measure("test", [model])

    assert len(rows) == measures["seen"]
    assert "seen" in task.higher_is_better
    assert make_task(kind=kind).higher_is_better < set(measures) | {"seen"}
    assert expected == {reference for _, reference in metric.pairs}
    answers = [line.split("\t")[0] for line in task.predict([model], [text for _, text in rows])]
    assert sorted(answers) == [answer for answer, _ in metric.pairs]


def test_a_metric_takes_no_name_of_the_own_measures(make_task):
    """It is refused before anything is read."""
    with pytest.raises(PluginError, match="The metric 'acme/seen' calls a measure 'accuracy'"):
        make_task(metric=Selection("metric", "acme/seen", Seen("accuracy")))


def test_a_temperature_evens_out_tables(make_task, tmp_path, data):
    """Of 4 rows and 1, at T=2 the shares are 2:1 of 5; sets to measure on are taken as they are."""
    (data / "big.tsv").write_text("label\ttext\n" + "yes\tone\nno\ttwo\n" * 2, encoding="utf-8")
    both = [str(data / "big.tsv"), str(data / "test.tsv")]
    task = prepared(make_task(train=both, valid=both, train_temperature=2.0), tmp_path)

    assert pytest.approx([10 / 3 / 4, 5 / 3]) == [part.weight for part in task.dataset("train").parts]
    assert [1.0, 1.0] == [part.weight for part in task.dataset("valid").parts]
