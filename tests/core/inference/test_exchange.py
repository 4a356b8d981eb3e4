"""Exporting and importing: what is there in the end is whole, and whose fault it is where nothing is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.checkpoint.atomic_io import finished_as, refuse_occupied
from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import CheckpointError, ConfigError, DataError, PluginError, UsageError
from seqtrain.inference.exchange import export_run, import_run
from seqtrain.inference.load import TrainedRun, load_run
from seqtrain.plugin import Component, option
from seqtrain.protocols import Dataset, ModelSpec
from seqtrain.protocols.runs import Imported
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.open import open_run
from seqtrain.run.request import RunRequest
from seqtrain.task import Task
from seqtrain.workers.group import WorkerGroup


@dataclass(frozen=True, kw_only=True)
class EchoConfig:
    """Of the task."""

    mark: str = option("", help="what is put behind every line")
    cache_dir: str | None = option(None, help="unused")


class Echo(Task):
    """Predicts the line itself, behind it the word in its folder, and the model's weight."""

    def __init__(self, config: EchoConfig) -> None:
        self.config = config
        self.word = ""

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Do without data."""

    def load(self, artifacts: Path, cache: Path) -> None:
        """Read the word."""
        try:
            self.word = (artifacts / "word").read_text()
        except OSError as error:
            raise CheckpointError(f"{artifacts} holds no word.") from error

    model_spec = ModelSpec(vocab_size=3, padding=0, max_positions=9)  # type: ignore[assignment]

    def splits(self) -> Sequence[str]:
        return ["train"]

    def dataset(self, split: str) -> Dataset:
        raise NotImplementedError

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        yield from (f"{line}{self.config.mark} {self.word} {models[0].weight[0, 0]:g}" for line in lines)


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Of the model."""

    size: int = option(2, help="size", ge=1)


def net(config: NetConfig, *, spec: ModelSpec) -> nn.Module:
    return nn.Linear(config.size, spec.vocab_size)


def nothing(config: object, **supplied: Any) -> None:
    """Stand for any part that does not matter here."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an exporter or importer is to do: the name of a function below."""

    do: str = option("well", help="name")


def exporter(config: Told) -> Callable[[TrainedRun, Path], None]:
    return EXPORTERS[config.do]


def importer(config: Told) -> Callable[[Path, Path], object]:
    return IMPORTERS[config.do]


def write_well(run: TrainedRun, output: Path) -> None:
    model = run.config.model.config
    output.mkdir()
    weights = {name: each.tolist() for name, each in run.models[0].state_dict().items()}
    (output / "model.json").write_text(json.dumps({"size": model.size, "weights": weights}))
    (output / "word").write_text((run.artifacts / "word").read_text())


def write_and_fail(run: TrainedRun, output: Path) -> None:
    output.write_text("half")
    raise ValueError("no such operator")


def refuse(run: TrainedRun, output: Path) -> None:
    raise ConfigError("The format has no place for dropout.")


def write_elsewhere(run: TrainedRun, output: Path) -> None:
    output.with_suffix(".npz").write_text("")


def write_too_much(run: TrainedRun, output: Path) -> None:
    output.write_text("")
    output.with_name("notes").write_text("")


EXPORTERS: dict[str, Any] = {
    "well": write_well,
    "fail": write_and_fail,
    "refuse": refuse,
    "elsewhere": write_elsewhere,
    "too_much": write_too_much,
    "nothing": lambda run, output: None,
}

WEIGHTS = {"weight": torch.full((3, 2), 0.5), "bias": torch.arange(3.0)}
CONFIG: dict[str, Any] = {
    "task": {"name": "echo", "mark": "!"},
    "model": {"name": "net"},
    "criterion": {"name": "part"},
    "optimizer": {"name": "part"},
    "lr_scheduler": {"name": "part"},
}


def read_well(source: Path, artifacts: Path) -> Imported:
    (artifacts / "word").write_text(source.read_text())
    return Imported(config=CONFIG, weights=WEIGHTS)


