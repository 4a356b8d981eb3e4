"""
Pages followed to the letter.

A page's code blocks are carried out in their order, in a folder and an environment of the page's own:

- the lines of a `console` block that begin with `$ ` are commands, and must end well, or, in a block marked `console fails`,
  end badly. What stands below a command is what it prints; a line `...` stands for any lines, and `...` in a line for
  any text. Where nothing stands below, the output does not matter;
- a `python`, `toml` or `yaml` block is written to the file that the line above it names, as in "`src/plugin.py`:";
- a `sh` block is not carried out: it is for what only the reader can do, such as uploading.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = re.compile(r"^([^\n]*)\n+```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r".*`([^`]+)`[^`]*:")
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code, with the line above it."""

    above: str
    language: str
    code: str

    @property
    def file(self) -> str:
        """The file that it is to be written to."""
        named = NAMED.fullmatch(self.above)
        assert named, f"no file is named in the line above this block:\n{self.above}\n{self.code}"
        return named[1]

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with what it prints."""
        found = COMMAND.findall(self.code)
        assert found, f"no command in this block:\n{self.code}"
        return found


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return [Block(*each) for each in BLOCK.findall(page.read_text(encoding="utf-8"))]


class Reader:
    """
    Somebody who does what a page says.

    Args:
        folder: an empty one, to begin in.
        environ: the variables of the shell.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._state = folder / ".shell"  # what one command leaves to the next
        self._state.write_text(f"cd '{folder}'\n", encoding="utf-8")
        self._environ = dict(environ)

    def follow(self, page: Path) -> None:
        """Carry out all of a page."""
        for block in blocks(page):
            language, _, mark = block.language.partition(" ")
            if language == "console":
                for command, shown in block.commands:
                    self.type(command, shown, fails=mark == "fails")
            elif language != "sh":
                self.write(block)

    def write(self, block: Block) -> None:
        """Write a block to its file."""
        file = self.here / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")

    @property
    def here(self) -> Path:
        """The working directory."""
        return Path(re.findall(r"^cd '(.*)'$", self._state.read_text(encoding="utf-8"), re.MULTILINE)[-1])

    def type(self, command: str, shown: str = "", *, fails: bool = False) -> None:
        """Type a command, and compare what it prints."""
        keep = f"{{ export -p; echo \"cd '$PWD'\"; }} > '{self._state}'"
        script = f". '{self._state}'\n{command}\nstatus=$?\n{keep}\nexit $status"
        done = subprocess.run(
            ["bash", "-c", script],
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        told = f"$ {command}\n{done.stdout}[exit code {done.returncode}]"
        assert (done.returncode != 0) == fails, told
        assert not shown.strip() or matches(shown, done.stdout), f"{told}\n\nThe page shows:\n{shown}"


def matches(shown: str, printed: str) -> bool:
    """Compare an output with what a page shows of it."""
    lines = [line.rstrip() for line in shown.rstrip().splitlines()]
    patterns = [r"(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n" for line in lines]
    text = "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())
    return re.fullmatch("".join(patterns), text) is not None


@pytest.fixture(scope="session")
def offline(wheels: Mapping[str, Path], links: Path) -> Callable[[Path], dict[str, str]]:
    """
    Return the variables of a shell in which pip finds our wheels and all that is installed here, and no network.

    A virtual environment that is made there sees torch and the like as installed, by way of PYTHONPATH.
    """
    pytest.importorskip("editables", reason="hatchling needs it for `pip install --editable`")

    def variables(home: Path) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in ("OMP_NUM_THREADS", "LANG", "TMPDIR")}
        return {
            **kept,
            "HOME": str(home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "PYTHONPATH": str(links),
            "PYTEST_ADDOPTS": "-p no:randomly",  # a plugin of ours, which a reader need not have
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(next(iter(wheels.values())).parent),
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this backwards: 0 turns isolation off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    return variables


@pytest.fixture
def reader(offline: Callable[[Path], dict[str, str]], tmp_path: Path) -> Reader:
    """A reader in an empty folder, with nothing of ours installed."""
    return Reader(tmp_path, offline(tmp_path / "home"))


@pytest.fixture(scope="session")
def prepared(offline: Callable[[Path], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a shell in which an environment with the translation task is active."""
    folder = tmp_path_factory.mktemp("prepared")
    environ = offline(folder / "home")
    preparing = Reader(folder, environ)
    preparing.type("python -m venv .venv")
    preparing.type(".venv/bin/pip install seqtrain-translation")
    return environ | {"PATH": f"{folder}/.venv/bin:{environ['PATH']}"}


@pytest.fixture
def reader_with_seqtrain(prepared: dict[str, str], tmp_path: Path) -> Reader:
    """A reader in an empty folder, in an environment with the translation task."""
    return Reader(tmp_path, prepared)


@pytest.fixture(name="blocks")
def blocks_fixture() -> Callable[[Path], list[Block]]:
    """See `blocks`."""
    return blocks


@pytest.fixture(name="matches")
def matches_fixture() -> Callable[[str, str], bool]:
    """See `matches`."""
    return matches


@pytest.fixture
def make_reader() -> type[Reader]:
    """See `Reader`."""
    return Reader
