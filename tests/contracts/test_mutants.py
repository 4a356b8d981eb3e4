"""The contracts catch every mistake that they are there for, and find none where there is none."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mutants.mutant import Mutant

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).with_name("mutants")


@pytest.fixture(scope="class")
def failed_tests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Hold all mutants of the class's module against their contracts, in a pytest of their own; return which tests failed."""
    folder = tmp_path_factory.mktemp("mutants")
    (folder / "pytest.ini").write_text("[pytest]\n")  # not the settings of this repository
    options = ["-q", "-c", "pytest.ini", "--noconftest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    path = os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--junitxml=found.xml", FOLDER / "cases.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "SEQTRAIN_MUTANTS": request.cls.module},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    return failures(folder / "found.xml")


class Judgement:
    """What is asked of the mutants of a module."""

    module: str

    def test_the_mistake_is_caught(self, failed_tests: dict[str, set[str]], mutant: Mutant) -> None:
        """The tests that are about the mistake fail, and no others."""
        assert mutant.caught_by == failed_tests[mutant.name]


class TestContent(Judgement):
    """Tokenizers, readers and metrics."""

    module = "mutants.content"


class TestProcesses(Judgement):
    """Launchers, exporters, importers and commands."""

    module = "mutants.processes"


class TestTasks(Judgement):
    """Tasks."""

    module = "mutants.tasks"


class TestTraining(Judgement):
    """Models, criteria, optimizers, schedulers, callbacks and trackers."""

    module = "mutants.training"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try every mutant of the module."""
    mutants = importlib.import_module(metafunc.cls.module).MUTANTS
    metafunc.parametrize("mutant", mutants, ids=[f"{each.contract.kind}-{each.name}" for each in mutants])


def failures(report: Path) -> dict[str, set[str]]:
    """Read which tests failed, without their parameters, by the name of the mutant."""
    found: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        failed = found.setdefault(case.attrib["classname"].rpartition(".Test")[2], set())
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(case.attrib["name"].partition("[")[0])
    return found
