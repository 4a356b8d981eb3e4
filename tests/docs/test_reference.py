"""The pages in core/docs/reference: what the code says, and nothing left out."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqtrain.api
import seqtrain.plugin
from seqtrain.config.help import describe
from seqtrain.config.schema import CORE_SECTIONS
from seqtrain.plugin import KINDS, Component
from seqtrain.registry.discovery import discover
from seqtrain.registry.first_party import FIRST_PARTY
from seqtrain_testing import contracts

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "core" / "docs"
SURFACE = ROOT / "tests" / "core" / "public_surface.txt"


def page(name: str) -> str:
    """Return a page of the reference."""
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Compare the pages in a folder with the code."""
    command = [sys.executable, folder / "generate_reference.py", "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_pages_are_what_the_code_says() -> None:
    """If not, the message is the difference and the command to run."""
    result = check(DOCS)

    assert result.returncode == 0, result.stderr


def test_a_page_that_is_changed_by_hand_or_missing_is_reported(tmp_path: Path) -> None:
    """With the lines that differ, and what to type."""
    for each in DOCS.glob("*.py"):
        shutil.copy(each, tmp_path)
    shutil.copytree(DOCS / "reference", tmp_path / "reference")
    hooks = tmp_path / "reference" / "hooks.md"
    hooks.write_text(page("hooks").replace("seqtrain_epoch_end(trainer: Trainer)", "seqtrain_epoch_end()"))
    (tmp_path / "reference" / "records.md").unlink()
    result = check(tmp_path)

    assert result.returncode == 1
    assert "+seqtrain_epoch_end(trainer: Trainer) -> None" in result.stderr
    assert "+# Records and kinds" in result.stderr
    assert "Run `python core/docs/generate_reference.py`" in result.stderr


@pytest.mark.parametrize("hook", [name for name in vars(seqtrain.plugin) if name.startswith("seqtrain_")])
def test_every_hook_has_a_section(hook: str) -> None:
    """Under its name."""
    assert f"\n## {hook}\n" in page("hooks")


def test_every_field_of_a_record_and_every_kind_is_explained() -> None:
    """In the list of the record's fields, and in the table of kinds."""
    records = page("records")

    assert [each.name for each in dataclasses.fields(Component) if f"\n- `{each.name}`: " not in records] == []
    assert [kind for kind in KINDS if f"\n| `{kind}` | " not in records] == []


@pytest.mark.parametrize("name", contracts.__all__)
def test_every_contract_has_its_tests_listed(name: str) -> None:
    """Each of them, wherever in the page."""
    tests = {each for each in dir(getattr(contracts, name)) if each.startswith("test_")}

    assert f"\n## {name}\n" in page("contracts")
    assert [each for each in sorted(tests) if f"\n| `{each}` | " not in page("contracts")] == []


@pytest.mark.parametrize("name", seqtrain.api.__all__)
def test_all_of_the_public_types_have_a_section(name: str) -> None:
    """With every member that is frozen."""
    protocols = page("protocols")
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", protocols, re.MULTILINE | re.DOTALL)
    frozen = re.findall(rf"^seqtrain\.api\.{name}\.(\w+)", SURFACE.read_text(encoding="utf-8"), re.MULTILINE)

    assert [member for member in frozen if not re.search(rf"\b{member}\b", section)] == []


def settings() -> Iterator[tuple[str, str]]:
    """Yield the section of the page and the key of every setting of ours."""
    for section, config_type in CORE_SECTIONS.items():
        yield from ((section, row.key) for row in describe(config_type, section))
    for each in discover().components():
        if each.plugin.id in {"core", *FIRST_PARTY}:
            section = f"{each.component.kind} {each.component.name}"
            yield from ((section, row.key) for row in describe(each.load_config()))


def test_every_setting_is_listed_under_its_component() -> None:
    """Core's sections and every first-party component."""
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page("config"), re.MULTILINE | re.DOTALL))

    assert [(section, key) for section, key in settings() if f"\n| `{key}` | " not in sections[section]] == []