def answering(**changed: Any) -> Callable[[Path, Path], Imported]:
    """Read well, but return something else."""

    def read(source: Path, artifacts: Path) -> Imported:
        read_well(source, artifacts)
        return Imported(**{"config": CONFIG, "weights": WEIGHTS, **changed})

    return read


def fail(error: Exception) -> Any:
    raise error


IMPORTERS: dict[str, Any] = {
    "well": read_well,
    "fail": lambda source, artifacts: fail(KeyError("encoder")),
    "refuse": lambda source, artifacts: fail(DataError(f"{source} is no such file.")),
    "none": lambda source, artifacts: None,
    "pair": lambda source, artifacts: (CONFIG, WEIGHTS),
    "no_map": answering(config=[("task", "echo")]),
    "no_weights": answering(weights=[1]),
    "no_tensor": answering(weights={**WEIGHTS, "bias": [0, 1, 2]}),
    "half": answering(weights={**WEIGHTS, "weight": WEIGHTS["weight"].half(), "bias": WEIGHTS["bias"].double()}),
    "missing": answering(weights={"weight": WEIGHTS["weight"]}),
    "surplus": answering(weights={**WEIGHTS, "scale": torch.ones(1)}),
    "reshaped": answering(weights={**WEIGHTS, "weight": torch.ones(3, 5)}),
    "no_word": lambda source, artifacts: Imported(config=CONFIG, weights=WEIGHTS),
    "no_task": answering(config={"model": {"name": "net"}}),
    "unknown_task": answering(config={**CONFIG, "task": {"name": "ecko"}}),
    "unknown_field": answering(config={**CONFIG, "model": {"name": "net", "seize": 2}}),
    "bad_value": answering(config={**CONFIG, "model": {"name": "net", "size": 0}}),
    "odd_texts": answering(config={**CONFIG, "task": {"name": "echo", "mark": "${no}"}, "trainer": {"max_steps": 7}}),
}


def part(kind: str, name: str, ref: str, config: str | None = None) -> Component:
    return Component(kind=kind, name=name, ref=f"{__name__}:{ref}", config=config and f"{__name__}:{config}")


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Toy parts, an exporter and an importer."""
    return Registry([
        Plugin(
            id="toy",
            distribution="toy",
            version="1.0",
            components=(
                part("task", "echo", "Echo", "EchoConfig"),
                part("model", "net", "net", "NetConfig"),
                *(part(kind, "part", "nothing") for kind in ("criterion", "optimizer", "lr_scheduler")),
                part("tracker", "tensorboard", "nothing"),
                part("exporter", "toy", "exporter", "Told"),
                part("importer", "toy", "importer", "Told"),
            ),
        )
    ])  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What the importers read."""
    path = tmp_path / "source.txt"
    path.write_text("hello")
    return path


@pytest.fixture
def bring(registry: Registry, tmp_path: Path, source: Path) -> Callable[..., RunFolder]:
    """Import into tmp_path / "runs" / "new", which does not exist yet, by one of the importers."""
    (tmp_path / "runs").mkdir()

    def run(do: str = "well", to: Path | None = None) -> RunFolder:
        selection = Selection("importer", "toy", Told(do=do))
        return import_run(source, to or tmp_path / "runs" / "new", selection, registry, command=["seqtrain", "import"])

    return run


def config_of(folder: RunFolder, registry: Registry) -> RunConfig:
    return resolve(registry, config_file=folder.config).config


@pytest.fixture
def trained(bring: Callable[..., RunFolder], registry: Registry) -> TrainedRun:
    """A run to export."""
    folder = bring()
    return load_run(folder, registry, config_of(folder, registry))


def left(folder: Path) -> list[str]:
    """Name all that is in a folder, hidden files included."""
    return sorted(each.name for each in folder.iterdir())


def test_an_imported_run_predicts(bring, registry) -> None:
    """By `last`, which is what there is, or by its own name."""
    folder = bring()
    config = config_of(folder, registry)

    for names in ([], ["last"], ["imported"]):
        run = load_run(folder, registry, config, checkpoints=names)
        assert list(run.task.predict(run.models, ["a", "b"])) == ["a! hello 0.5", "b! hello 0.5"]
        assert list(run.checkpoints) == ["imported"]
        assert run.config == config
        assert run.artifacts == folder.task


