"""Processes of our own import nothing from the working directory, under any Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqtrain.workers.child import python_command

pytestmark = pytest.mark.runs

NAMES = ["json", "os", "typing", "logging", "torch", "numpy", "seqtrain", "sitecustomize", "usercustomize", "child"]
CHILD = """
import json, logging, sys, typing

def run():
    print(json.dumps([sys.argv[1:], sys.path]))
    sys.exit(7)
"""


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A folder in which every module leaves a canary when it is imported."""
    folder = tmp_path / "trapped"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    return folder


def without_safe_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "PYTHONPATH")}


@pytest.mark.parametrize("python", [sys.executable, "python3.10"])
@pytest.mark.fault("F7")
def test_a_child_imports_nothing_from_the_working_directory(trapped: Path, python: str) -> None:
    """Not one module, before or after its own first line; arguments and exit code are passed on."""
    found = shutil.which(python)
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("is not installed")
    site = trapped.parent / "site"
    site.mkdir()
    (site / "child.py").write_text(CHILD)
    _, *command = python_command("child", "a", "b c")

    done = subprocess.run(
        [found, *command],
        cwd=trapped,
        env={**without_safe_path(), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith('[["a", "b c"], [')
    assert str(trapped) not in done.stdout
    assert not (trapped.parent / "canary").exists()


@pytest.mark.parametrize(
    "command",
    [python_command("seqtrain.cli.main", "--version"), [str(Path(sys.executable).with_name("seqtrain")), "--version"]],
    ids=["child", "command"],
)
@pytest.mark.fault("F7")
def test_seqtrain_imports_nothing_from_the_working_directory(trapped: Path, command: list[str]) -> None:
    """As a child, and as the command that is typed."""
    done = subprocess.run(command, cwd=trapped, env=without_safe_path(), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seqtrain")
    assert not (trapped.parent / "canary").exists()
