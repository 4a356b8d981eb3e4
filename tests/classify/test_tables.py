"""Tables: three formats, and what can be wrong with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from seqtrain.errors import DataError
from seqtrain_classify.tables import Table

WANTED = {"text_column": "text", "label_column": "label"}


@pytest.fixture
def write(tmp_path: Path):
    """Write a file and return its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(path: Path, **settings):
    """Return all rows."""
    return list(Table(path, **settings).rows(WANTED))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tsv", "id\tlabel\ttext\n7\tyes\ta fine film\n8\tno\ta dull one\n"),
        ("x.csv", "id,label,text\n7,yes,a fine film\n8,no,a dull one\n"),
        ("x.CSV", "\ufefflabel,text\r\nyes,a fine film\r\nno,a dull one"),
        ("x.jsonl", '{"label": "yes", "text": "a fine film"}\n{"text": "a dull one", "label": "no", "more": [1]}\n'),
    ],
)
def test_columns_are_found_by_name(write, name, content):
    """Whatever their order, and whatever else there is; line ends and a byte-order mark are no part of a cell."""
    first = 1 if name.endswith("jsonl") else 2

    assert [(first, ["a fine film", "yes"]), (first + 1, ["a dull one", "no"])] == rows(write(name, content))


def test_a_packed_table_is_read_as_what_its_name_says_before_gz(write):
    """So is one whose format is given."""
    packed = gzip.compress(b"label,text\n1,a\n")

    assert [(2, ["a", "1"])] == rows(write("x.csv.gz", packed)) == rows(write("x.gz", packed), format="csv")


def test_a_file_without_header_has_the_columns_that_are_given(write):
    """As the sentiment treebank is often handed round."""
    assert [(1, ["a\u2028b", "1"]), (2, ["c", "0"])] == rows(
        write("x.tsv", "1\ta\u2028b\n0\tc\n"), columns=("label", "text")
    )


def test_quotes_are_text_in_tsv_and_quotes_in_csv(write):
    """A cell of CSV may hold commas, quotes and line ends; a row's place is where it begins."""
    assert [(2, ['"a, b" c', "1"])] == rows(write("x.tsv", 'label\ttext\n1\t"a, b" c\n'))
    assert [(2, ['a, "b"\nc', "1"]), (4, ["d", "0"])] == rows(write("x.csv", 'label,text\n1,"a, ""b""\nc"\n0,d\n'))


def test_lines_with_nothing_in_them_are_no_rows(write):
    """Places still count them."""
    assert [(3, ["a", "1"]), (5, ["b", "0"])] == rows(write("x.tsv", "label\ttext\n\n1\ta\n\n0\tb\n\n"))
    assert [(3, ["a", "1"]), (5, ["b", "0"])] == rows(write("x.csv", "label,text\n\n1,a\n\n0,b\n\n"))
    assert [(2, ["a", 1])] == rows(write("x.jsonl", '\n{"label": 1, "text": "a"}\n \n'))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.tsv",
            "sentence\tlabel\na\t1\n",
            r"x\.tsv has no column 'text'; its first line names 'sentence', 'label'\. ",
        ),
        ("x.tsv", "Text\tlabel\na\t1\n", r"Did you mean 'Text'\? Set task\.text_column=NAME, or, if .*task\.columns="),
        ("x.csv", "text,labels\na,1\n", r"no column 'label'.*Did you mean 'labels'\? Set task\.label_column=NAME"),
        ("x.csv", "text,label,text\na,1,b\n", r"2 columns are called 'text'\. Rename"),
        ("x.tsv", f"1\t{'a long film ' * 9}\n", r"names '1', 'a long film a long film a long film a\.\.\.'\."),
        ("x.tsv", "".join(f"c{n}\t" for n in range(12)) + "\n", r"'c7' and 5 more"),
        (
            "x.jsonl",
            '{"txt": "a", "label": 1}\n',
            r"x\.jsonl:1: the object has no 'text', only 'txt', 'label'\. Did you",
        ),
    ],
)
def test_a_column_that_is_missing_or_renamed_is_named(write, name, content, message):
    """With the columns there are, a guess, and the setting."""
    with pytest.raises(DataError, match=message):
        rows(write(name, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.tsv",
            "label\ttext\n1\ta\n0\tb\tc\n",
            r"x\.tsv:3: the row has 3 columns, but the file has 2: 'label', 'text'",
        ),
        ("x.tsv", "label\ttext\n1 a\n", r"x\.tsv:2: the row has 1 column, .*Take out tabs within texts"),
        ("x.csv", "label,text\n1,a, b\n", r"x\.csv:2: the row has 3 columns.*Put cells that hold commas into quotes"),
    ],
)
def test_a_row_with_more_or_fewer_columns_is_named(write, name, content, message):
    """With its line, and what is often the cause."""
    with pytest.raises(DataError, match=message):
        rows(write(name, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", 'label,text\n1,a\n1,"b\n0,c\n', r"x\.csv:3: the row that begins here is not CSV .*not closed"),
        ("x.csv", 'label,text\n1,"a" b\n', r"x\.csv:2: .*not CSV"),
        ("x.jsonl", '{"label": 1, "text": "a"}\n{"label": 1,\n', r"x\.jsonl:2: the line is not JSON \(.*\)\. Mend or"),
        ("x.jsonl", "[1, 2]\n", r"x\.jsonl:1: the line holds '\[1, 2\]', where an object is expected"),
        ("x.tsv", b"label\ttext\n1\ta\n1\tcaf\xe9\n", r"x\.tsv:3: byte 0xe9 .* is not UTF-8 .*iconv"),
        ("x.csv", b"label,text\n1,caf\xe9\n", r"x\.csv:2: byte 0xe9 .* is not UTF-8"),
        ("x.jsonl", b'{"text": "caf\xe9"}\n', r"x\.jsonl:1: byte 0xe9 .* is not UTF-8"),
        ("x.tsv", "", r"x\.tsv is empty"),
        ("x.csv", "label,text\n", r"x\.csv has no rows"),
        ("x.jsonl", "\n\n", r"x\.jsonl has no rows"),
        ("x.txt", "label\ttext\n1\ta\n", r"x\.txt: the name does not tell .*Set task\.format=tsv, csv or jsonl"),
        ("x.tsv.gz", b"label\ttext\n", r"x\.tsv\.gz is not a whole gzip file"),
    ],
)
def test_what_is_no_table_of_the_format_is_refused(write, name, content, message):
    """With its place, as far as there is one."""
    with pytest.raises(DataError, match=message):
        rows(write(name, content))


def test_a_header_where_none_is_expected_is_no_row(write):
    """Else its words would be a text with a label of its own."""
    with pytest.raises(DataError, match=r"x\.tsv:1: the first line names the columns.*Leave out task\.columns"):
        rows(write("x.tsv", "label\ttext\n1\ta\n"), columns=("label", "text"))


def test_an_empty_file_without_header_has_no_rows(write):
    """It is said in the same way as of others."""
    with pytest.raises(DataError, match=r"x\.tsv has no rows"):
        rows(write("x.tsv", ""), columns=("label", "text"))


def test_rows_come_one_by_one(write):
    """A mistake far down is not met before what is above it was read."""
    path = write("x.jsonl", json.dumps({"text": "a", "label": 1}) + "\nno JSON\n")
    table = Table(path).rows(WANTED)

    assert (1, ["a", 1]) == next(table)
    with pytest.raises(DataError):
        next(table)
