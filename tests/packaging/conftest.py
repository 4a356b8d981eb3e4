"""The projects of the repository, their wheels, and an environment into which only wheels of ours were installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(path.parent for path in ROOT.rglob("pyproject.toml") if (path.parent / "src").is_dir())
OUR_OWN = ("seqtrain", "_seqtrain", "_editable_impl_seqtrain")  # packages, their metadata, and what makes them editable


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command and return what it writes to stdout; a failing one fails the test with all its output."""
    environ = {**os.environ, **variables}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Wheels of every project, built by pip as for `pip install ./core`."""
    if sys.version_info < (3, 11) or not PROJECTS:
        pytest.skip("wheels are built on Python 3.11 and later")
    folder = tmp_path_factory.mktemp("wheels")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder]
    run(sys.executable, "-m", "pip", "wheel", *options, *PROJECTS, cwd=folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def stranger(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """
    The scripts folder of an environment that holds our wheels, and everybody else's packages by way of links.

    torch is installed once, in the environment that runs the tests: to install it again would take minutes.
    """
    folder = tmp_path_factory.mktemp("stranger")
    links = folder / "links"
    links.mkdir()
    for library in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for each in Path(library).iterdir():
            if not each.name.startswith(OUR_OWN) and each.suffix != ".pth" and not (links / each.name).exists():
                (links / each.name).symlink_to(each)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    scripts = folder / "venv" / "bin"
    python = scripts / "python"
    library = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(library) / "links.pth").write_text(f"{links}\n")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", *wheels, cwd=folder)
    yield scripts
