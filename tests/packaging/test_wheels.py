"""Wheels as a user gets them: what is in them, and that they work away from this repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = [
    ROOT / "core",
    *sorted(path.parent for glob in ("plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")),
]


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