def test_an_imported_run_has_the_files_of_a_run(bring, tmp_path) -> None:
    """And nothing is left beside it."""
    folder = bring()

    assert left(tmp_path / "runs") == ["new"]
    assert left(folder.path) == ["checkpoints", "config.yaml", "environment.json", "task"]
    assert left(folder.checkpoints) == ["imported", "last"]
    environment = json.loads(folder.environment.read_text())
    assert (environment["command"], environment["plugins"].keys()) == (["seqtrain", "import"], {"toy"})
    assert str(tmp_path) not in folder.config.read_text()


def test_the_recipe_and_the_defaults_fill_in_the_rest(bring, registry) -> None:
    """Of sections that the importer says nothing of; a text is a text, whatever is in it."""
    config = config_of(bring("odd_texts"), registry)

    assert (config.trainer.max_steps, config.trainer.seed) == (7, 1)
    assert config.task.config.mark == "${no}"


def test_weights_are_saved_in_the_types_of_the_model(bring) -> None:
    """Whatever precision they were kept in elsewhere."""
    weights = CheckpointCatalog(bring("half").checkpoints).open("last").load("model")

    assert {each.dtype for each in weights.values()} == {torch.float32}
    assert torch.equal(weights["bias"], torch.arange(3.0))


@pytest.mark.parametrize(
    ("do", "kind", "said"),
    [
        ("fail", PluginError, r"importer 'toy' of plugin 'toy' \(toy 1\.0\) failed: KeyError: 'encoder'"),
        ("refuse", DataError, r"source\.txt is no such file\."),
        ("none", PluginError, r"importer 'toy' of .* returned NoneType, not a seqtrain\.api\.Imported"),
        ("pair", PluginError, r"returned tuple"),
        ("no_map", PluginError, r"config or weights that are no map"),
        ("no_weights", PluginError, r"config or weights that are no map"),
        ("no_tensor", PluginError, r"returned a weight 'bias' that is no tensor"),
        ("missing", CheckpointError, r"what importer 'toy' of .* returned do not fit this model\. Missing there: bias\. .*plugins show importer/toy/toy"),
        ("surplus", CheckpointError, r"Unknown here: scale\."),
        ("reshaped", CheckpointError, r"Other shapes: weight is \(3, 5\) there and \(3, 2\) here\. Settings of the importer"),
        ("no_word", PluginError, r"importer 'toy' of .* left something out that the task 'echo' needs: .* holds no word"),
        ("no_task", ConfigError, r"importer 'toy' of .* returned a configuration that cannot be used\. .*task\.name"),
        ("unknown_task", PluginError, r"importer 'toy': No task is named 'ecko'\. Did you mean 'echo'"),
        ("unknown_field", ConfigError, r"importer 'toy': model\.seize: no such field"),
        ("bad_value", ConfigError, r"importer 'toy': model\.size: expected int, >= 1, got '0'"),
    ],
)  # fmt: skip
def test_an_import_that_fails_leaves_nothing(bring, tmp_path, do, kind, said) -> None:
    """And says whose fault it is."""
    with pytest.raises(kind, match=said):
        bring(do)

    assert left(tmp_path / "runs") == []


def test_an_import_never_writes_into_what_is_there(bring, tmp_path) -> None:
    """A run, an empty folder, a file or a link; and the folder above must be there."""
    (tmp_path / "runs" / "new").mkdir()
    with pytest.raises(UsageError, match=r"new is there already"):
        bring()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"link is there already"):
        bring(to=tmp_path / "link")
    with pytest.raises(UsageError, match=r"There is no folder .*missing"):
        bring(to=tmp_path / "missing" / "new")


