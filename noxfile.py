"""The menu of checks: `nox` runs them all, `nox -l` lists them, `nox -s tests -- -k beam` runs a part."""

from __future__ import annotations

import os
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECTS = [
    "core",
    *sorted(f"plugins/{path.name}" for path in (ROOT / "plugins").iterdir() if (path / "pyproject.toml").exists()),
    *sorted(path.name for path in ROOT.glob("seqtrain_*") if (path / "pyproject.toml").exists()),
]
TORCH = "torch==2.13.0"  # what results are measured with
LIGHT_TESTS = ["core/config/test_*.py", "core/test_cli_*.py", "core/test_host_*.py", "core/test_public_surface.py"]

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

# pyenv's `python3.10` runs only where 3.10 is the version chosen; the interpreters themselves lie here.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/3.1?.*/bin")))])


def install_projects(session: nox.Session, *options: str) -> None:
    """Install every project as a copy, as a user would have it; their build tool is in the environment already."""
    session.install("--no-build-isolation", *options, *(f"./{project}" for project in PROJECTS))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style: ruff's rules and its format."""
    session.install("ruff==0.17.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Check imports and types, then run every test and report how much of core they reach."""
    session.install(TORCH, "hatchling", "editables", "mypy==2.4.1", "types-PyYAML", "import-linter")
    session.install("pytest", "pytest-randomly", "pytest-xdist", "hypothesis", "coverage>=7.10")
    install_projects(session)
    if session.posargs:
        session.run("python", "-m", "pytest", *session.posargs)
        return
    session.run("lint-imports", "--no-cache")
    session.run("mypy", *(f"{project}/src" for project in PROJECTS))
    session.run("coverage", "erase")
    # A module's or a class's tests stay together, as they share what is costly to make.
    session.run("coverage", "run", "-m", "pytest", "--numprocesses=auto", "--dist=loadscope", "--durations=15")
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", "--skip-covered")


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Do to runs what goes wrong in the world, and print a table of what came of it; a part of `tests`."""
    session.install(TORCH, "hatchling", "editables", "pytest", "pytest-xdist", "hypothesis")
    install_projects(session)
    session.run(
        "python", "-m", "pytest", "-m", "fault", "-p", "fault_table", "--numprocesses=auto", "--dist=loadscope",
        env={"PYTHONPATH": str(ROOT / "tests"), "SEQTRAIN_FAULT_TRIALS": "all"},  # else sweeps try a part
    )  # fmt: skip


@nox.session(python=["3.10", "3.12", "3.13"])
def light(session: nox.Session) -> None:
    """Test what works without torch, that is CLI, host and configuration, on the other Pythons."""
    session.install("hatchling", "pytest", "hypothesis", "packaging", "pluggy<2", "click<9", "omegaconf<2.5", "pyyaml")
    install_projects(session, "--no-deps")
    session.run("seqtrain", "plugins", "list")
    session.run("seqtrain", "config", "check", "--task", "translation")
    session.run("python", "-m", "pytest", *(str(test) for glob in LIGHT_TESTS for test in (ROOT / "tests").glob(glob)))
