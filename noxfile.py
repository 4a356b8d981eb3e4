"""
The menu of checks: `nox` runs them all, `nox -l` lists them, `nox -s unit -- -k beam` runs a part.

Torch and the projects are installed once, by `environment`; `unit`, `runs`, `coverage` and `faults` use what it makes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECTS = [
    "core",
    *sorted(f"plugins/{path.name}" for path in (ROOT / "plugins").iterdir() if (path / "pyproject.toml").exists()),
    *sorted(path.name for path in ROOT.glob("seqtrain_*") if (path / "pyproject.toml").exists()),
]
TORCH = "torch==2.13.0"  # what results are measured with
LIGHT_TESTS = [  # what works without torch
    "core/config/test_*.py",
    "core/cli/test_main.py",
    "core/cli/test_plugins.py",
    "core/registry/test_discovery.py",
    "core/registry/test_entry_points.py",
    "core/registry/test_filters.py",
    "core/registry/test_hooks.py",
    "core/registry/test_isolation.py",
    "core/registry/test_registry.py",
    "core/test_public_surface.py",
]
ENVIRONMENT = ROOT / ".nox" / "environment"
WHEELS = ROOT / ".nox" / "dist"  # not the name of a session, whose environment would be there
# A module's or a class's tests stay together, as they share what is costly to make; tests/conftest.py orders them.
IN_PARALLEL = ["--numprocesses=auto", "--dist=loadscope", "--no-loadscope-reorder"]

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

# pyenv's `python3.10` runs only where 3.10 is the version chosen; the interpreters themselves lie here.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/3.1?.*/bin")))])


def in_environment(session: nox.Session, program: str, *arguments: str, **variables: str) -> None:
    """Run a program of the environment, with its scripts first on PATH."""
    scripts = ENVIRONMENT / "bin"
    path = os.pathsep.join([str(scripts), os.environ["PATH"]])
    session.run(str(scripts / program), *arguments, env={"PATH": path, **variables}, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style: ruff's rules and its format."""
    session.install("ruff==0.17.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build a wheel of every project, for the sessions that follow to install."""
    session.install("hatchling")
    shutil.rmtree(WHEELS, ignore_errors=True)
    session.run(
        "python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(WHEELS),
        *(f"./{project}" for project in PROJECTS),
    )  # fmt: skip


def install_wheels(session: nox.Session) -> None:
    """Install every project as a copy, as a user would have it, in place of another of the same version."""
    session.install("--no-deps", "--force-reinstall", *map(str, WHEELS.glob("*.whl")))


@nox.session(requires=["wheels"])
def environment(session: nox.Session) -> None:
    """Install torch, the tools and every project, for the sessions that follow."""
    session.install(
        TORCH, "hatchling", "editables", "mypy==2.4.1", "types-PyYAML", "import-linter", "pytest", "pytest-randomly",
        "pytest-xdist>=3.7", "hypothesis", "coverage>=7.10", "pyarrow", "zstandard", *map(str, WHEELS.glob("*.whl")),
    )  # fmt: skip
    install_wheels(session)


@nox.session(venv_backend="none", requires=["environment"])
def unit(session: nox.Session) -> None:
    """Check imports and types, then run the tests that start no process; with arguments, pytest alone."""
    if session.posargs:
        in_environment(session, "python", "-m", "pytest", "-m", "not runs", *session.posargs)
        return
    in_environment(session, "lint-imports", "--no-cache")
    in_environment(session, "mypy", *(f"{project}/src" for project in PROJECTS))
    in_environment(session, "coverage", "erase")
    in_environment(session, "coverage", "run", "-m", "pytest", "-m", "not runs", *IN_PARALLEL, "--durations=15")


@nox.session(venv_backend="none", requires=["environment"])
def runs(session: nox.Session) -> None:
    """Run the tests of whole runs, workers, wheels and pages: all that `unit` leaves out."""
    if session.posargs:
        in_environment(session, "python", "-m", "pytest", "-m", "runs", *session.posargs)
        return
    in_environment(session, "coverage", "run", "-m", "pytest", "-m", "runs", *IN_PARALLEL, "--durations=15")


@nox.session(venv_backend="none", requires=["unit", "runs"])
def coverage(session: nox.Session) -> None:
    """Report how much of core `unit` and `runs` reach together."""
    in_environment(session, "coverage", "combine", "--quiet")
    in_environment(session, "coverage", "report", "--skip-covered")


@nox.session(default=False, venv_backend="none", requires=["environment"])
def faults(session: nox.Session) -> None:
    """Do to runs what goes wrong in the world, and print a table of what came of it; more trials than in `runs`."""
    variables = {"PYTHONPATH": str(ROOT / "tests"), "SEQTRAIN_FAULT_TRIALS": "all"}  # else sweeps try a part
    in_environment(
        session,
        "python",
        "-m",
        "pytest",
        "-m",
        "fault",
        "-p",
        "fault_table",
        "-p",
        "no:randomly",
        *IN_PARALLEL,
        **variables,
    )


@nox.session(python=["3.10", "3.12", "3.13"], requires=["wheels"])
def light(session: nox.Session) -> None:
    """Test what works without torch, that is CLI, registry and configuration, on the other Pythons."""
    session.install("pytest", "hypothesis", "packaging", "pluggy<2", "click<9", "omegaconf<2.5", "pyyaml")
    install_wheels(session)
    session.run("seqtrain", "plugins", "list")
    session.run("seqtrain", "config", "check", "--task", "translation")
    session.run("python", "-m", "pytest", *(str(test) for glob in LIGHT_TESTS for test in (ROOT / "tests").glob(glob)))
