"""Command lines run whole, on a corpus and a model so small that a run takes about a second."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fake_distributions import write_distribution
from seqtrain.cli.main import main
from tiny_runs import WORDS, read_metrics, words_of

ENGLISH = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "red",
    "blue",
    "green",
    "dog",
    "cat",
    "house",
    "tree",
]
GERMAN = [
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "rot",
    "blau",
    "grün",
    "Hund",
    "Katze",
    "Haus",
    "Baum",
]
SIZES = {"train": 96, "valid": 8, "test": 6}


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    code: int
    out: str
    err: str


def write_corpus(folder: Path) -> Path:
    """Write PREFIX.en and PREFIX.de for train, valid and test; a translation is word for word."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    for split, size in SIZES.items():
        lines = [[draw.randrange(len(ENGLISH)) for _ in range(draw.randint(2, 6))] for _ in range(size)]
        for language, words in (("en", ENGLISH), ("de", GERMAN)):
            text = "".join(" ".join(words[index] for index in line) + "\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def settings(corpus: Path, cache: Path, **changed: Any) -> list[str]:
    """
    Return the arguments of a tiny run.

    Args:
        corpus: what `write_corpus` wrote.
        cache: for data.cache_dir.
        changed: values by key, `__` for each dot; None leaves a setting out.
    """
    values: dict[str, Any] = {
        "task.train": corpus / "train",
        "task.valid": corpus / "valid",
        "task.test": corpus / "test",
        **WORDS,
        "data.max_sentences": 8,
        "data.cache_dir": cache,
        "trainer.max_steps": 6,
        "trainer.patience": "null",
        "trainer.validate": "{steps: 6}",
        "checkpoint.save": "{steps: 3}",
        **{key.replace("__", "."): value for key, value in changed.items()},
    }
    return ["--task", "translation", *words_of(values)]


def call(*arguments: str | Path) -> Outcome:
    """Run a command line in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([str(each) for each in arguments])
    close_logs()
    return Outcome(code, out.getvalue(), err.getvalue())


def close_logs() -> None:
    """Drop the log handlers that a command leaves behind, as its process would by ending."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == "seqtrain"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.WARNING)


class Workshop:
    """
    A corpus, and the command lines of runs on it.

    Args:
        folder: of the test's own; runs go here.
        corpus, cache: what `settings` takes.
    """

    def __init__(self, folder: Path, corpus: Path, cache: Path) -> None:
        self.folder, self.corpus, self.cache = folder, corpus, cache
        self.run = folder / "run"

    def settings(self, **changed: Any) -> list[str]:
        """Return the settings of a run, as `settings` does."""
        return settings(self.corpus, self.cache, **changed)

    def train(self, *options: str, run: Path | None = None, **changed: Any) -> Outcome:
        """Run `seqtrain train` in this process."""
        return call("train", *self.settings(**changed), "--run-dir", run or self.run, *options)

    def copy_corpus(self) -> Path:
        """Give the test a corpus of its own, to be damaged, and use it from now on."""
        self.corpus = write_corpus(self.folder / "corpus")
        return self.corpus

    def metrics(self, run: Path | None = None) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl without what depends on the clock."""
        return read_metrics(run or self.run)

    def weights(self, step: int, run: Path | None = None) -> str:
        """Return the SHA-256 of a checkpoint's model.safetensors."""
        return sha256((run or self.run) / "checkpoints" / f"step-{step:08d}" / "model.safetensors")

    def checkpoints(self, run: Path | None = None) -> list[str]:
        """Return the names in checkpoints/ that start with `step-`."""
        return sorted(each.name for each in ((run or self.run) / "checkpoints").glob("step-*"))


def sha256(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command line in a process of its own."""
    command = [sys.executable, "-m", "seqtrain", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    """Run a command line in this process: `cli("evaluate", run)`."""
    return call


@pytest.fixture(scope="session")
def cli_process() -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command line in a process of its own: `cli_process("train", ...)`."""
    return start


@pytest.fixture(scope="session")
def shared_places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus that no test changes, and a cache."""
    folder = tmp_path_factory.mktemp("shared")
    return write_corpus(folder / "corpus"), folder / "cache"


@pytest.fixture
def workshop(tmp_path: Path, shared_places: tuple[Path, Path]) -> Workshop:
    """What a test needs to run commands in a folder of its own."""
    return Workshop(tmp_path, *shared_places)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_places: tuple[Path, Path]) -> tuple[Workshop, Outcome]:
    """A finished run that no test changes, and what its command line said."""
    workshop = Workshop(tmp_path_factory.mktemp("finished"), *shared_places)
    outcome = workshop.train(trackers__tensorboard=None, trainer__validate="{steps: 3}")
    assert outcome.code == 0, outcome.err
    return workshop, outcome


@pytest.fixture
def copied(finished: tuple[Workshop, Outcome], tmp_path: Path) -> Workshop:
    """A copy of the finished run, for a test to damage or to go on with (by `train` with `**as_finished`)."""
    original, _ = finished
    workshop = Workshop(tmp_path, original.corpus, original.cache)
    shutil.copytree(original.run, workshop.run)
    return workshop


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Install a plugin into a folder as pip would, from its id and the code of its module; return the folder."""
    folder = tmp_path / "site"

    def install(plugin_id: str, code: str) -> Path:
        write_distribution(folder, plugin_id, (plugin_id, f"{plugin_id}_plugin"))
        (folder / f"{plugin_id}_plugin.py").write_text(code)
        return folder

    yield install
    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture(scope="session")
def in_namespace() -> Callable[[str, Sequence[str]], subprocess.CompletedProcess[str]]:
    """
    Run a command line after a shell script that mounts things, in a mount namespace that goes with the process.

    Skips the test where the system does not allow that.
    """
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]
    probe = 'mount -t tmpfs tmpfs "$0"'
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, probe, "/mnt"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this system lets nobody mount file systems in a namespace")

    def run(script: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = [*prefix, f'{script}\nexec "$0" -m seqtrain "$@"', sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())

    return run
