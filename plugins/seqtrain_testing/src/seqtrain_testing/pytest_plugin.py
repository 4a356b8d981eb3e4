"""
Fixtures for the tests of plugins; loaded by every pytest of the environment, so it imports nothing heavy.

The contracts' asserts explain themselves as those of a test file do.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from seqtrain_testing.registry import RegistryBuilder
    from seqtrain_testing.runs import RunMaker

pytest.register_assert_rewrite("seqtrain_testing.contracts")

# fmt: off
_CORPUS = {  # word for word, so that it can be learned
    "one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf", "red": "rot", "blue": "blau",
    "dog": "Hund", "cat": "Katze", "house": "Haus", "tree": "Baum",
}
# fmt: on
_SIZES = {"train": 60, "valid": 8, "test": 6}


@pytest.fixture
def seqtrain_host() -> RegistryBuilder:
    """Registers components that only this test sees, beside all that is installed and the toy parts."""
    from seqtrain_testing.registry import RegistryBuilder  # noqa: PLC0415 - only who asks for it pays for it

    return RegistryBuilder.with_everything_installed()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A path for a run that does not exist yet."""
    return tmp_path / "run"


@pytest.fixture
def tiny_corpus(tmp_path: Path) -> Path:
    """A folder with train, valid and test in .en and .de, a sentence of one to five words a line."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    english, german = list(_CORPUS), list(_CORPUS.values())
    for offset, (split, size) in enumerate(_SIZES.items()):
        picks = [[(offset + line * (word + 3)) % len(english) for word in range(1 + line % 5)] for line in range(size)]
        for language, words in (("en", english), ("de", german)):
            text = "".join(" ".join(words[index] for index in line) + "\n" for line in picks)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make_run(seqtrain_host: RegistryBuilder, tmp_path: Path) -> RunMaker:
    """Train tiny runs on the toy task: `make_run("model.name=rnn", steps=2)`."""
    from seqtrain_testing.runs import RunMaker  # noqa: PLC0415 - imports torch

    return RunMaker(seqtrain_host.registry, tmp_path / "runs")


@pytest.fixture(scope="session")
def spawned_worker() -> Iterator[Executor]:
    """A process that was started from nothing, as the workers of a run are, and knows only what is installed."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        yield executor
