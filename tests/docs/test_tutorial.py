"""The tutorial and the how-to pages, followed to the letter."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "core" / "docs"
TUTORIAL = DOCS / "tutorial" / "first_plugin.md"
HOWTO = sorted((DOCS / "howto").glob("*.md"))


@pytest.mark.slow
def test_the_tutorial_works_as_it_is_written(reader: Any) -> None:
    """From an empty folder to a wheel that is installed elsewhere, with what the page shows on the way."""
    reader.follow(TUTORIAL)


@pytest.mark.slow
@pytest.mark.parametrize("page", HOWTO, ids=lambda page: page.stem)
def test_a_how_to_page_works_as_it_is_written(page: Path, reader_with_seqtrain: Any) -> None:
    """In an environment that has seqtrain and its translation task."""
    reader_with_seqtrain.follow(page)


def test_only_publishing_is_left_to_the_reader(blocks: Callable[[Path], Any]) -> None:
    """Every other block is carried out."""
    left = {page.stem: block.code for page in (TUTORIAL, *HOWTO) for block in blocks(page) if block.language == "sh"}

    assert left == {"first_plugin": "pip install twine\ntwine upload dist/*\n"}


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one\n...\n", "one\n", True),
        ("one\n...\n", "one\ntwo\nthree\n", True),
        ("...\nthree\n", "one\ntwo\nthree\n", True),
        ("...\nthree\n", "three\n", True),
        ("...\ntwo\n", "one\ntwo\nthree\n", False),
        ("one\n...\nthree\n", "one\nthree\n", True),
        ("one\n...\nthree\n", "one\ntwo\ntwo\nthree\n", True),
        ("one\n...\nthree\n", "one\ntwo\n", False),
        ("...\n", "anything\nat all\n", True),
        ("...\n", "", True),
        ("took ... s (exactly)\n", "took 3.5 s (exactly)\n", True),
        ("took ... s\n", "took 3.5 min\n", False),
    ],
)  # fmt: skip
def test_dots_stand_for_what_differs(matches: Callable[[str, str], bool], shown: str, printed: str, same: bool) -> None:
    """Alone in a line for any lines, in a line for any text."""
    assert matches(shown, printed) == same


def test_a_page_that_does_not_work_is_noticed(tmp_path: Path, make_reader: Callable[..., Any]) -> None:
    """A command that fails, one that does not fail, another output, and a block without a file."""
    page = tmp_path / "page.md"
    for text in (
        "```console\n$ false\n```\n",
        "```console fails\n$ true\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "Some code.\n\n```python\n1\n```\n",
        "```console\nno command\n```\n",
    ):
        page.write_text(f"# Title\n\n{text}")
        with pytest.raises(AssertionError):
            make_reader(tmp_path, dict(os.environ)).follow(page)


def test_one_command_goes_on_where_another_stopped(tmp_path: Path, make_reader: Callable[..., Any]) -> None:
    """In its folder, with its variables; and files are written there."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n```console\n$ mkdir 'a b' && cd 'a b'\n$ export WHO=me\n```\n\n"
        "`deep/file.py`:\n\n```python\nprint(1)\n```\n\n"
        "```console\n$ echo $WHO; \\\n  cat deep/file.py\nme\nprint(1)\n```\n"
    )
    make_reader(tmp_path, dict(os.environ)).follow(page)

    assert (tmp_path / "a b" / "deep" / "file.py").read_text() == "print(1)\n"
