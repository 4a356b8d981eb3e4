"""A run folder from a stranger is safe to open, to measure, to predict with and to go on with: nothing in it is run."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from planted import AS_FINISHED, Bomb, plant
from seqtrain.checkpoint.manifest import NAME, write_manifest

ROOT = Path(__file__).parents[2]
PROJECTS = [path.parent for glob in ("core", "plugins/*", "seqtrain_*") for path in ROOT.glob(f"{glob}/pyproject.toml")]

MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "runpy", "imp", "code"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "torch.hub.load",
    "torch.package.PackageImporter",
    "np.load",
    "numpy.load",
    "np.save",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "os.system",
}
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.SafeDumper", "_LimitedLoader"}  # the last is a SafeLoader that counts
IMPORTERS = {  # what may import a module by its name: one that is written there, or that a distribution registers
    "core/src/seqtrain/cli/main.py",
    "core/src/seqtrain/registry/discovery.py",
    "core/src/seqtrain/registry/component.py",
    "plugins/seqtrain_testing/src/seqtrain_testing/check/components.py",
    "plugins/seqtrain_testing/src/seqtrain_testing/check/probe.py",
}


def complaints(source: str, file: str = "x.py") -> Iterator[str]:
    """Say what in a module could run what is in a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            yield from (name for name in names if name.partition(".")[0] in MODULES)
            yield from (each.name for each in node.names if f"{names[0]}.{each.name}" in CALLS)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or (called.split(".")[-1] == "import_module" and file not in IMPORTERS):
                yield called
            yield from (
                ast.unparse(each)
                for each in (keyword.value for keyword in node.keywords if keyword.arg in ("Loader", "allow_pickle"))
                if ast.unparse(each) not in {*SAFE_LOADERS, "False"}
            )


@pytest.mark.fault("F7")
@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_no_module_knows_how_to_run_what_is_in_a_file(project):
    """
    Neither pickle and its kin, nor numpy's and YAML's doors to it, nor a string as code.

    Torch itself pickles, to hand objects to processes of its own; what counts is that no file of a run gets there.
    """
    modules = {path.relative_to(ROOT).as_posix(): path for path in (project / "src").rglob("*.py")}

    found = {name: list(complaints(path.read_text(encoding="utf-8"), name)) for name, path in modules.items()}

    assert modules
    assert {} == {name: what for name, what in found.items() if what}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import yaml\nyaml.compose(x, Loader=yaml.Loader)",
        "from yaml import unsafe_load",
        "eval('1')",
        "import importlib\nimportlib.import_module(x)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    """Each door, one at a time."""
    assert list(complaints(source))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What is there if anything was executed."""
    return tmp_path / "canary"


WATCH = """
import json, os, sys

RUN, FILES, COMMANDS = sys.argv[1], set(json.loads(sys.argv[2])), json.loads(sys.argv[3])
seen, counted = [], [0]

def watch(event, args):
    counted[0] += 1
    if event == "pickle.find_class" or event in ("os.system", "os.exec", "os.posix_spawn"):
        seen.append([event, str(args)])
    elif event == "open" and str(args[0]) in FILES:
        seen.append([event, str(args)])
    elif event in ("exec", "import", "ctypes.dlopen") and RUN in str(args):
        seen.append([event, str(args)])

sys.addaudithook(watch)
from seqtrain.cli.main import main
codes = [main(command) for command in COMMANDS]
sys.stdout.flush()
print(json.dumps({"codes": codes, "seen": seen, "counted": counted[0]}))
"""


