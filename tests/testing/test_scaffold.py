"""`seqtrain plugins new`: names, refusals, and a folder that is there whole or not at all."""

from __future__ import annotations

import json
import re
import stat
from importlib.metadata import version
from pathlib import Path

import pytest

from seqtrain.cli.main import main
from seqtrain.plugin import KINDS
from seqtrain_testing.scaffold.kinds import TEMPLATES
from seqtrain_testing.scaffold.names import Names
from seqtrain_testing.scaffold.write import write_plugin


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refusal(capsys, *arguments: str | Path) -> str:
    assert main(["plugins", "new", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_it_writes_a_package_and_says_what_to_type_next(tmp_path, capsys):
    """The files, and the commands that install, check, test and use it."""
    assert main(["plugins", "new", "acme-rnn", "--kind", "model", "--directory", str(tmp_path)]) == 0

    folder, text = tmp_path / "acme-rnn", capsys.readouterr().out
    expected = [
        ".gitignore", "README.md", "pyproject.toml", "src/acme_rnn/__init__.py", "src/acme_rnn/config.py",
        "src/acme_rnn/model.py", "src/acme_rnn/plugin.py", "src/acme_rnn/py.typed", "tests/test_model.py",
    ]  # fmt: skip
    assert files_in(folder) == expected
    assert text.splitlines()[0] == f"The model 'rnn' is in {folder}:"
    assert text.splitlines()[1 : len(expected) + 1] == [f"  {name}" for name in expected]
    assert text.splitlines()[-5:] == [
        f"  cd {folder}",
        "  pip install --editable '.[test]'",
        "  seqtrain plugins check acme-rnn",
        "  python -m pytest",
        "  seqtrain train --task translation trainer.max_steps=2 --model rnn",
    ]


def test_a_program_gets_json(tmp_path, capsys, monkeypatch):
    """In the working directory, where no other is named."""
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme", "--kind", "tracker", "--component", "some-file", "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == "seqtrain.plugins.new/1"
    assert (content["name"], content["kind"], content["component"]) == ("acme", "tracker", "some-file")
    assert content["files"] == files_in(tmp_path / content["folder"])
    assert content["next"][0] == "cd acme"


@pytest.mark.parametrize(
    ("name", "component", "expected"),
    [
        ("acme-rnn", None, ("acme_rnn", "rnn", "Rnn")),
        ("acme", None, ("acme", "acme", "Acme")),
        ("acme-label-noise2", None, ("acme_label_noise2", "label_noise2", "LabelNoise2")),
        ("acme-rnn", "lstm-2_x", ("acme_rnn", "lstm-2_x", "Lstm2X")),
    ],
)
def test_names_follow_from_that_of_the_distribution(name, component, expected):
    """The component is what follows the first dash; dashes become underscores in what Python reads."""
    names = Names.of(name, component)

    assert (names.package, names.component, names.stem) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_template_with_a_summary_that_fits(kind):
    """It goes into the record of the new plugin."""
    assert 0 < len(TEMPLATES[kind].summary) <= 72
    assert TEMPLATES[kind].use


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left_and_only_the_public_surface_is_imported(kind, tmp_path):
    """Whatever the kind."""
    written = write_plugin(Names.of("acme-thing"), kind, tmp_path)
    texts = {name: (written.folder / name).read_text(encoding="utf-8") for name in written.files}
    imported = {
        module
        for name, text in texts.items()
        for module in re.findall(r"^\s*(?:from|import) (seqtrain[\w.]*)", text, re.MULTILINE)
    }

    assert [name for name, text in texts.items() if re.search(r"\$\w|\$\{", name + text)] == []
    assert imported <= {"seqtrain.plugin", "seqtrain.api", "seqtrain_testing.contracts"}
    assert f"src/acme_thing/{kind}.py" in texts
    assert f"tests/test_{kind}.py" in texts


def test_it_asks_for_the_versions_that_are_here(tmp_path):
    """From the one installed to before the next major, of core and of what a recipe names."""
    major, minor = version("seqtrain").split(".")[:2]
    folder = write_plugin(Names.of("acme-thing"), "task", tmp_path).folder
    metadata = (folder / "pyproject.toml").read_text(encoding="utf-8")

    assert f'  "seqtrain>={major}.{minor},<{int(major) + 1}",\n' in metadata
    assert re.search(r'"seqtrain-optim>=\d+\.\d+,<\d+"', metadata)
    assert 'requires-python = ">=3.10"' in metadata


@pytest.mark.parametrize("name", ["Acme", "acme_rnn", "-acme", "acme-", "a--b", "2acme", "", "a/b", "acme rnn", "ä"])
def test_a_bad_name_is_refused_with_what_is_allowed(tmp_path, capsys, name):
    """Nothing is written."""
    text = refusal(capsys, "--kind", "model", "--directory", tmp_path, "--", name)

    assert f"{name!r} cannot be a plugin's name" in text
    assert "such as acme-rnn" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("component", ["Rnn", "r nn", "acme/rnn", "_rnn", "7"])
def test_a_bad_component_is_refused(tmp_path, capsys, component):
    """With the option that names it."""
    text = refusal(capsys, "acme", "--kind", "model", "--directory", tmp_path, "--component", component)

    assert f"{component!r} cannot be a component's name" in text
    assert "--component NAME" in text


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("core", "model", "belongs to seqtrain itself"),
        ("seqtrain", "model", "belongs to seqtrain itself"),
        ("optim", "model", "belongs to seqtrain itself"),
        ("seqtrain-text", "model", "belongs to seqtrain itself"),
        ("json", "model", "would be called 'json', and Python has one"),
        ("class", "model", "would be called 'class', and Python has one"),
        ("torch", "model", "would be called 'torch', and Python has one"),
        ("acme-adam", "optimizer", "The optimizer 'adam' is taken, by plugin 'optim'"),
        ("acme-train", "command", "seqtrain has a command 'train'"),
    ],
)
def test_a_name_of_somebody_else_is_refused(tmp_path, capsys, name, kind, said):
    """Of ours, of Python's, of another plugin's."""
    assert said in refusal(capsys, name, "--kind", kind, "--directory", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_that_is_installed_is_refused(acme, tmp_path, capsys):
    """Whether it is called so by its id or by its distribution."""
    assert "'zoo-acme' is installed already: plugin 'zoo-acme' (zoo-acme 1.0)" in refusal(
        capsys, "zoo-acme", "--kind", "model", "--directory", tmp_path
    )


def test_an_unknown_kind_is_refused_with_those_there_are(tmp_path, capsys):
    """As click says it."""
    text = refusal(capsys, "acme", "--kind", "modle", "--directory", tmp_path)

    assert "'modle' is not one of" in text
    assert "'lr_scheduler'" in text


def test_what_is_there_is_left_alone(tmp_path, capsys):
    """A folder with anything in it, or a file."""
    for name in ("acme-full", "acme-file"):
        (tmp_path / name).mkdir() if name == "acme-full" else (tmp_path / name).write_text("mine")
    (tmp_path / "acme-full" / "notes").write_text("mine")

    for name in ("acme-full", "acme-file"):
        assert "is there already" in refusal(capsys, name, "--kind", "model", "--directory", tmp_path)
    assert files_in(tmp_path) == ["acme-file", "acme-full/notes"]


def test_an_empty_folder_is_filled(tmp_path):
    """As somebody may have made it before."""
    (tmp_path / "acme-rnn").mkdir()

    assert main(["plugins", "new", "acme-rnn", "--kind", "model", "--directory", str(tmp_path)]) == 0
    assert (tmp_path / "acme-rnn" / "pyproject.toml").is_file()


def test_folders_above_are_made_and_others_may_read_what_is_written(tmp_path):
    """With the permissions that any new folder gets."""
    (tmp_path / "usual").mkdir()
    folder = write_plugin(Names.of("acme-rnn"), "model", tmp_path / "a" / "b").folder

    assert folder == tmp_path / "a" / "b" / "acme-rnn"
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path, capsys):
    """It may be a file."""
    (tmp_path / "file").write_text("")

    text = refusal(capsys, "acme-rnn", "--kind", "model", "--directory", tmp_path / "file")
    assert "Choose another --directory" in text


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch):
    """A full disk, here."""
    written = []

    def write(self, *arguments, **options):
        written.append(self)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        return original(self, *arguments, **options)

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", write)

    assert main(["plugins", "new", "acme-rnn", "--kind", "model", "--directory", str(tmp_path)]) == 2
    assert len(written) == 4
    assert list(tmp_path.iterdir()) == []
