"""What labels are in tables, and what is written of a model's answers."""

from __future__ import annotations

import json
import logging
import math
from decimal import Decimal

import numpy as np
import pytest
import torch

from seqtrain.errors import CheckpointError, DataError
from seqtrain_classify.labels import in_order, load_labels, save_labels
from seqtrain_classify.multi_label import MultiLabel
from seqtrain_classify.regression import Regression
from seqtrain_classify.single_label import SingleLabel


def learned(kind, *cells):
    """Let a kind learn from the cells of a table, and return it."""
    kind.learn(map(kind.read, cells), "x.tsv")
    return kind


def several(separator=",", threshold=0.5):
    """Make the kind of several labels."""
    return MultiLabel(separator, threshold)


def test_the_order_of_labels_does_not_depend_on_that_of_rows():
    """Numbers are sorted by size, texts by their characters."""
    assert ["-1", "0", "2", "10"] == in_order({"10", "0", "-1", "2"})
    assert ["1", "10", "2", "b"] == in_order(["b", "2", "10", "1"])
    assert ("0", "1") == learned(SingleLabel(), "1", "0", "1").labels == learned(SingleLabel(), "0", "1").labels


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (" very  good ", "very good"), ("a\tb\nc", "a b c"), ("a\u00a0b", "a b"), (3, "3"), (0.5, "0.5"),
        (True, "true"), (False, "false"), (1.0, "1"), (1.5, "1.5"), (-0.0, "0"), (1e3, "1000"), (2.0**53, str(2**53)),
        (10**25 + 1, str(10**25 + 1)), ("1.0", "1.0"), ("1_000", "1_000"), (1e-7, "1e-07"), (np.int64(2), "2"),
        (np.float32(2), "2"), (np.bool_(True), "true"), (np.str_("x"), "x"), (Decimal("2.00"), "2"),
    ],
)  # fmt: skip
def test_a_label_is_a_line_of_text(cell, label):
    """JSON's numbers and truth values are labels too."""
    assert label == SingleLabel().read(cell)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the label is empty. Fill it in or remove the row"),
        ("  ", "the label is empty"),
        (None, "the label is empty"),
        (["a"], "the label is a list, .*task.kind=multi"),
        (1e16, r"the number 1e\+16, which may stand for several whole numbers"),
        ("\ud83d!", r"the label has '\\ud83d', half of a character"),
        ({"a": 1}, "the label is {'a': 1}, where a text is expected. Check task.label_column"),
    ],
)
def test_what_is_no_label_is_refused(cell, message):
    """The caller adds the place."""
    with pytest.raises(ValueError, match=message):
        SingleLabel().read(cell)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [("a, b ,a", ["a", "b"]), ("", []), (" , ", []), (["a", 2], ["a", "2"]), ([], []), (7, ["7"])],
)
def test_several_labels_stand_in_one_cell(cell, labels):
    """Each counts once; there may be none."""
    assert labels == several().read(cell)


def test_equal_numbers_are_one_label():
    """As JSON writes them, in whatever files."""
    assert ("0", "1") == learned(SingleLabel(), 1, 1.0, 0, -0.0, "1").labels
    assert ("1", "2") == learned(several(), [1, 1.0], [2], [2.0]).labels


def test_a_label_with_the_separator_in_it_is_refused():
    """It could not be told from two in what is written."""
    with pytest.raises(ValueError, match=r"'a,b' has the separator ',' in it. Set task\.label_separator"):
        several().read(["a,b"])
    assert ["a,b"] == several("|").read(["a,b"])


@pytest.mark.parametrize(
    ("cell", "number"),
    [("3.5", 3.5), (" -1e2 ", -100.0), (2, 2.0), (0.25, 0.25), ("+.5", 0.5), ("5.", 5.0), ("007", 7.0), (np.float32(0.5), 0.5),
     (Decimal("1.5"), 1.5)],
)  # fmt: skip
def test_numbers_are_read(cell, number):
    """From texts and from JSON."""
    assert number == Regression().read(cell)


