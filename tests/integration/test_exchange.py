"""A model goes out in a format of a plugin's own, comes in elsewhere, and translates as before."""

from __future__ import annotations

import json
import shutil

import pytest

FORMAT = """
from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass

from seqtrain.plugin import Component, hookimpl, option


@hookimpl
def seqtrain_components():
    yield Component(kind="exporter", name="box", ref="acme_plugin:pack", config="acme_plugin:PackConfig", summary="Pack")
    yield Component(
        kind="importer", name="box", ref="acme_plugin:unpack", config="acme_plugin:UnpackConfig", summary="Unpack"
    )


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    half: bool = option(False, help="store the weights in half precision")


def pack(config):
    def write(run, output):
        from safetensors.torch import save_file

        output.mkdir()
        weights = {name: each.clone() for name, each in run.models[0].state_dict().items()}
        save_file({name: each.half() if config.half else each for name, each in weights.items()}, output / "weights")
        shutil.copytree(run.artifacts, output / "files")
        task = run.config.task.config
        record = {
            "languages": [task.source_lang, task.target_lang],
            "tokenizer": task.tokenizer.name,
            "max_length": task.max_length,
            "model": {"name": run.config.model.name, **dataclasses.asdict(run.config.model.config)},
        }
        (output / "record.json").write_text(json.dumps(record))

    return write


@dataclass(frozen=True, kw_only=True)
class UnpackConfig:
    embed_dim: int | None = option(None, help="what the record should have said")


def unpack(config):
    def read(source, artifacts):
        from safetensors.torch import load_file
        from seqtrain.api import DataError, Imported

        if not (source / "record.json").is_file():
            raise DataError(f"{source} is no box.")
        record = json.loads((source / "record.json").read_text())
        shutil.copytree(source / "files", artifacts, dirs_exist_ok=True)
        if config.embed_dim is not None:
            record["model"]["embed_dim"] = config.embed_dim
        source_lang, target_lang = record["languages"]
        return Imported(
            config={
                "task": {
                    "name": "translation", "train": "unknown", "source_lang": source_lang, "target_lang": target_lang,
                    "tokenizer": {"name": record["tokenizer"]}, "max_length": record["max_length"],
                    "generation": {"beam": 1},
                },
                "model": record["model"],
            },
            weights=load_file(source / "weights"),
        )

    return read
"""


@pytest.fixture
def _format(plugin_folder, monkeypatch):
    """The exporter and the importer `box`, installed."""
    monkeypatch.syspath_prepend(plugin_folder("acme", FORMAT))


@pytest.fixture
def box(finished, cli, tmp_path, _format):
    """The finished run in that format, in a folder that does not tell where it is from."""
    path = tmp_path / "box"
    outcome = cli("export", finished[0].run, "--to", "box", "--output", path)
    assert (outcome.code, outcome.out) == (0, f"{path}\n"), outcome.err
    return path


def translate(cli, run, source, tmp_path, *options) -> str:
    target = tmp_path / "translated.txt"
    outcome = cli("predict", run, "--input", source, "--output", target, *options)
    assert outcome.code == 0, outcome.err
    return target.read_text(encoding="utf-8")


def test_a_model_that_went_out_and_came_in_translates_as_before(finished, box, cli, tmp_path):
    """To the character, and with nothing left of the run that it is from."""
    original = finished[0]
    source = original.corpus / "test.en"
    moved = box.rename(tmp_path / "elsewhere")
    new = tmp_path / "new"

    outcome = cli("import", "--from", "box", moved, "--run-dir", new)
    shutil.rmtree(moved)

    assert (outcome.code, outcome.out) == (0, f"{new}\n"), outcome.err
    assert str(original.run) not in (new / "config.yaml").read_text()
    translated = translate(cli, new, source, tmp_path)
    assert translated == translate(cli, original.run, source, tmp_path)
    assert translated == translate(cli, new, source, tmp_path, "--checkpoint", "last")
    assert translated.count("\n") == 6


def test_an_imported_run_is_evaluated_like_the_original(finished, box, cli, tmp_path):
    """On a test set that is named, since it has none of its own."""
    original, new = finished[0], tmp_path / "new"
    assert cli("import", box, "--from", "box", "--run-dir", new).code == 0
    chosen = (f"task.test={original.corpus / 'test'}", f"data.cache_dir={original.cache}", "--json")

    measured = [json.loads(cli("evaluate", run, *chosen).out)["measures"] for run in (original.run, new)]

    assert measured[0]["bleu"] == measured[1]["bleu"]
    assert measured[0]["nll_loss"] == pytest.approx(measured[1]["nll_loss"])
    assert cli("checkpoints", "verify", new).out == "imported  ok\n"
    assert cli("checkpoints", "list", new).out.splitlines()[1].split()[0] == "imported"


