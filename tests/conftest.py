"""
What all tests share: which of them may start processes, and the wheels of this tree with environments to try them in.

`nox -s runs` takes the tests that carry the mark `runs`, `nox -s unit` all others. Every test in a folder of `RUNS` has
the mark, and so have those of a contract's tests that need another process; a stray one elsewhere is marked in its file.
A test without the mark that starts a process fails.
"""

from __future__ import annotations

import fcntl
import multiprocessing.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Read by torch when it is first imported, here and in processes that tests start. The models of the tests are tiny:
# a second thread costs more than it brings, and on busy cores it makes them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts tests in the background has them ignore Ctrl-C, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
RUNS = ("contracts", "distributed", "docs", "integration", "packaging", "submitit", "testing")
LISTING = "test_listing_it_imports_nothing_heavy"  # of every contract; it asks a Python in which nothing is imported
STARTS_A_PROCESS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}  # audit events
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
OUR_OWN = ("seqtrain", "_seqtrain")  # the packages and what pip notes of them


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what may start processes."""
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    contracts_own = "spawned_worker" in getattr(item, "fixturenames", ()) or item.name == LISTING
    if folder in RUNS or contracts_own:
        item.add_marker("runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with modules that have slow tests, so that no process of pytest-xdist is left alone with one in the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def hears_hangups() -> Iterator[None]:
    """Have SIGHUP heard, and by processes that are started: it is ignored where the tests were started by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class ProcessGuard:
    """Refuses to start processes while a test runs that has no mark `runs`."""

    def __init__(self) -> None:
        self._test: str | None = None
        spawn = multiprocessing.util.spawnv_passfds  # which tells no audit hook

        def guarded_spawn(*args: Any) -> int:
            self._hear("os.posix_spawn", args)
            return spawn(*args)

        multiprocessing.util.spawnv_passfds = guarded_spawn
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._test is not None and event in STARTS_A_PROCESS:
            raise RuntimeError(f"{self._test} starts a process ({event}), so mark it with pytest.mark.runs: {args[:2]}")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch a test from the set-up of its fixtures to its end."""
        self._test = None if item.get_closest_marker("runs") else item.nodeid
        yield
        self._test = None


def pytest_configure(config: pytest.Config) -> None:
    """Put the guard in place."""
    config.pluginmanager.register(ProcessGuard())


def run_command(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it writes to stdout; if it fails, so does the test, with all that it wrote."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """
    Make a folder that all processes of pytest-xdist share: `made_once("wheels", make)` returns it.

    The first to ask calls `make` with the empty folder, and the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # each process has a folder of its own below that of the session

    def once(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = shared / f"{name}.done"
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that failed half-way
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def run() -> Callable[..., str]:
    """Run a command: `run("seqtrain", "plugins", "list", cwd=folder)`; see `run_command`."""
    return run_command


@pytest.fixture(scope="session")
def build_wheels() -> Callable[..., list[Path]]:
    """Build the wheels of project folders into a folder, as `pip install ./core` builds them, from what is here."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheels, and is not installed here")

    def build(*projects: Path, into: Path) -> list[Path]:
        command = [*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", into]
        run_command(*command, *projects, cwd=into)
        return sorted(into.glob("*.whl"))

    return build


@pytest.fixture(scope="session")
def wheels(build_wheels: Callable[..., list[Path]], made_once: Callable[..., Path]) -> dict[str, Path]:
    """The wheels of all projects by package name."""
    projects = [
        path.parent for glob in ("core", "plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")
    ]
    folder = made_once("wheels", lambda empty: build_wheels(*projects, into=empty))
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="session")
def links(made_once: Callable[..., Path]) -> Path:
    """
    A folder with links to all that is installed here but pip and our own packages, for the path of a new environment.

    So torch is on the disk once, and neither copies nor editable installs of our packages can be found from there.
    """

    def link(folder: Path) -> None:
        for each in Path(sysconfig.get_path("purelib")).iterdir():
            if not each.name.startswith((*OUR_OWN, "pip")) and each.suffix != ".pth":
                (folder / each.name).symlink_to(each)

    return made_once("links", link)


@pytest.fixture(scope="session")
def make_environment(wheels: dict[str, Path], links: Path, made_once: Callable[..., Path]) -> Callable[..., Path]:
    """
    Make an environment of all our wheels, further ones, and what they depend on; return its folder of scripts.

    One of a name is made once, whoever asks: `make_environment("acme", wheel)`.
    """

    def make(name: str, *further: Path) -> Path:
        def install(folder: Path) -> None:
            venv.create(folder, symlinks=True)
            python = folder / "bin" / "python"
            library = run_command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
            Path(library.strip(), "links.pth").write_text(f"{links}\n", encoding="utf-8")
            pip = [*PIP, "--python", python, "install", "--no-index", "--no-deps"]
            run_command(*pip, *wheels.values(), *further, cwd=folder)

        return made_once(f"environment-{name}", install) / "bin"

    return make
