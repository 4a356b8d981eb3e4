"""What all tests share; above all, the wheels of this tree and environments to try them out in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

# Read by torch when it is first imported, here and in processes that tests start. The models of the tests are tiny:
# a second thread costs more than it brings, and on busy cores it makes them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts tests in the background has them ignore Ctrl-C, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
OUR_OWN = ("seqtrain", "_seqtrain")  # the packages and what pip notes of them


def run_command(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it writes to stdout; if it fails, so does the test, with all that it wrote."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


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
def wheels(build_wheels: Callable[..., list[Path]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of all projects by package name."""
    projects = [
        path.parent for glob in ("core", "plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")
    ]
    built = build_wheels(*projects, into=tmp_path_factory.mktemp("wheels"))
    return {path.name.split("-")[0]: path for path in built}


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A folder with links to all that is installed here but pip and our own packages, for the path of a new environment.

    So torch is on the disk once, and neither copies nor editable installs of our packages can be found from there.
    """
    folder = tmp_path_factory.mktemp("links")
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if not each.name.startswith((*OUR_OWN, "pip")) and each.suffix != ".pth":
            (folder / each.name).symlink_to(each)
    return folder


@pytest.fixture(scope="session")
def make_environment(
    wheels: dict[str, Path], links: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Make an environment of all our wheels, further ones, and what they depend on; return its folder of scripts."""

    def make(*further: Path) -> Path:
        folder = tmp_path_factory.mktemp("elsewhere")
        venv.create(folder / "venv", symlinks=True)
        python = folder / "venv" / "bin" / "python"
        library = run_command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
        Path(library.strip(), "links.pth").write_text(f"{links}\n", encoding="utf-8")
        install = [*PIP, "--python", python, "install", "--no-index", "--no-deps"]
        run_command(*install, *wheels.values(), *further, cwd=folder)
        return python.parent

    return make
