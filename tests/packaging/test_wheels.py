"""Wheels as a user gets them: what is in them, and that they work away from this repository."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECTS = [
    ROOT / "core",
    *sorted(path.parent for glob in ("plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")),
]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="session")
def scripts(make_environment: Callable[..., Path]) -> Path:
    """The scripts of an environment with the wheels alone."""
    return make_environment("wheels-alone")


def contents(wheel: Path) -> set[str]:
    """Return the files in a wheel, its metadata left out."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_wheel_holds_the_package_and_nothing_else(project: Path, wheels: dict[str, Path]) -> None:
    """Every source and data file under src is in it; no test, no document, no file from elsewhere."""
    source = project / "src"
    found = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    files = {path.as_posix() for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts)}
    package = "seqtrain" if project.name == "core" else project.name

    assert files == contents(wheels[package])


def requirements(wheel: Path) -> set[str]:
    """Return the names of the distributions that a wheel requires, those of its extras left out."""
    with ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(metadata).decode().partition("\n\n")[0].splitlines()
    found = [Requirement(line.partition(":")[2]) for line in lines if line.startswith("Requires-Dist:")]
    return {each.name for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}


def closure(package: str, wheels: dict[str, Path]) -> tuple[set[str], set[str]]:
    """Return which of our packages `pip install PACKAGE` brings, and which other distributions those require."""
    ours, others, waiting = set(), set(), [package]
    while waiting:
        package = waiting.pop()
        if package in ours:
            continue
        ours.add(package)
        names = {name.replace("-", "_") for name in requirements(wheels[package])}
        waiting += names & wheels.keys()
        others |= names - wheels.keys()
    return ours, others


@pytest.mark.parametrize("package", sorted(path.name for path in PROJECTS if path.name != "seqtrain_testing"))
def test_no_package_brings_what_only_plugin_authors_need(package: str, wheels: dict[str, Path]) -> None:
    """Neither pytest or a plugin of it, nor templates, nor contract tests; those are in seqtrain-testing."""
    ours, others = closure("seqtrain" if package == "core" else package, wheels)
    names = [f"{each}: {name}" for each in sorted(ours) for name in contents(wheels[each])]

    assert "seqtrain_testing" not in ours
    assert [name for name in others if name.startswith("pytest")] == []
    assert [
        name for name in names if name.endswith(".template") or "/templates/" in name or "/contracts/" in name
    ] == []
    assert [each for each in ours if "[pytest11]" in entry_points(wheels[each])] == []


def entry_points(wheel: Path) -> str:
    """Return what a wheel says of its entry points."""
    with ZipFile(wheel) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt"))


def test_seqtrain_testing_holds_the_templates_the_contracts_and_the_plugin_of_pytest(wheels: dict[str, Path]) -> None:
    """The search above would find them."""
    names = contents(wheels["seqtrain_testing"])

    assert any(name.endswith(".template") and "/templates/" in name for name in names)
    assert any("/contracts/" in name for name in names)
    assert "[pytest11]" in entry_points(wheels["seqtrain_testing"])
    assert "pytest" in requirements(wheels["seqtrain_testing"])


def test_translation_alone_says_what_plugin_authors_install(
    run: Callable[..., str], wheels: dict[str, Path], links: Path, tmp_path: Path
) -> None:
    """With nothing of ours but what `pip install seqtrain-translation` brings."""
    brought = [wheels[each] for each in sorted(closure("seqtrain_translation", wheels)[0])]
    install = [*PIP, "install", "--quiet", "--no-index", "--no-deps", "--target", tmp_path / "packages"]
    run(*install, *brought, cwd=tmp_path)
    code = f"""
import sys
sys.path += {[str(tmp_path / "packages"), str(links)]!r}
from seqtrain.cli.main import main
print(main(["plugins", "list"]), main(["plugins", "new", "acme-x", "--kind", "model"]))
try:
    from seqtrain.testing.contracts import ModelContract
except ImportError as error:
    print(error)
"""
    *listed, codes, error = run(sys.executable, "-S", "-c", code, cwd=tmp_path).splitlines()

    assert {line.split()[0] for line in listed[1:]} == {
        "core", "criteria", "optim", "text", "transformer", "translation",
    }  # fmt: skip
    assert codes == "0 4"
    assert "`pip install seqtrain-testing`" in error
    assert not (tmp_path / "acme-x").exists()


@pytest.mark.parametrize(
    ("package", "folder"),
    [("seqtrain_transformer", "presets"), ("seqtrain_translation", "recipes")],
)
def test_a_wheel_holds_its_presets_and_recipes(package: str, folder: str, wheels: dict[str, Path]) -> None:
    """They are data, which a build could leave out without anybody noticing."""
    assert any(name.startswith(f"{package}/{folder}/") and name.endswith(".yaml") for name in contents(wheels[package]))


def test_every_plugin_works_from_its_wheel(
    run: Callable[..., str], scripts: Path, wheels: dict[str, Path], tmp_path: Path
) -> None:
    """`seqtrain plugins list` finds all of them, none of them broken, and none in this repository."""
    listing = run(scripts / "seqtrain", "plugins", "list", cwd=tmp_path)
    rows = [line.split() for line in listing.splitlines()[1:]]

    assert {(row[1], row[2].replace("-", "_")) for row in rows} == {("ok", package) for package in wheels}
    assert str(ROOT) + os.sep not in listing


def test_wheels_train_a_model_far_from_the_repository(run: Callable[..., str], scripts: Path, tmp_path: Path) -> None:
    """Two steps on the built-in corpus, from an unrelated folder; what they leave is whole, and can translate."""
    seqtrain = scripts / "seqtrain"
    small = ["trainer.max_steps=2", "model.embed_dim=16", "model.ffn_dim=32", "data.max_tokens=512"]
    short = ["task.generation.max_len_a=0", "task.generation.max_len_b=2", f"data.cache_dir={tmp_path / 'cache'}"]
    run(seqtrain, "train", "--task", "translation", "--run-dir", "run", *small, *short, cwd=tmp_path)
    (tmp_path / "text").write_text("two hundred and five\n", encoding="utf-8")
    run(seqtrain, "predict", "run", "--input", "text", "--output", "translation", cwd=tmp_path)

    assert run(seqtrain, "checkpoints", "verify", "run", cwd=tmp_path) == "step-00000002  ok\n"
    assert (tmp_path / "translation").read_text(encoding="utf-8").count("\n") == 1
