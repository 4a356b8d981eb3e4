"""What every project folder looks like, and what must not lie in one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECTS = [
    ROOT / "core",
    *sorted(path.parent for glob in ("plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")),
]
SETUP = """\
pip install ./core ./plugins/* ./seqtrain_* && seqtrain train --task translation     # install, then train on the built-in corpus
pip install nox && nox                                                               # every test
"""

each_project = pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)


def metadata(project: Path) -> str:
    """Return the project's pyproject.toml; Python 3.10 has no parser for it, and a few patterns do."""
    return (project / "pyproject.toml").read_text(encoding="utf-8")


def value(project: Path, key: str) -> str:
    """Return the one text that a key of pyproject.toml has."""
    (found,) = re.findall(rf'^{key} = "(.*)"$', metadata(project), re.MULTILINE)
    return found


def requirements(project: Path) -> list[Requirement]:
    """Return what a project depends on."""
    (block,) = re.findall(r"^dependencies = \[$(.*?)^\]$", metadata(project), re.MULTILINE | re.DOTALL)
    return [Requirement(each) for each in re.findall(r'"(.*)"', block)]


def importables(folder: Path) -> list[str]:
    """Return what Python could import if this folder were on its path, namespace packages left out."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix in {".py", ".so", ".pyc"} or (path / "__init__.py").exists()
    )


def test_every_folder_of_plugins_is_a_project() -> None:
    """A folder without pyproject.toml would be left out of everything else here."""
    folders = {path for glob in ("plugins/*", "seqtrain_*") for path in ROOT.glob(glob) if path.is_dir()}

    assert folders == set(PROJECTS[1:])
    assert PROJECTS[0].is_dir()


def test_the_root_holds_nothing_importable_but_the_noxfile() -> None:
    """Python started here finds the installed packages."""
    assert importables(ROOT) == ["noxfile.py"]
    assert importables(ROOT / "plugins") == []


@each_project
def test_a_project_folder_holds_nothing_importable(project: Path) -> None:
    """From the folder above, a package in it would be imported in place of the installed one."""
    assert importables(project) == []
    assert {path.name for path in project.iterdir() if path.is_dir()} <= {"src", "docs", "examples"}


@each_project
def test_a_project_has_a_readme_and_one_typed_package(project: Path) -> None:
    """The package is named like the folder, or `seqtrain` in core; py.typed lets mypy read its annotations."""
    package = "seqtrain" if project.name == "core" else project.name

    assert [path.name for path in (project / "src").iterdir() if path.is_dir()] == [package]
    assert (project / "src" / package / "__init__.py").exists()
    assert (project / "src" / package / "py.typed").exists()
    assert (project / "README.md").read_text(encoding="utf-8").startswith(f"# {package.replace('_', '-')}\n")


@each_project
def test_a_project_declares_itself_alike(project: Path) -> None:
    """The name and entry point follow from the folder's name; hatchling builds it; Python is 3.10 or later."""
    package = "seqtrain" if project.name == "core" else project.name
    plugin = {"seqtrain": "core"}.get(package, package.removeprefix("seqtrain_"))
    module = {"core": "seqtrain.builtin.plugin"}.get(plugin, f"{package}.plugin")

    assert value(project, "build-backend") == "hatchling.build"
    assert value(project, "name") == package.replace("_", "-")
    assert value(project, "requires-python") == ">=3.10"
    assert f'[project.entry-points."seqtrain.plugins.v1"]\n{plugin} = "{module}"\n' in metadata(project)
    assert value(project, "description")
    assert value(project, "license") == "MIT"


@each_project
def test_a_version_is_a_release(project: Path) -> None:
    """pip refuses a core at 1.1.dev0 for a plugin that needs >=1.1."""
    version = Version(value(project, "version"))

    assert not version.is_prerelease
    assert version.local is None


@pytest.mark.parametrize("project", PROJECTS[1:], ids=lambda path: path.name)
def test_a_plugin_accepts_this_core_and_no_later_major(project: Path) -> None:
    """What it asks of our own packages is a range that the versions in this tree satisfy."""
    versions = {value(each, "name"): value(each, "version") for each in PROJECTS}
    ours = {each.name: each.specifier for each in requirements(project) if each.name in versions}

    assert "seqtrain" in ours
    for name, specifier in ours.items():
        assert str(specifier) == "<1,>=0.1", name
        assert specifier.contains(versions[name]), name


def test_core_requires_none_of_its_plugins() -> None:
    """Imports point down, and so does what is installed along."""
    assert not [each.name for each in requirements(PROJECTS[0]) if each.name.startswith("seqtrain")]


def test_the_readme_begins_with_the_two_commands() -> None:
    """Its first block sets up a fresh machine: install and train, then run every test."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    language, block = re.findall(r"^```(\w*)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0]

    assert language == "sh"
    assert block == SETUP


def test_ci_runs_the_second_command() -> None:
    """What CI does is what the README says."""
    script = ROOT / ".ci" / "run"

    assert "pip install nox && nox\n" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
