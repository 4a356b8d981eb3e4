"""Readers of tables: rows of cells, and objects of JSON; what they are told apart by, and what can be wrong."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import sys
from pathlib import Path

import pytest

from seqtrain.errors import ConfigError, DataError
from seqtrain_text import delimited, files, json_reader
from seqtrain_text.auto_reader import Auto
from seqtrain_text.delimited import Delimited, tsv
from seqtrain_text.json_reader import JSONObjects
from seqtrain_text.readers import as_text_reader
from seqtrain_text.records import Field
from seqtrain_text.table_options import TableOptions

FIELDS = (Field(("text",)), Field(("label",), "label_column"))


@pytest.fixture
def write(tmp_path: Path):
    """Write a file and return its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def records(path: Path, reader=None, **options):
    """Yield the rows of a table, as a task is given them."""
    return as_text_reader(reader or Auto(), "auto", options=TableOptions(**options), is_table=True).records(path)


def rows(path: Path, reader=None, **options):
    """Return the line of each row, with its text and its label."""
    return [
        (row.line, [field.value(row, path, number) for field in FIELDS])
        for number, row in enumerate(records(path, reader, **options), start=1)
    ]


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
    """So is one whose reader is given."""
    packed = gzip.compress(b"label,text\n1,a\n")

    assert [(2, ["a", "1"])] == rows(write("x.csv.gz", packed)) == rows(write("x.gz", packed), Delimited())


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
        (
            "x.tsv",
            f"1\t{'a long film ' * 9}\n",
            r"no rows; .* names '1', 'a long film a long film a long film a\.\.\.'\.",
        ),
        ("x.tsv", "".join(f"c{n}\t" for n in range(12)) + "\n", r"no rows; its first line names .*'c7' and 5 more"),
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
        ("x.csv", "label,text\n1,a\rb\n", r"x\.csv:2: .*not CSV \(a line end in a cell without quotes\)"),
        ("x.jsonl", '{"label": 1, "text": "a"}\n{"label": 1,\n', r"x\.jsonl:2: the line is not JSON \(.*\)\. Mend or"),
        ("x.jsonl", "[1, 2]\n", r"x\.jsonl:1: the line holds '1', where an object is expected"),
        ("x.tsv", b"label\ttext\n1\ta\n1\tcaf\xe9\n", r"x\.tsv:3: byte 0xe9 .* is not UTF-8 .*iconv"),
        ("x.csv", b"label,text\n1,caf\xe9\n", r"x\.csv:2: byte 0xe9 .* is not UTF-8"),
        ("x.jsonl", b'{"text": "caf\xe9"}\n', r"x\.jsonl:1: byte 0xe9 .* is not UTF-8"),
        ("x.tsv", "", r"x\.tsv is empty"),
        ("x.csv", "label,text\n", r"x\.csv has no rows"),
        ("x.jsonl", "\n\n", r"x\.jsonl has no rows"),
        ("x.tsv.gz", gzip.compress(b"label\ttext\n", mtime=0)[:-9], r"x\.tsv\.gz is not a whole gzip file"),
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
    table = records(path)

    assert {"text": "a", "label": 1} == next(table)
    with pytest.raises(DataError):
        next(table)


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x", "x.tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_first_lines_tell_what_is_between_cells(write, name, separator, end):
    """Whatever the file is called; other separators may stand in texts."""
    others = "".join(each for each in ",;|" if each != separator)
    lines = ["id", "label", "text"], ["1", "yes", f"a{others}"], ["2", "no", others]

    table = write(name, "".join(separator.join(line) + end for line in lines))

    assert [(2, [f"a{others}", "yes"]), (3, [others, "no"])] == rows(table)


def test_a_header_that_has_two_separators_goes_by_the_rows(write):
    """In which every row has as many cells."""
    table = write("x.csv", "label;text, a sentence;text\n1;a, b, c;d\n0;e;f\n")

    assert [(2, ["d", "1"]), (3, ["f", "0"])] == rows(table)


def test_a_separator_can_be_set(write):
    """Be it one that nobody would guess; Excel's own way of saying it is known."""
    assert [(2, ["a", "1"])] == rows(write("x.csv", "label~text\n1~a\n"), separator="~")
    assert [(2, ["a", "1"])] == rows(write("x.tsv", "label;text\n1;a\n"), tsv(), separator=";")
    assert [(3, ["a,b", "1"])] == rows(write("x.csv", "sep=;\nlabel;text\n1;a,b\n"))