@pytest.mark.fault("F7")
def test_no_planted_file_is_so_much_as_opened(copied, canary):
    """Python itself reports what is opened, unpickled, imported and run, while the folder is used in every way."""
    files = plant(copied.run, canary)
    script = copied.folder / "elsewhere" / "watch.py"
    script.parent.mkdir()
    script.write_text(WATCH)
    source, run = copied.corpus / "test.en", str(copied.run)
    commands = [
        ["checkpoints", "list", run],
        ["checkpoints", "verify", run],
        ["checkpoints", "average", run, "--last", "2"],
        ["predict", run, "--input", str(source), "--output", str(copied.folder / "out")],
        [
            "predict",
            run,
            "--checkpoint",
            "average-last-2",
            "--input",
            str(source),
            "--output",
            str(copied.folder / "out"),
        ],
        ["evaluate", run],
        ["train", *copied.settings(**AS_FINISHED, trainer__max_steps=7), "--run-dir", run],
    ]

    done = subprocess.run(
        [sys.executable, script, run, json.dumps([str(each) for each in files]), json.dumps(commands)],
        cwd=copied.run,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["codes"] == [0] * len(commands), done.stderr
    assert told["counted"] > 1000
    assert told["seen"][:9] == []
    assert not canary.exists()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("x: !!python/object/apply:os.mkdir [CANARY]", 3),
        ("model: !!python/object/new:os.mkdir [CANARY]", 3),
        ("plugins: [bad_module]", 3),
        ("model: {_target_: os.mkdir, path: CANARY}", 3),
        ("model: {name: 'bad_module:make'}", 4),
        ("model: {name: bad_module}", 4),
        ("callbacks: {bad_module: {}}", 4),
        ("trackers: {bad_module: {}}", 4),
        ("distributed: {launcher: {name: bad_module}}", 0),  # is not even looked up
        ("data: {cache_dir: '${oc.eval:CANARY}'}", 3),
        ("data: {cache_dir: '${python:CANARY}'}", 3),
    ],
)
@pytest.mark.fault("F7")
def test_a_configuration_cannot_name_code(copied, canary, cli, monkeypatch, settings, code):
    """Names are those of installed components; a module that could be imported is not, and tags are refused."""
    (copied.folder / "bad_module.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    monkeypatch.syspath_prepend(str(copied.folder))
    name = settings.partition(":")[0]
    kept, rest = [], (copied.run / "config.yaml").read_text().splitlines()
    while rest:
        line = rest.pop(0)
        if line.startswith(f"{name}:"):
            while rest and rest[0].startswith(" "):
                rest.pop(0)
        else:
            kept.append(line)
    (copied.run / "config.yaml").write_text("\n".join([*kept, settings.replace("CANARY", str(canary)), ""]))

    outcome = cli("predict", copied.run, "--input", copied.corpus / "test.en", "--output", copied.folder / "out")

    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "checkpoints/best",
        "checkpoints/step-00000006/manifest.json",
        "checkpoints/step-00000006/state.json",
        "checkpoints/step-00000006/model.safetensors",
        "task/tokenizers/shared/vocabulary.json",
    ],
)
@pytest.mark.parametrize("kind", ["pickle", "torch"])
@pytest.mark.fault("F7")
def test_a_pickle_in_the_place_of_a_file_is_refused(copied, canary, cli, name, kind):
    """Though the hashes be right."""
    path = copied.run / name
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(canary)))
    else:
        torch.save({"model": Bomb(canary)}, path)
    if path.parent.name.startswith("step-") and path.name != NAME:
        (path.parent / NAME).unlink()
        write_manifest(path.parent, step=6, epoch=1, measures={})

    outcome = cli("evaluate", copied.run)

    assert outcome.code in (3, 5), outcome.err
    assert path.name in outcome.err or path.parent.name in outcome.err
    assert "Traceback" not in outcome.err
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("checkpoints/best", 5),
        ("checkpoints/step-00000006/model.safetensors", 5),
        ("checkpoints/step-00000006/manifest.json", 5),
        ("task/tokenizers/shared/vocabulary.json", 5),
    ],
)
@pytest.mark.parametrize("what", ["link", "pipe"])
@pytest.mark.fault("F9")
def test_a_link_or_a_pipe_in_a_run_folder_is_refused(copied, cli, name, code, what):
    """A link may lead anywhere, even to the right content; nobody writes into the pipe."""
    path = copied.run / name
    aside = copied.folder / "aside"
    path.rename(aside)
    if what == "link":
        path.symlink_to(aside)
    else:
        os.mkfifo(path)

    outcome = cli("evaluate", copied.run)

    assert outcome.code == code, outcome.err
    assert path.name in outcome.err
    assert "Traceback" not in outcome.err


def vocabulary_of(run: Path) -> Path:
    return run / "task/tokenizers/shared/vocabulary.json"


@pytest.mark.parametrize(
    "how", ["permuted", "a special one missing", "one twice", "one more", "another word", "no text"]
)
@pytest.mark.fault("F22")
def test_a_vocabulary_that_is_not_the_checkpoints_is_refused(copied, cli, how):
    """Also one of equal size, of which no shape tells; by `predict` and by `train`, with the file."""
    path = vocabulary_of(copied.run)
    tokens = json.loads(path.read_text())
    changed = {
        "permuted": [*tokens[:4], *tokens[:3:-1]],
        "a special one missing": tokens[1:],
        "one twice": [*tokens[:-1], tokens[-2]],
        "one more": [*tokens, "more"],
        "another word": [*tokens[:-1], "другое"],
        "no text": [*tokens[:-1], 7],
    }[how]
    path.write_text(json.dumps(changed))

    for outcome in (
        cli("predict", copied.run, "--input", copied.corpus / "test.en", "--output", copied.folder / "out"),
        copied.train(**AS_FINISHED, trainer__max_steps=9),
    ):
        assert outcome.code == 5, outcome.err
        assert str(path) in outcome.err or "vocabulary" in outcome.err
        assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]


@pytest.mark.fault("F22")
def test_the_vocabulary_of_a_like_run_is_refused(copied, cli):
    """Of the same size, made from the same words in another order; an average knows its vocabulary too."""
    assert cli("checkpoints", "average", copied.run, "--last", "2").code == 0
    path = vocabulary_of(copied.run)
    tokens = json.loads(path.read_text())
    path.write_text(json.dumps([*tokens[:4], *sorted(tokens[4:])]))
    assert sorted(tokens[4:]) != tokens[4:]

    for name in ("last", "average-last-2"):
        outcome = cli("evaluate", copied.run, "--checkpoint", name)
        assert outcome.code == 5, outcome.err
        assert str(path) in outcome.err
        assert "--fresh" in outcome.err


@pytest.mark.fault("F6")
@pytest.mark.parametrize("section", ["model", "callbacks"])
def test_a_run_of_a_plugin_that_is_not_here_is_refused(copied, cli, section):
    """By its name, with those there are; by every command, and nothing is lost."""
    text = (copied.run / "config.yaml").read_text()
    changed = {
        "model": text.replace("  name: transformer\n", "  name: acme/rnn\n", 1),
        "callbacks": text.replace("callbacks: {}\n", "callbacks: {acme/ema: {}}\n"),
    }[section]
    assert changed != text
    (copied.run / "config.yaml").write_text(changed)

    for outcome in (cli("evaluate", copied.run), copied.train(**AS_FINISHED, trainer__max_steps=9)):
        assert outcome.code in (3, 4), outcome.err
        assert "acme" in outcome.err
        assert "Traceback" not in outcome.err
    assert copied.checkpoints() == ["step-00000003", "step-00000006"]