@pytest.mark.parametrize("cell", [
        "good", True, [1], {}, "1,5", "1 000", "1_000", "0x10", "1e", ".", "--1", "nan", "NaN", "inf", "-Infinity",
        "\u0661\u0662", "\uff11", "\u00bd", "1e1_0", "1d3",
    ],
)  # fmt: skip
def test_a_label_that_is_no_number_is_refused(cell):
    """With the settings that may be wrong."""
    with pytest.raises(
        ValueError,
        match=r"is no number, which task\.kind=regression asks for: digits 0 to 9, .*or set task\.kind=single",
    ):
        Regression().read(cell)


@pytest.mark.parametrize("cell", ["1e39", "-1e999", 10**400, -1e39])
def test_a_number_that_is_too_large_is_refused(cell):
    """In 32 bits, as the model computes."""
    with pytest.raises(ValueError, match=r"is too large: at most 3\.403e\+38"):
        Regression().read(cell)


@pytest.mark.parametrize("cell", ["", " ", None, math.nan, math.inf, -math.inf, np.float32("nan"), Decimal("NaN")])
@pytest.mark.parametrize("read", [SingleLabel().read, lambda cell: several().read(["a", cell]), Regression().read])
def test_a_missing_label_is_refused(read, cell):
    """NaN is how data frames are written, and 1e999 in JSON is an infinity."""
    with pytest.raises(ValueError, match=r"the (label is empty|number is missing).*Fill it in or remove the row"):
        read(cell)


@pytest.mark.parametrize("cell", [None, math.nan, math.inf])
def test_missing_sets_of_labels_are_refused(cell):
    """A text without any label has an empty list, or an empty cell."""
    with pytest.raises(ValueError, match=r"the labels are missing.*a text that has no label has an empty list"):
        several().read(cell)


@pytest.mark.parametrize(
    ("kind", "cells", "message"),
    [
        (SingleLabel(), ["1", "1"], r"x\.tsv: every row has the label '1'.*task\.label_column"),
        (several(), ["a", "", "a"], r"x\.tsv: 'a' is the only label, and task\.kind=multi .* or set task\.kind=single"),
        (several(), ["", ""], r"x\.tsv: no row has a label"),
        (Regression(), ["2", "2.0"], r"x\.tsv: every row has the number 2, so there is nothing to tell apart"),
    ],
)
def test_one_class_alone_is_nothing_to_learn(kind, cells, message):
    """The files and the settings are named."""
    with pytest.raises(DataError, match=message):
        learned(kind, *cells)


def test_a_label_that_no_training_row_has_is_refused():
    """With those that there are, and a guess."""
    kind = learned(SingleLabel(), "positive", "negative")

    with pytest.raises(
        ValueError, match=r"has the label 'Positive', only 'negative', 'positive'\. Did you mean 'positive'"
    ):
        kind.encode("Positive")
    with pytest.raises(ValueError, match=r"'8', '9' and 2 more\. Mend or remove the row"):
        learned(SingleLabel(), *range(12)).encode("x")
    with pytest.raises(ValueError, match="no training row has the label 'c'"):
        learned(several(), "a,b").encode("a,c")


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "NA", "null", "Infinity"])
def test_a_text_for_a_missing_value_among_numbers_is_no_label(text):
    """The row is refused where its place is known; among words it may be a word, so it is a label with a warning."""
    for kind in (learned(SingleLabel(), "0", text, "1", text), learned(several(), "0", text, "1.5")):
        assert 2 == kind.num_classes
        with pytest.raises(ValueError, match=rf"the label is '{text}', which stands for a missing one beside '0', '1"):
            kind.encode(text)
    with pytest.raises(DataError, match=r"every row has the label '1' \(2 have none\)"):
        learned(SingleLabel(), "1", text, text)