def test_a_table_without_header_has_its_separator_by_the_number_of_columns(write):
    """Where several are possible."""
    table = write("x.csv", "1;a, b, c\n0;d, e, f\n")

    assert [(1, ["a, b, c", "1"]), (2, ["d, e, f", "0"])] == rows(table, columns=("label", "text"))
    decimals = write("x.csv", "a;0,5\nb;1,5\n")
    assert [(1, ["a", "0,5"]), (2, ["b", "1,5"])] == rows(decimals, columns=("text", "label"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_go_over_lines_and_may_be_long(write, end):
    """What is within quotes is kept to the letter; Python's csv alone stops at 131,072 characters."""
    text = f'a "b"{end}{end}c, d{end}' + "e" * 300_000
    quoted = text.replace('"', '""')

    table = write("x.csv", f'label,text{end}1,"{quoted}"{end}0,f{end}')

    assert [(2, [text, "1"]), (2 + 4, ["f", "0"])] == rows(table)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("content", ["label,text\n1,ä\n", "label\ttext\n1\tä\n", '[{"label": "1", "text": "ä"}]'])
def test_tables_come_in_every_unicode_encoding(write, encoding, content):
    """As spreadsheets write them."""
    assert ["ä", "1"] == rows(write("x.csv", content.encode(encoding)))[0][1]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.txt", "x.json.gz"])
@pytest.mark.parametrize(
    "content",
    [
        '[{"label": 1, "text": "a"}, {"label": null, "text": "b"}]',
        '[\n  {\n    "label": 1,\n    "text": "a"\n  },\n  {"label": null, "text": "b"}\n]\n',
        '{"label": 1, "text": "a"}\n\n{"label": null, "text": "b"}',
        '{"label": 1, "text": "a"}{"label": null, "text": "b"}\r\n',
        '{"label": 1,\r "text": "a"}\r{"label": null, "text": "b"}\r',
        '[{"label": 1, "text": "a"}]\n[]\n[{"label": null, "text": "b"}]',
    ],
)
def test_objects_of_json_stand_in_arrays_or_one_after_the_other(write, name, content):
    """However they are laid out, and whatever the file is called; values stay what JSON says they are."""
    packed = gzip.compress(content.encode()) if name.endswith(".gz") else content

    assert [["a", 1], ["b", None]] == [cells for _, cells in rows(write(name, packed))]


def test_an_object_s_place_is_the_line_that_it_begins_on(write):
    """In an array, too."""
    content = '[\n{"text": "a",\n "label": 1},\n\n{"text": "b", "label": 2}, {"text": "c", "label": 3}]'

    assert [2, 5, 5] == [line for line, _ in rows(write("x.json", content))]


def test_objects_are_read_across_blocks(write):
    """A file need not fit in memory; an object may be larger than what is read at a time."""
    texts = ["ä" * length for length in (1, 700_000, 3, 2_500_000, 0, 1_048_576)]
    objects = [{"text": text, "label": 12345} for text in texts]
    array, lines = json.dumps(objects, ensure_ascii=False), "".join(json.dumps(each) + "\n" for each in objects)

    for name, content in (("x.json", array), ("x.jsonl", lines)):
        assert [[text, 12345] for text in texts] == [cells for _, cells in rows(write(name, content))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a", "label": 1}, {"text": "b"', r"x\.json:1: the line is not JSON \(.*end of the file"),
        ('[{"text": "a", "label": 1},\n]', r"x\.json:2: the line is not JSON \(.*, at '.?\\?n?]'\)"),
        ('[{"text": "a", "label": 1}\n', r"x\.json:2: .*ends within an array"),
        ('[{"text": "a", "label": 1} {"text": "b"}]', "no comma and no end of the array"),
        ('[{"text": "a", "label": 1}, 3]', r"x\.json:1: the line holds '3', where an object is expected"),
        ('[[{"text": "a"}]]', "an array within an array"),
        ('{"text": "a", "label": 1}\n{"text": "b\n{"text": "c"}', r"x\.json:2: .*Invalid control character"),
        ('{"text": "a", "label": 1},\n{"text": "b"}', r"x\.json:1: .*Expecting value, at '"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", r"x\.json:1: the line is not JSON \(Exceeds"),
        ("[" + '{"a":' * 100_000, r"x\.json:1: the line is not JSON"),
        ('["a"]', r"x\.json:1: the object has no 'label', only 'text'"),
        ("[]", "x.json has no rows"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(write, content, message):
    """Also where the file was cut."""
    with pytest.raises(DataError, match=message):
        rows(write("x.json", content))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.csv", 'label,text\n1,"'),
        ("x.json", '{"text": "'),
        ("x.tsv", "label\ttext\n1\t"),
        ("x.csv", "label,text\n1,"),
    ],
)
def test_a_cell_without_end_is_refused_in_bounded_memory(write, name, start, monkeypatch):
    """As an unclosed quote makes one."""
    for module in (files, delimited, json_reader):
        monkeypatch.setattr(module, "MAX_LINE", 1 << 20)
    limit = csv.field_size_limit()
    csv.field_size_limit(1000)

    try:
        with pytest.raises(DataError, match=rf"{name}:[12]: "):
            rows(write(name, start + "a" * (8 << 20)))
    finally:
        csv.field_size_limit(limit)


def test_an_unnamed_file_of_lines_is_no_table_where_none_is_asked_for(write):
    """A language model's text may look like anything."""
    for content in ("a,b\n1,2\n", '{"text": 1}\n', "a\tb\n"):
        assert content.splitlines() == list(Auto()(write("x.txt", content)))
    assert [{"a": "1", "b": "2"}] == list(Auto()(write("x.csv", "a,b\n1,2\n")))
    assert [{"text": 1}] == list(Auto()(write("x.jsonl", '{"text": 1}\n')))


def test_what_a_file_is_read_as_is_said_once(write, caplog):
    """Of all formats."""
    path = write("odd", "text;label\na;1\n")
    with caplog.at_level(logging.INFO):
        rows(path)
        rows(path)

    assert [f"{path} is read as CSV with ';' between cells"] == caplog.messages


def test_options_are_refused_by_a_reader_that_knows_no_cells(write):
    """Rather than left aside."""
    with pytest.raises(ConfigError, match=r"task\.separator is for CSV and TSV, and the reader 'jsonl'"):
        as_text_reader(JSONObjects(), "jsonl", options=TableOptions(separator=";"))


@pytest.fixture(params=["parquet", "arrow file", "arrow stream"])
def arrow_table(request, tmp_path):
    """A table of Arrow in each of its forms, in a file whose name tells nothing."""
    arrow = pytest.importorskip("pyarrow")
    data = {"text": ["a", "ß\n", None], "label": [1, 0, 2], "translation": [{"de": "x", "en": "y"}] * 3}
    table, path = arrow.table(data), tmp_path / "table"
    if request.param == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
    else:
        new = arrow.ipc.new_file if request.param == "arrow file" else arrow.ipc.new_stream
        with new(str(path), table.schema) as sink:
            sink.write_table(table)
    return path


def test_rows_of_arrow_are_records(arrow_table):
    """Their place is the number of the row; what is within an object is found by a dot."""
    for is_table in (True, False):
        found = list(as_text_reader(Auto(), "auto", is_table=is_table).records(arrow_table))
        assert [("a", 1), ("ß\n", 0), (None, 2)] == [(row["text"], row["label"]) for row in found]
    texts = as_text_reader(Auto(), "auto", Field(("de", "translation.de")))
    assert ["x"] * 3 == list(texts(arrow_table))
    assert f"{arrow_table}, row 2" == texts.place(arrow_table, 2)
    with pytest.raises(DataError, match="table, row 3: the text is None"):
        list(as_text_reader(Auto(), "auto")(arrow_table))
    with pytest.raises(DataError, match=r"table has no column 'txt'; it has 'text', .*Did you mean 'text'"):
        list(as_text_reader(Auto(), "auto", Field(("txt",)))(arrow_table))


@pytest.mark.parametrize("damage", [0.3, 0.9])
def test_a_damaged_table_of_arrow_is_refused(arrow_table, damage):
    """Cut where it may be."""
    content = arrow_table.read_bytes()
    arrow_table.write_bytes(content[: int(len(content) * damage)])

    with pytest.raises(DataError, match="table"):
        list(Auto()(arrow_table))


@pytest.mark.parametrize("content", [b"PAR1\x15\x04 and more", b"ARROW1\0\0 and more", b"\xff\xff\xff\xff and more"])
def test_without_its_package_arrow_is_an_error_that_names_it(write, content, monkeypatch):
    """As of a format that seqtrain itself need not know."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DataError, match=r"needs the package pyarrow\. Install it: `pip install pyarrow`"):
        list(Auto()(write("x", content)))
