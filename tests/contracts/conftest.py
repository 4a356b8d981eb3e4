"""Contracts run over components that are wrong on purpose."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

TEST_MODULE = '''
"""A component with a mistake."""
import pytest
from seqtrain.plugin import Component
from seqtrain_testing.contracts import {contract}
from seqtrain_testing.registry import RegistryBuilder

{code}

class TestMutant({contract}):
    name = "inline/mutant"

    @pytest.fixture
    def seqtrain_host(self):
        host = RegistryBuilder.with_everything_installed()
        record = dict(kind={contract}.kind, name="mutant", ref=f"{{__name__}}:Mutant", config={config}, summary="Wrong")
        host.register(Component(**{{**record, **globals().get("RECORD", {{}})}}))
        return host

{members}
'''


@pytest.fixture(scope="session")
def failing_tests(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Mapping[str, Mapping[str, str]]], dict[str, set[str]]]:
    """
    Run each mutant's contract, all of them in one pytest, and return by mutant which tests failed.

    A mutant is a map: `contract`, the class it should satisfy; `code`, a module that defines `Mutant`
    and perhaps in `RECORD` what its record says otherwise; `config`, one that defines `MutantConfig`; `members`, further
    members of the test class.
    """

    def run(mutants: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
        folder = tmp_path_factory.mktemp("mutants")
        modules = {f"test_mutant_{number}": name for number, name in enumerate(mutants)}
        for module, name in modules.items():
            mutant = {key: textwrap.dedent(value) for key, value in mutants[name].items() if isinstance(value, str)}
            members = textwrap.indent(mutant.get("members", ""), "    ")
            config = None
            if "config" in mutant:
                (folder / f"{module}_config.py").write_text(mutant["config"])
                config = f"{module}_config:MutantConfig"
            text = TEST_MODULE.format(
                contract=mutant["contract"], code=mutant["code"], config=repr(config), members=members
            )
            (folder / f"{module}.py").write_text(text)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "--junitxml=found.xml",
        ]
        ended = subprocess.run([*command, str(folder)], cwd=folder, capture_output=True, text=True, check=False)
        assert ended.returncode in (0, 1), ended.stdout + ended.stderr
        return failures(folder / "found.xml", modules)

    return run


def failures(report: Path, modules: Mapping[str, str]) -> dict[str, set[str]]:
    """Read which tests failed, without their parameters, by the name of the mutant."""
    found: dict[str, set[str]] = {name: set() for name in modules.values()}
    for case in ET.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            found[modules[case.attrib["classname"].split(".")[0]]].add(case.attrib["name"].partition("[")[0])
    return found