def test_a_text_for_a_missing_value_among_words_is_a_label_with_a_warning(caplog):
    """`nan` is the code of a language; `inform` and others that begin so are words like any other."""
    kind = learned(SingleLabel(), "eng", "nan", "nan", "inform")

    assert ("eng", "inform", "nan") == kind.labels
    assert (
        "x.tsv: taken for labels like any other, though programs write missing ones so: 'nan' (2 rows)" in caplog.text
    )


def test_labels_that_look_alike_are_warned_of_once(caplog):
    """With what they differ in; they stay apart."""
    kind = learned(SingleLabel(), "caf\u00e9", "cafe\u0301", "cafe\u0301", "tea", "Tea")
    kind.encode("tea")

    assert 4 == kind.num_classes
    assert 1 == caplog.text.count("look alike")
    assert (
        "'caf\u00e9' (1 rows), which differ in U+0065 LATIN SMALL LETTER E, U+0301 COMBINING ACUTE ACCENT against "
        "U+00E9 LATIN SMALL LETTER E WITH ACUTE" in caplog.text
    )
    assert "'Tea' (1 rows) and 'tea' (1 rows), which differ in U+0054 LATIN CAPITAL LETTER T against" in caplog.text


def test_a_label_that_looks_like_a_known_one_is_refused_with_the_difference():
    """In a validation table, say."""
    with pytest.raises(
        ValueError, match=r"Did you mean 'good'\? They differ in U\+200B ZERO WIDTH SPACE against nothing"
    ):
        learned(SingleLabel(), "good", "bad").encode("go\u200bod")


def test_many_labels_look_like_the_wrong_column(caplog):
    """It is only said: there may be so many."""
    with caplog.at_level(logging.WARNING):
        learned(SingleLabel(), *range(60), *range(60))
        assert "" == caplog.text
        learned(SingleLabel(), *range(60), *range(50))

    assert "x.tsv: there are 60 labels for 110 rows" in caplog.text
    assert "task.kind=regression" in caplog.text


def test_labels_and_their_frequencies_are_logged(caplog):
    """In the order of their numbers, so that weights can be given for them."""
    with caplog.at_level(logging.INFO):
        learned(SingleLabel(), "b", "a", "b")
        learned(several(), "b,a", "", "b")
        learned(Regression(), "1", "4")
        learned(SingleLabel(), *range(60))

    assert "2 labels: a (1), b (2)" in caplog.text
    assert "60 labels: 0 (1), " in caplog.text
    assert ", 49 (1) and 10 more" in caplog.text
    assert "2 labels in 3 rows: a (1), b (2)" in caplog.text
    assert "2 numbers, 1 to 4, mean 2.5" in caplog.text


def test_targets_are_taken_by_row():
    """In the type that criteria expect."""
    rows = np.array([2, 0])
    single, multi, number = learned(SingleLabel(), "a", "b"), learned(several(), "a,b,c"), Regression()
    targets = []
    for kind, cells in ((single, ["a", "b", "b"]), (multi, ["a,c", "b", ""]), (number, ["1", "2", "-0.5"])):
        targets.append(kind.new_targets())
        for cell in cells:
            targets[-1].append(kind.encode(cell))

    assert [3, 3, 3] == list(map(len, targets))
    assert [1, 0] == targets[0].take(rows).tolist()
    assert [[0, 0, 0], [1, 0, 1]] == targets[1].take(rows).tolist()
    assert [-0.5, 1] == targets[2].take(rows).tolist()
    assert [torch.int64, torch.float32, torch.float32] == [each.take(rows).dtype for each in targets]
    assert 3 == len({each.fingerprint for each in targets})


def test_rows_without_any_label_are_targets_too():
    """A test set may have none at all."""
    kind = learned(several(), "a,b")
    targets = kind.new_targets()
    targets.append([])

    assert [[0, 0]] == targets.take(np.array([0])).tolist()


