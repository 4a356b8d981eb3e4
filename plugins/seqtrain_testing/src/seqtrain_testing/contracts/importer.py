"""What holds for every importer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from seqtrain.build import build_engine, build_model, build_task
from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import DataError
from seqtrain.inference.load import load_weights
from seqtrain.protocols.runs import Imported, Importer
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing
from seqtrain.task import Task
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.contracts.content import content_of


class Usable(NamedTuple):
    """What was imported, as a run uses it."""

    task: Task
    model: nn.Module


class ImporterContract(ComponentContract):
    """
    An importer reads a model that another program has trained, and says in our terms what it is.

    Give the fixture `source`: a small model in that program's format.
    """

    kind = "importer"
    lines: ClassVar[Sequence[str]] = ("one two", "a red house", "")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """The other program's file or folder."""
        raise NotImplementedError("Write a small model in the format that is imported, and return its path.")

    @pytest.fixture
    def importer(self, registry: Registry, selection: Selection) -> Importer:
        """The importer."""
        importer: Importer = self.build(registry, selection)
        return importer

    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> Path:
        """RUN/task, empty."""
        return _new_artifacts(tmp_path / "run")

    @pytest.fixture
    def imported(self, importer: Importer, source: Path, artifacts: Path) -> Imported:
        """What the importer gives."""
        return importer(source, artifacts)

    @pytest.fixture
    def config(self, registry: Registry, imported: Imported) -> RunConfig:
        """The configuration that it stands for, with what the task's recipe adds."""
        return resolve(registry, overrides=[*_words(imported.config), "distributed.device=cpu"]).config

    @pytest.fixture
    def usable(self, registry: Registry, imported: Imported, config: RunConfig, artifacts: Path) -> Usable:
        """Task and model, made from what was imported and nothing else."""
        task = build_task(config, registry)
        task.load(artifacts, artifacts.parent / "cache")
        model = build_model(config, registry, task.model_spec, build_engine(config))
        load_weights(model, imported.weights, "the imported model")
        return Usable(task, model.eval())

    def test_its_config_says_what_the_model_is(self, imported: Imported) -> None:
        """There are sections for the task and for the model, each with a name."""
        sections = {section: imported.config.get(section) for section in ("task", "model")}

        assert {
            key: each for key, each in sections.items() if not isinstance(each, Mapping) or "name" not in each
        } == {}

    def test_its_config_is_valid(self, config: RunConfig) -> None:
        """With the task's recipe it makes a whole configuration of installed components."""
        assert (config.task.kind, config.model.kind) == ("task", "model")

    def test_weights_are_tensors_by_name(self, imported: Imported) -> None:
        """Each is a tensor that no other program has to be asked for, and all are finite."""
        assert len(imported.weights) > 0
        assert [name for name, each in imported.weights.items() if not isinstance(each, Tensor)] == []
        assert [
            name for name, each in imported.weights.items() if each.is_floating_point() and not each.isfinite().all()
        ] == []

    def test_weights_fit_the_model(self, imported: Imported, usable: Usable) -> None:
        """The model that its config describes takes them all, lacks none, and has their values afterwards."""
        state = usable.model.state_dict()
        changed = [name for name, each in imported.weights.items() if not torch.equal(state[name].to(each.dtype), each)]

        assert changed == []

    def test_it_can_predict(self, usable: Usable) -> None:
        """The task finds all it needs in what the importer wrote: a line comes out for each that goes in."""
        predicted = list(usable.task.predict([usable.model], iter(self.lines)))

        assert len(predicted) == len(self.lines)

    def test_the_source_is_not_needed_any_more(
        self, registry: Registry, source: Path, config: RunConfig, artifacts: Path
    ) -> None:
        """With the other program's files gone, and the run's folder moved, the task can be loaded."""
        shutil.rmtree(source) if source.is_dir() else source.unlink()
        task = build_task(config, registry)
        task.load(artifacts.rename(artifacts.with_name("moved")), artifacts.parent / "cache")

        assert task.model_spec.vocab_size > 0

    def test_the_source_stays_as_it_is(self, importer: Importer, source: Path, artifacts: Path) -> None:
        """Reading changes none of its files, and adds none."""
        before = content_of(source)
        importer(source, artifacts)

        assert content_of(source) == before

    def test_the_same_source_gives_the_same(
        self, registry: Registry, selection: Selection, source: Path, imported: Imported, artifacts: Path,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        """Imported again, configuration, weights and the task's files are equal."""
        other = _new_artifacts(tmp_path / "other")
        again: Imported = self.build(registry, selection)(source, other)

        assert again.config == imported.config
        assert differing(dict(imported.weights), dict(again.weights)) == []
        assert content_of(other) == content_of(artifacts)

    def test_a_missing_source_is_told(self, importer: Importer, source: Path, artifacts: Path) -> None:
        """The error is a DataError that names it."""
        with pytest.raises(DataError, match="not-there"):
            importer(source.with_name("not-there"), artifacts)

    @pytest.mark.parametrize("damage", ["empty", "half", "garbage"])
    def test_a_damaged_source_is_told(self, importer: Importer, source: Path, artifacts: Path, damage: str) -> None:
        """If its largest file is empty, ends half-way or holds something else, the error is a DataError."""
        files = [source] if source.is_file() else [each for each in source.rglob("*") if each.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        content = largest.read_bytes()
        garbage = b"\xff\xfe\x00" * (len(content) // 3)
        largest.write_bytes({"empty": b"", "half": content[: len(content) // 2], "garbage": garbage}[damage])

        with pytest.raises(DataError):
            importer(source, artifacts)

    def test_another_kind_of_source_is_told(self, importer: Importer, artifacts: Path, tmp_path: Path) -> None:
        """A folder without files, and a file that is text, are no model: a DataError."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "notes.txt").write_text("no model\n")
        for other in ("empty", "notes.txt"):
            with pytest.raises(DataError):
                importer(tmp_path / other, artifacts)


def _new_artifacts(run: Path) -> Path:
    artifacts = run / "task"
    artifacts.mkdir(parents=True)
    return artifacts


def _words(config: Mapping[str, Any]) -> list[str]:
    """Return sections as `section={...}`; JSON is YAML."""
    return [f"{section}={json.dumps(values)}" for section, values in config.items()]
