"""Every file that a run folder keeps, broken in every way: it is read rightly, or refused by an error that names it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtrain.checkpoint import manifest as manifest_module
from seqtrain.checkpoint.catalog import BEST, LAST, RANKING, CheckpointCatalog
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.config.dump import to_yaml
from seqtrain.config.resolve import resolve
from seqtrain.errors import CheckpointError
from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.console import NoProgressBar
from seqtrain.metrics.logger import MetricLogger
from seqtrain.registry.hooks import run_hooks
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.spec import WorkerSpec
from seqtrain_testing.registry import RegistryBuilder
from seqtrain_testing.runs import RunMaker, make_trainer

pytestmark = pytest.mark.slow

ALL = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"
fuzzed = settings(
    max_examples=1000 if ALL else 60,
    deadline=None,
    derandomize=not ALL,  # the suite of every day finds what it found before; the long one looks for more
    suppress_health_check=list(HealthCheck),
)
CHECKPOINT = "step-00000004"
FILES = ["state.json", "model.safetensors", "optimizer.safetensors", "state.safetensors"]
MENDED = ["manifest.json", *FILES, LAST, BEST, RANKING]
SETTINGS = ["required", "set steps or epochs"]  # what was found out only when all is put together names the setting
SETTINGS += [f"{each}{mark}" for each in ("task", "model", "optimizer", "lr_scheduler", "trainer") for mark in ":."]
PARTS = [
    "trainer.patience=2",
    "lr_scheduler.name=reduce_lr_on_plateau",
    "callbacks.ema.decay=0.9",
]


@dataclass(frozen=True)
class Place:
    """A finished run that is broken and mended again, and a trainer of the same settings."""

    folder: Path
    trainer: Trainer

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / CHECKPOINT

    def break_file(self, path: Path, content: bytes) -> bytes:
        """Put something else into a file that may be forged, and return what was in it when it was whole."""
        kept = self.folder.parent / "kept" / path.relative_to(self.folder)
        for name in MENDED:
            if (kept.parent / name).exists():
                shutil.copyfile(kept.parent / name, path.parent / name)
        path.write_bytes(content)
        return kept.read_bytes()


@pytest.fixture(scope="module")
def registry() -> Any:
    """Everything that is installed, and the toy parts."""
    return RegistryBuilder.with_everything_installed().registry


@pytest.fixture(scope="module")
def place(registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run with all kinds of state, and a copy of it as it was."""
    folder = tmp_path_factory.mktemp("fuzz")
    make = RunMaker(registry, folder)
    make(*PARTS)
    config = make._config(*PARTS, "trainer.max_steps=4")
    run = make.folder("run")
    whole = ["data.max_tokens=99", "task.train=a", "task.source_lang=en", "task.target_lang=de", "callbacks.ema={}"]
    run.write_config(to_yaml(resolve(registry, task="translation", overrides=whole).config))  # a real task's
    (run.path / "lock").write_text("")
    shutil.copytree(run.path, folder / "kept")
    return Place(run.path, make_trainer(config, registry, run))


def original(place: Place, name: str) -> bytes:
    return (place.folder.parent / "kept" / name).read_bytes()


def forged(place: Place, name: str, content: bytes) -> None:
    """Break a file of the checkpoint, and write a manifest that says that all files are right."""
    place.break_file(place.checkpoint / name, content)
    (place.checkpoint / manifest_module.NAME).unlink()
    manifest_module.write_manifest(place.checkpoint, step=4, epoch=1, measures={})


def load_all(checkpoint: Path) -> dict[str, Any]:
    opened = Checkpoint.verified(checkpoint)
    return {part: opened.load(part) for part in opened.parts}


def read_config(path: Path, registry: Any) -> None:
    """Read a configuration; what it means must not change when it is written again."""
    config = resolve(registry, config_file=path).config
    again = path.with_suffix(".again")
    again.write_text(to_yaml(config), encoding="utf-8")
    assert resolve(registry, config_file=again).config == config


def as_yaml(tree: Any) -> bytes:
    """Write YAML, plain texts without quotes; as JSON, which is YAML too, where the library cannot."""
    try:
        text = yaml.safe_dump(tree)
    except RecursionError:
        text = json.dumps(tree)
    return text.encode("utf-8", "surrogatepass")