def test_a_single_label_is_written_with_all_probabilities():
    """In the order of the labels."""
    kind = learned(SingleLabel(), "no", "yes")
    scores = kind.scores(torch.tensor([[0.0, float(np.log(3))]])).numpy()

    assert 2 == kind.num_classes
    assert [1] == kind.decide(scores).tolist()
    assert ["yes", "0.2500", "0.7500"] == kind.cells(scores[0])
    assert {"label": "yes", "probabilities": {"no": 0.25, "yes": 0.75}} == kind.fields(scores[0])


def test_several_labels_are_those_above_the_threshold():
    """Each probability is its own."""
    kind = learned(several("|", 0.75), "a|b|c")
    scores = kind.scores(torch.tensor([[float(np.log(3)), 0.0, 9.0], [0.0, 0.0, 0.0]])).numpy()

    assert [[True, False, True], [False, False, False]] == kind.decide(scores).tolist()
    assert ["a|c", "0.7500", "0.5000", "0.9999"] == kind.cells(scores[0])
    assert ["", "0.5000", "0.5000", "0.5000"] == kind.cells(scores[1])
    assert {"labels": [], "probabilities": {"a": 0.5, "b": 0.5, "c": 0.5}} == kind.fields(scores[1])


def test_of_many_labels_the_most_probable_are_written():
    """Among equals, the first ones; as many as there are labels, or more, are all of them in their order."""
    scores = np.full(101, 0.001, np.float32)  # written in 4 significant digits
    scores[[7, 100, 3]] = 0.5, 0.25, 0.25
    single, labels = learned(SingleLabel(), *range(101)), ("7", "3", "100", "0", "1", "2", "4", "5", "6", "8")

    assert ["7", "7", "0.5", "3", "0.25", "100", "0.25", "0", "0.001"] == single.cells(scores)[:9]
    assert {"label": "7", "probabilities": dict.fromkeys(labels, 0.001) | {"7": 0.5, "3": 0.25, "100": 0.25}} == (
        single.fields(scores)
    )
    assert list(labels) == list(single.fields(scores)["probabilities"])
    assert 1 + 2 * 10 == len(single.cells(scores))
    assert 1 + 100 == len(learned(SingleLabel(), *range(100)).cells(scores[:100]))

    for limit, cells in ((1, ["7", "0.5"]), (101, [f"{each:.4f}" for each in scores])):
        assert ["7", *cells] == learned(SingleLabel(limit), *range(101)).cells(scores)
    several_labels = learned(MultiLabel("|", 0.25, 2), [str(number) for number in range(101)])
    assert ["3|7|100", "7", "0.5", "3", "0.25"] == several_labels.cells(scores)
    assert {"labels": ["3", "7", "100"], "probabilities": {"7": 0.5, "3": 0.25}} == several_labels.fields(scores)


def test_a_number_is_written_as_it_is():
    """There is no probability."""
    scores = Regression().scores(torch.tensor([[-1.25]])).numpy()

    assert (["-1.2500"], {"number": -1.25}, [-1.25]) == (
        Regression().cells(scores[0]), Regression().fields(scores[0]), Regression().decide(scores).tolist(),
    )  # fmt: skip


def test_labels_are_kept_in_their_order(tmp_path):
    """As JSON that a person can read."""
    save_labels("single", ["größer", "a"], tmp_path)

    assert ["größer", "a"] == load_labels("single", tmp_path)
    assert {"kind": "single", "labels": ["größer", "a"]} == json.loads((tmp_path / "labels.json").read_text("utf-8"))
    with pytest.raises(CheckpointError, match=r"labels\.json is of task\.kind=single, but task\.kind=multi"):
        load_labels("multi", tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "single"}', '{"kind": "single", "labels": 3}'])
def test_damaged_labels_are_refused(tmp_path, content):
    """The error names the file."""
    (tmp_path / "labels.json").write_text(content)

    with pytest.raises(CheckpointError, match=r"labels\.json are damaged.*Restore the file"):
        load_labels("single", tmp_path)


def test_missing_labels_are_refused(tmp_path):
    """The error says what to copy."""
    with pytest.raises(CheckpointError, match=r"Cannot read the labels .*Copy the whole run folder"):
        load_labels("single", tmp_path)