def request(folder: RunFolder, registry: Registry, **fields: Any) -> RunRequest:
    return RunRequest(config=config_of(folder, registry), run_dir=folder.path, **fields)


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Take back the log handlers of a run."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == "seqtrain"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.WARNING)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("accept_changes", [False, True])
def test_an_imported_run_is_not_trained_by_mistake(bring, registry, accept_changes) -> None:
    """It would start from new weights, and put its own in place of the imported ones; nothing is touched."""
    folder = bring()
    before = left(folder.path), left(folder.checkpoints)

    opening = open_run(request(folder, registry, accept_changes=accept_changes), registry, WorkerGroup())
    with pytest.raises(UsageError, match=r"holds an imported model: weights, and no training to go on with"):
        opening.__enter__()

    assert before == (left(folder.path), left(folder.checkpoints))


@pytest.mark.usefixtures("_quiet")
def test_a_fresh_run_sets_the_imported_one_aside(bring, registry) -> None:
    """As it does with any run."""
    folder = bring()

    with open_run(request(folder, registry, fresh=True), registry, WorkerGroup()):
        pass

    assert left(folder.path.parent) == ["new", "new.old-1"]
    assert (folder.path.parent / "new.old-1" / "checkpoints" / "imported").is_dir()


def test_the_imported_checkpoint_is_listed_verified_and_not_replaced(bring) -> None:
    """As one beside those of training; no average may take its name."""
    folder = bring()
    store = CheckpointStore(folder.checkpoints)

    assert [each.name for each in store.averages()] == ["imported"]
    assert store.checkpoints() == []
    with pytest.raises(UsageError, match="cannot be called 'imported'"):
        store.save_average("imported", {}, [store.open("last")])


def test_an_export_is_written_under_its_own_name(trained, registry, tmp_path) -> None:
    """The exporter sees that name, so that it can go by its suffix."""
    seen: list[Path] = []
    EXPORTERS["look"] = lambda run, output: (seen.append(output), write_well(run, output))

    export_run(trained, tmp_path / "out.model", Selection("exporter", "toy", Told(do="look")), registry)

    assert left(tmp_path) == ["out.model", "runs", "source.txt"]
    assert json.loads((tmp_path / "out.model" / "model.json").read_text())["weights"]["bias"] == [0, 1, 2]
    assert (tmp_path / "out.model" / "word").read_text() == "hello"
    assert seen[0].name == "out.model"
    assert seen[0] != tmp_path / "out.model"


@pytest.mark.parametrize(
    ("do", "kind", "said"),
    [
        ("fail", PluginError, r"exporter 'toy' of plugin 'toy' \(toy 1\.0\) failed: ValueError: no such operator"),
        ("refuse", ConfigError, r"^The format has no place for dropout\.$"),
        ("elsewhere", PluginError, r"exporter 'toy' of .* was to write out\.onnx, and wrote out\.npz\."),
        ("too_much", PluginError, r"was to write out\.onnx, and wrote notes, out\.onnx\."),
        ("nothing", PluginError, r"and wrote nothing\."),
    ],
)
def test_an_export_that_fails_leaves_nothing(trained, registry, tmp_path, do, kind, said) -> None:
    """Not even what it had written."""
    with pytest.raises(kind, match=said):
        export_run(trained, tmp_path / "out.onnx", Selection("exporter", "toy", Told(do=do)), registry)

    assert left(tmp_path) == ["runs", "source.txt"]


def test_an_export_never_replaces_anything(trained, registry, tmp_path) -> None:
    """Neither what was there nor what came meanwhile."""
    out = tmp_path / "out"
    EXPORTERS["slow"] = lambda run, output: (output.write_text("new"), out.write_text("somebody else's"))

    for _ in range(2):
        with pytest.raises(UsageError, match="out is there already"):
            export_run(trained, out, Selection("exporter", "toy", Told(do="slow")), registry)
        assert out.read_text() == "somebody else's"
    assert left(tmp_path) == ["out", "runs", "source.txt"]


def test_an_interruption_leaves_nothing(tmp_path) -> None:
    """Ctrl-C in the middle of an export."""
    with pytest.raises(KeyboardInterrupt), finished_as(tmp_path / "out") as unfinished:
        unfinished.mkdir()
        (unfinished / "half").write_text("")
        raise KeyboardInterrupt

    assert left(tmp_path) == []


def test_a_free_place_is_no_error(tmp_path) -> None:
    """In a folder that is there."""
    refuse_occupied(tmp_path / "out")