BYTES = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed"])
@pytest.mark.parametrize("name", ["manifest.json", "state.json", "model.safetensors", "optimizer.safetensors"])
@fuzzed
@given(data=st.data())
def test_no_changed_byte_of_a_checkpoint_is_used(data, name, how, place, breaking_bytes, ours, count):
    """The manifest's hashes tell, its own included; a blank that became another blank there is all that may differ."""
    whole = original(place, f"checkpoints/{CHECKPOINT}/{name}")
    content = data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole)
    place.break_file(place.checkpoint / name, content)
    count()

    with ours(name):
        load_all(place.checkpoint)
        assert content == whole or (name == "manifest.json" and json.loads(content) == json.loads(whole))


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed"])
@pytest.mark.parametrize("name", FILES)
@fuzzed
@given(data=st.data())
def test_a_checkpoint_with_right_hashes_and_wrong_content_is_refused(
    data, name, how, place, breaking_bytes, ours, count
):
    """A stranger can forge the hashes too."""
    whole = original(place, f"checkpoints/{CHECKPOINT}/{name}")
    forged(place, name, data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole))
    count()

    with ours(CHECKPOINT):
        load_all(place.checkpoint)


@pytest.mark.fault("F31")
@fuzzed
@given(data=st.data())
def test_a_forged_manifest_is_refused(data, place, breaking_tree, ours, count):
    """Every entry of another kind, gone, renamed; its own hash is right."""
    record = json.loads(original(place, f"checkpoints/{CHECKPOINT}/manifest.json"))
    del record["sha256"]
    record = breaking_tree(data, record)
    if isinstance(record, dict):
        record["sha256"] = manifest_module._digest(record)
    place.break_file(place.checkpoint / "manifest.json", json.dumps(record).encode())
    count()

    with ours(CHECKPOINT):
        load_all(place.checkpoint)


@pytest.mark.fault("F31")
@fuzzed
@given(data=st.data())
def test_a_forged_state_is_taken_whole_or_refused(data, place, breaking_tree, ours, count):
    """Of every part: counters, optimizer, scheduler, callbacks, guard, metrics; what is taken can be saved again."""
    state = json.loads(original(place, f"checkpoints/{CHECKPOINT}/state.json"))
    forged(place, "state.json", json.dumps(breaking_tree(data, state)).encode())
    count()

    with ours(CHECKPOINT, "training data"):
        place.trainer.restore()
        progress = place.trainer.progress
        assert all(type(each) is int and each >= 0 for each in (progress.step, progress.epoch, progress.cursor))
        assert type(progress.epoch_ended) is bool


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed"])
@pytest.mark.parametrize("name", [LAST, BEST, RANKING])
@fuzzed
@given(data=st.data())
def test_a_broken_pointer_is_refused(data, name, how, place, breaking_bytes, ours, count):
    """It leads to a checkpoint of this folder, or nowhere."""
    path = place.folder / "checkpoints" / name
    whole = original(place, f"checkpoints/{name}")
    place.break_file(path, data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole))
    catalog = CheckpointCatalog(path.parent)
    count()

    with ours(name):
        if name == RANKING:
            assert all(each.path.parent == path.parent for each in catalog.ranked())
        else:
            assert catalog.find(name).parent == path.parent


@pytest.mark.fault("F31")
@fuzzed
@given(data=st.data())
def test_a_broken_ranking_is_refused(data, place, breaking_tree, ours, count):
    """Every entry of another kind, gone, renamed."""
    ranking = json.loads(original(place, f"checkpoints/{RANKING}"))
    path = place.folder / "checkpoints" / RANKING
    place.break_file(path, json.dumps(breaking_tree(data, ranking)).encode())
    count()

    with ours(RANKING):
        CheckpointCatalog(path.parent).ranked()


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed", "changed values"])
@fuzzed
@given(data=st.data())
def test_broken_measures_never_stop_a_run(data, how, place, breaking_bytes, breaking_tree, count):
    """A line that says no step is left out, and the others stay as they are."""
    path = place.folder / "metrics.jsonl"
    whole = original(place, "metrics.jsonl")
    lines = [json.loads(line) for line in whole.splitlines()]
    if how == "changed values":
        broken = breaking_tree(data, lines)
        content = b"".join(
            json.dumps(each).encode() + b"\n" for each in (broken if isinstance(broken, list) else [broken])
        )
    else:
        content = data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole)
    path.write_bytes(content)
    metric_logger = MetricLogger(
        WorkerGroup(), place.trainer.config.validate, AppendFile(path), run_hooks({}).hook, NoProgressBar()
    )
    count()

    metric_logger.truncate_after(3)

    assert set(path.read_bytes().splitlines()) <= set(content.splitlines())