def test_the_fields_of_the_format_are_set_by_the_command(finished, cli, tmp_path, _format):
    """Of the exporter, whose half precision comes back as the model's own."""
    run, path = finished[0].run, tmp_path / "box"

    assert cli("export", run, "half=true", "--to", "acme/box", "--output", path, "--checkpoint", "3").code == 0
    assert cli("import", path, "--from", "acme/box", "--run-dir", tmp_path / "new").code == 0

    whole = (run / "checkpoints" / "step-00000003" / "model.safetensors").stat().st_size
    assert (path / "weights").stat().st_size < 0.7 * whole
    assert (tmp_path / "new" / "checkpoints" / "imported" / "model.safetensors").stat().st_size == whole


def test_weights_that_do_not_fit_are_listed(box, cli, tmp_path):
    """With the settings that may be at fault; no run is made."""
    outcome = cli("import", box, "embed_dim=24", "--from", "box", "--run-dir", tmp_path / "new")

    assert outcome.code == 5
    assert "returned do not fit this model. Other shapes: " in outcome.err
    assert "seqtrain plugins show importer/acme/box" in outcome.err
    assert [each.name for each in tmp_path.glob("*new*")] == []


def test_an_imported_run_cannot_be_trained_on_by_mistake(box, cli, tmp_path):
    """`train` says so, and everything stays as it was."""
    new = tmp_path / "new"
    assert cli("import", box, "--from", "box", "--run-dir", new).code == 0
    before = sorted(new.rglob("*"))

    outcome = cli("train", "--run-dir", new)

    assert outcome.code == 2
    assert "holds an imported model: weights, and no training to go on with" in outcome.err
    assert sorted(new.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "bxo", "--output", "{new}"), 4, "No exporter is named 'bxo'. Did you mean 'box'?"),
        (("--to", "box", "--output", "{there}"), 2, "is there already. Remove it, or choose another place."),
        (("--to", "box", "--output", "{there}/missing/x"), 2, "There is no folder "),
        (("--to", "box"), 2, "Missing option '--output'"),
        (("--output", "{new}"), 2, "Missing option '--to'"),
        (("--to", "box", "--output", "{new}", "hlaf=true"), 3, "no such field of exporter 'box'. Did you mean 'half'?"),
        (("--to", "box", "--output", "{new}", "half"), 3, "expected KEY=VALUE"),
        (("--to", "box", "--output", "{new}", "--checkpoint", "77"), 5, "No checkpoint '77'"),
    ],
)
@pytest.mark.usefixtures("_format")
def test_an_export_that_makes_no_sense_is_refused(finished, cli, tmp_path, words, code, said):
    """In a sentence, and nothing is written."""
    (tmp_path / "there").mkdir()
    places = {"new": tmp_path / "new", "there": tmp_path / "there"}

    outcome = cli("export", finished[0].run, *(word.format(**places) for word in words))

    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.usefixtures("_format")
def test_an_export_needs_a_run(cli, tmp_path):
    """A folder without config.yaml is none."""
    outcome = cli("export", tmp_path, "--to", "box", "--output", tmp_path / "new")

    assert outcome.code == 5
    assert "is no run: it has no config.yaml" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("{there}", "--from", "bxo", "--run-dir", "{new}"), 4, "No importer is named 'bxo'. Did you mean 'box'?"),
        (("{there}", "--from", "box", "--run-dir", "{there}"), 2, "is there already"),
        (("{there}", "--from", "box", "--run-dir", "{new}/a/b"), 2, "There is no folder "),
        (("{new}", "--from", "box", "--run-dir", "{new}"), 2, "does not exist. See `seqtrain import --help`"),
        (("{there}", "--from", "box"), 2, "Missing option '--run-dir'"),
        (
            ("{there}", "--from", "box", "--run-dir", "{new}", "embed_dim=x"),
            3,
            "embed_dim: expected int or null, got 'x'",
        ),
        (("{there}", "--from", "box", "--run-dir", "{new}"), 5, "there is no box."),
    ],
)
@pytest.mark.usefixtures("_format")
def test_an_import_that_makes_no_sense_is_refused(cli, tmp_path, words, code, said):
    """In a sentence, and nothing is written."""
    (tmp_path / "there").mkdir()
    places = {"new": tmp_path / "new", "there": tmp_path / "there"}

    outcome = cli("import", *(word.format(**places) for word in words))

    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["site", "there"]
