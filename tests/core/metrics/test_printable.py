"""Nothing that is printed acts on a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fake_distributions import write_distribution
from seqtrain.cli import errors
from seqtrain.errors import DataError
from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.console import PrintableStream, printable, start_logging

HOSTILE = "a\x1b[31m\r\x07\x9b2J\x7f\u202eb\u2066\u2069\u2028\udcff\x00"
ACTING = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), 0x2066, 0x2069)]


@pytest.mark.parametrize("character", ACTING, ids=ascii)
def test_what_acts_on_a_terminal_is_escaped(character: str) -> None:
    """C0, DEL, C1 and the overrides of direction."""
    assert printable(f"a{character}b") == f"a{ascii(character)[1:-1]}b"


@pytest.mark.parametrize("text", ["line\n\tline", "é 中文 عربي עברית हिन्दी \u200d\u200f 🙂", ""])
def test_all_else_stays(text: str) -> None:
    """Line ends, tabs, all scripts and the marks that they need."""
    assert printable(text) == text


def test_the_log_is_printable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal and in train.log, tracebacks included."""
    hostile = HOSTILE.replace("\udcff", "")  # pytest's own report of the log could not be written
    root = logging.getLogger()
    level = root.level
    try:
        start_logging("info", "plain", AppendFile(tmp_path / "train.log"))
        try:
            int(hostile)
        except ValueError:
            logging.getLogger("seqtrain.x").exception("label %s", hostile)
    finally:
        for handler in [each for each in root.handlers if each.get_name() == "seqtrain"]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)

    for text in ((tmp_path / "train.log").read_text(encoding="utf-8"), capsys.readouterr().err):
        assert "label a\\x1b[31m\\r\\x07\\x9b2J\\x7f\\u202eb" in text
        assert "ValueError: invalid literal for int() with base 10: " in text
        assert text == printable(text)


def test_errors_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """Where they end the command."""
    errors.report(DataError(f"no label {HOSTILE}\nsecond line"), verbose=True)
    err = capsys.readouterr().err

    assert "seqtrain: error: no label a\\x1b[31m\\r\\x07" in err
    assert "\\x00\nsecond line\n" in err
    assert err == printable(err)


def test_bytes_are_written_as_they_are() -> None:
    """Predictions are data."""
    raw = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline=""))
    stream.write(HOSTILE)
    stream.writelines(["\x1b", "é\n"])
    stream.flush()
    stream.buffer.write(b"\x1b[0m")

    assert raw.getvalue() == (printable(HOSTILE) + "\\x1bé\n").encode() + b"\x1b[0m"


PLUGIN = """
from seqtrain.plugin import Component, hookimpl
@hookimpl
def seqtrain_components():
    yield Component(kind="command", name="zoo", ref="zoo_plugin:command", summary="An \\x1b[31mé\\u202e command")
    yield Component(kind="model", name="m\\x1b", ref="zoo_plugin:command")
def command(): pass
import click
@click.command()
def command(): click.echo("\\x1b[32mgreen\\x1b[0m", color=True)
"""


@pytest.mark.runs
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_whole_commands(tmp_path: Path, encoding: str) -> None:
    """Plugins with odd metadata, on terminals of any encoding; a stranger's command prints what it likes."""
    (tmp_path / "zoo_plugin.py").write_text(PLUGIN)
    (tmp_path / "odd.py").write_text("raise RuntimeError('\\x1b]0;title\\x07 é \\u202e')")
    write_distribution(tmp_path, "zoo", ("zoo", "zoo_plugin"), version="1.\u202e2")
    write_distribution(tmp_path, "odd", ("odd", "odd"))
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": encoding}
    out = {}
    for words in (["plugins", "list"], ["--help"], ["plugins", "show", "odd"], ["plugins", "list", "--json"], ["zoo"]):
        done = subprocess.run([sys.executable, "-m", "seqtrain", *words], env=environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        out[words[-1]] = (done.stdout + done.stderr).decode(encoding)

    assert out.pop("zoo") == "\x1b[32mgreen\x1b[0m\n"
    assert all(text == printable(text) for text in out.values())
    assert "1.\\u202e2" in out["list"]
    assert "\\x1b]0;title\\x07" in out["odd"]
    assert "command" in out["--help"]  # from which click has removed the colours, as this is no terminal
    assert {"zoo", "odd"} <= {each["id"] for each in json.loads(out["--json"])["plugins"]}