@pytest.mark.fault("F31")
@fuzzed
@given(content=BYTES)
def test_a_lock_of_any_content_is_taken(content, place, count):
    """It is the system that holds it, not what is written in it."""
    (place.folder / "lock").write_bytes(content)
    count()

    with RunFolder(place.folder).lock():
        assert str(os.getpid()) in (place.folder / "lock").read_text(encoding="utf-8")


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed", "changed values"])
@fuzzed
@given(data=st.data())
def test_a_broken_configuration_is_refused(data, how, place, registry, breaking_bytes, breaking_tree, ours, count):
    """By a message that begins with its name; what is not refused means the same when it is written again."""
    path = place.folder / "config.yaml"
    whole = original(place, "config.yaml")
    if how == "changed values":
        content = as_yaml(breaking_tree(data, yaml.safe_load(whole)))
    else:
        content = data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole)
    path.write_bytes(content)
    count()

    with ours("config.yaml", *SETTINGS):
        read_config(path, registry)


@pytest.mark.fault("F31")
@fuzzed
@given(
    key=st.sampled_from(["task.examples", "model.dropout", "trainer.clip_norm", "callbacks.ema", "data.cache_dir", "x"])
    | st.text(max_size=8),
    value=st.sampled_from(
        ["", "${data.seed}", "${x}", "[", "{a: 1}", "[[1]]", '"\\ud800"', "1" * 5000, '"\\UFFFFFFFF"']
    )
    | st.text(max_size=30),
)
def test_any_argument_is_read_or_refused(key, value, place, registry, ours, count):
    """Keys and values of any text."""
    count()

    with ours("argument", *SETTINGS):
        resolve(registry, task="toy/toy", overrides=[f"{key}={value}"])


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed", "changed values"])
@fuzzed
@given(data=st.data())
def test_a_broken_word_to_a_worker_is_refused(data, how, place, registry, breaking_bytes, breaking_tree, ours, count):
    """What a launcher hands on is JSON on a command line."""
    whole = {
        "config": original(place, "config.yaml").decode(),
        "run_dir": str(place.folder),
        "fresh": False,
        "accept_changes": False,
        "command": ["seqtrain", "train"],
        "verbose": False,
        "plugins": {"acme": ["acme", "1.0"]},
        "plugin_filters": {},
    }
    if how == "changed values":
        text = json.dumps(breaking_tree(data, whole))
    else:
        text = (data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, json.dumps(whole).encode())).decode(
            errors="surrogateescape"
        )
    count()

    with ours("worker", "A worker"):
        WorkerSpec.read(text).request(registry)


@pytest.mark.fault("F8")
def test_a_configuration_without_end_is_not_read(place, registry, ours):
    """A sparse file of gigabytes costs nothing."""
    with (place.folder / "config.yaml").open("wb") as file:
        file.truncate(1 << 34)

    with ours("1,000,000 bytes"):
        read_config(place.folder / "config.yaml", registry)
        raise AssertionError


@pytest.mark.fault("F31")
def test_the_whole_run_is_what_was_broken(place):
    """The files as they were are read, so that the tests above break what would be right."""
    for file in (place.folder.parent / "kept").rglob("*"):
        if file.is_file():
            shutil.copyfile(file, place.folder / file.relative_to(place.folder.parent / "kept"))

    assert place.trainer.restore()
    assert isinstance(load_all(place.checkpoint)["model"], dict)
    assert hashlib.sha256((place.folder / "config.yaml").read_bytes()).digest()
    assert torch.is_tensor(next(iter(load_all(place.checkpoint)["model"].values())))
    with pytest.raises(CheckpointError):
        CheckpointCatalog(place.folder / "checkpoints").find("nothing")
