"""
Files in every encoding, packing, format, separator and line end: the right texts come out, or an error of ours.

By default a sample of all combinations; with SEQTRAIN_FAULT_TRIALS=all each of them, several times.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import importlib.util
import io
import json
import lzma
import os
import random
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from seqtrain.errors import DataError
from seqtrain_text.auto_reader import Auto
from seqtrain_text.readers import Lines, as_text_reader

ALL = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"
SEEDS = range(5 if ALL else 1)
KEPT = 1 if ALL else 6  # of so many combinations one is tried
DAMAGES = 8 if ALL else 2  # of each file

MARKS = {
    "utf-8": b"",
    "utf-8-sig": b"",  # Python writes the mark itself
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "members": lambda content: gzip.compress(content[:7]) + gzip.compress(content[7:]),
}
if importlib.util.find_spec("zstandard"):
    PACKINGS["zstd"] = importlib.import_module("zstandard").compress
HAVE_SUMS = ("gzip", "bzip2", "xz")  # a file of several members may be cut between two
ENDS = ["\n", "\r\n", "\r"]
FORMATS = ["lines", "tsv", "csv ,", "csv ;", "csv \t", "csv |", "array", "indented", "jsonl", "concatenated", "escaped"]
NAMES = {
    "lines": ["x", "x.en", "x.gz"],
    "tsv": ["x", "x.tsv", "x.txt.gz"],
    "csv": ["x", "x.csv", "x.CSV.bz2", "x.tsv", "x.txt"],
    "csv \t": ["x.csv", "x.csv.gz"],
    "json": ["x", "x.json", "x.jsonl.gz", "x.csv", "x.tsv"],
}
LETTERS = [*"aB7 .,;|'\\/{}[]:=#-", '"', '""', "ß", "ü", "дом", "中文", "😀", "e\u0301", "\u2028", "\u0085", "\u00a0", "\x0b", "\ufeff", "\u200f"]  # fmt: skip
GRID = [
    (format_, encoding, packing, end)
    for format_, encoding, packing, end in product(FORMATS, MARKS, PACKINGS, ENDS)
    if not (format_ == "lines" and end == "\r")  # a line of text ends in a line feed
]


def texts_for(format_: str, draw: random.Random) -> list[str]:
    """Make up texts that a format can hold."""
    more = {"tsv": [], "lines": ["\t", "\ra"]}.get(format_, ["\t", "\n", "\r\n", "\r", "\n\n"])
    texts = [
        "".join(draw.choices([*LETTERS, *more], k=draw.choice([0, 1, 3, 12, 40]))) for _ in range(draw.randint(1, 7))
    ]
    return ["x" + texts[0], *texts[1:]]  # a file that begins with a byte order mark has it in addition


def written(format_: str, texts: list[str], end: str) -> str:
    """Write texts, each with the number of its row."""
    rows = [{"text": text, "n": str(number)} for number, text in enumerate(texts)]
    if format_ == "lines":
        return "".join(text + end for text in texts)
    if format_ == "tsv":
        return "".join("\t".join(cells) + end for cells in (["n", "text"], *([row["n"], row["text"]] for row in rows)))
    if format_.startswith("csv"):
        sink = io.StringIO()
        # Python before 3.13 puts only those line ends into quotes that it writes itself.
        needs_quotes = len(texts) % 2 or "\n" in "".join(texts) or "\r" in "".join(texts)
        quoting = csv.QUOTE_ALL if needs_quotes else csv.QUOTE_MINIMAL
        writer = csv.DictWriter(sink, ["n", "text"], delimiter=format_[-1], lineterminator=end, quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
        return sink.getvalue()
    if format_ in ("array", "indented"):
        return json.dumps(rows, indent=2 if format_ == "indented" else None, ensure_ascii=False).replace("\n", end)
    between = "" if format_ == "concatenated" else end * (1 + len(texts) % 2)
    return between.join(json.dumps(row, ensure_ascii=format_ == "escaped") for row in rows)


def read(format_: str, path: Path) -> list[str]:
    """Read the texts back; the numbers beside them are those of the rows."""
    if format_ == "lines":
        lines = list(Lines()(path))
        assert Lines().scan(path).count == len(lines)
        return lines
    rows = list(as_text_reader(Auto(), "auto", is_table=True).records(path))
    assert [row.get("n") for row in rows] == [str(number) for number in range(len(rows))]
    return [row["text"] for row in rows]


def files(folder: Path) -> Iterator[tuple[str, str, Path, list[str], random.Random]]:
    """Write the files, one after the other."""
    for seed in SEEDS:
        for index, (format_, encoding, packing, end) in enumerate(GRID):
            draw = random.Random(f"{seed} {index}")
            if draw.randrange(KEPT):
                continue
            kind = format_ if format_ in NAMES else "csv" if format_.startswith("csv") else "json"
            path = folder / draw.choice(NAMES[kind])
            texts = texts_for(format_, draw)
            content = MARKS[encoding] + written(format_, texts, end).encode(encoding)
            path.write_bytes(PACKINGS[packing](content))
            yield format_, packing, path, texts, draw
            path.unlink()


@pytest.mark.fault("F31")
def test_the_right_texts_come_out_of_every_file(tmp_path, count):
    """To the letter, and as many as there are."""
    for format_, packing, path, texts, _ in files(tmp_path):
        count()
        assert texts == read(format_, path), (format_, packing, path, path.read_bytes())


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Change a file a little: flip, cut, leave out, put in, repeat."""
    at, length = draw.randrange(len(content)), draw.randint(1, 40)
    pieces = [
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\r",
        b'"',
        b"{",
        b"]",
        b"[" * 200,
        b"9" * 5000,
        b"\\ud800",
        codecs.BOM_UTF16_LE,
    ]
    return draw.choice(
        [
            content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :],
            content[:at],
            content[:at] + content[at + length :],
            content[:at] + draw.choice(pieces) + content[at:],
            content[: at + length] + content[at:],
        ]
    )


@pytest.mark.fault("F31")
def test_a_damaged_file_gives_an_error_of_ours_or_texts(tmp_path, count, ours):
    """Where the packing has a sum, never other texts than those that were packed."""
    for format_, packing, path, texts, draw in files(tmp_path):
        whole = path.read_bytes()
        for _ in range(DAMAGES):
            path.write_bytes(damaged(whole, draw))
            count()
            with ours(path.name):
                found: list[Any] = _texts(format_, path)
                if packing in HAVE_SUMS and len(path.read_bytes()) > 2:
                    assert found == texts, (format_, packing, path)


def _texts(format_: str, path: Path) -> list[Any]:
    reader = Lines() if format_ == "lines" else as_text_reader(Auto(), "auto", is_table=True)
    return [row.get("text") for row in reader.records(path)]


@pytest.mark.fault("F31")
@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be", "utf-32-le", "koi8-r", "gb18030", "shift-jis"]
)
def test_no_other_encoding_is_taken_for_utf_8(tmp_path, encoding, count):
    """Each is refused, by name or by byte; Latin-1 is advised for texts of Western Europe alone."""
    words = {"koi8-r": "привет мир", "gb18030": "你好世界", "shift-jis": "こんにちは世界"}.get(encoding, "grüße, café")
    for format_, packing in product(FORMATS[:-1], PACKINGS):
        count()
        path = tmp_path / "x"
        content = written(format_, [f"{words} abc {words}"] * 3, "\n")
        path.write_bytes(PACKINGS[packing](content.encode(encoding)))
        with pytest.raises(DataError, match="UTF-8") as caught:
            _texts(format_, path)
        assert ("latin1" in str(caught.value)) == (encoding in ("latin-1", "cp1252"))
