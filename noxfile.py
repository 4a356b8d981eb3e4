"""The menu of checks: `nox` runs them all, `nox -l` lists them, `nox -s tests -- -k beam` runs a part."""

from __future__ import annotations

from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECTS = [
    "core",
    *sorted(f"plugins/{path.name}" for path in (ROOT / "plugins").iterdir() if (path / "pyproject.toml").exists()),
    *sorted(path.name for path in ROOT.glob("seqtrain_*") if (path / "pyproject.toml").exists()),
]
SOURCES = [f"{project}/src" for project in PROJECTS]
TORCH = "torch==2.13.0"  # the version that results in the README were measured with
LIGHT_TESTS = ["tests/core/test_host_", "tests/core/test_config_", "tests/core/test_cli_"]

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False


def install_everything(session: nox.Session, *tools: str) -> None:
    """Install torch, every project and some tools into one environment, as copies: what a user would have."""
    session.install(TORCH)
    session.install(*tools, *(f"./{project}" for project in PROJECTS))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style: ruff's rules and its format."""
    session.install("ruff==0.15.22")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test on this Python, then types, imports and coverage in the same environment."""
    install_everything(
        session,
        "pytest",
        "pytest-randomly",
        "hypothesis",
        "coverage",
        "build",
        "hatchling",
        "mypy",
        "types-PyYAML",
        "import-linter",
    )
    session.run("lint-imports")
    session.run("mypy", *SOURCES)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", success_codes=[0, 1])
    session.run("coverage", "report", "--skip-covered")


@nox.session(python=["3.10", "3.12", "3.13"])
def light(session: nox.Session) -> None:
    """Run the tests of what works without torch, that is CLI, host and configuration, on other Pythons."""
    session.install("pluggy>=1.5,<2", "click>=8.1,<9", "omegaconf>=2.4,<2.5", "pyyaml>=6", "pytest", "hypothesis")
    session.install("--no-deps", *(f"./{project}" for project in PROJECTS))
    tests = [str(path) for prefix in LIGHT_TESTS for path in sorted(ROOT.glob(f"{prefix}*.py"))]
    session.run("python", "-m", "pytest", "-p", "no:randomly", *tests)
