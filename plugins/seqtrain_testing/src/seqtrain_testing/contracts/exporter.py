"""What holds for every exporter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seqtrain.config.option import Selection
from seqtrain.inference.load import TrainedRun
from seqtrain.protocols.runs import Exporter
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing, leaves
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.contracts.content import content_of
from seqtrain_testing.runs import RunMaker


class ExporterContract(ComponentContract):
    """
    An exporter writes a trained model in another program's format, and changes nothing else.

    It is tried on a toy run. Override `run_settings` where the format has a place for certain models only.
    """

    kind = "exporter"

    @pytest.fixture
    def run_settings(self) -> list[str]:
        """What makes a tiny run with a model that the exporter can write, as `key=value`."""
        return []

    @pytest.fixture
    def trained_run(self, make_run: RunMaker, run_settings: list[str]) -> TrainedRun:
        """The run."""
        make_run(*run_settings, steps=2)
        return make_run.load(*run_settings)

    @pytest.fixture
    def exporter(self, registry: Registry, selection: Selection) -> Exporter:
        """The exporter."""
        exporter: Exporter = self.build(registry, selection)
        return exporter

    @pytest.fixture
    def output(self, tmp_path: Path) -> Path:
        """Where to write: nothing is there yet, and the name has no ending."""
        return _new_output(tmp_path / "first")

    def test_it_writes_the_output(self, exporter: Exporter, trained_run: TrainedRun, output: Path) -> None:
        """Afterwards there is a file, or a folder of files, exactly where it was told; nothing lies beside it."""
        exporter(trained_run, output)

        assert [path.name for path in output.parent.iterdir()] == [output.name]
        assert [name for name in content_of(output) if (output / name).stat().st_size > 0] != []

    def test_the_run_folder_stays_as_it_is(
        self, exporter: Exporter, trained_run: TrainedRun, output: Path, make_run: RunMaker
    ) -> None:
        """Not a byte of the run changes, and no file is added."""
        before = content_of(make_run.folder().path)
        exporter(trained_run, output)

        assert content_of(make_run.folder().path) == before

    def test_the_model_stays_as_it_is(self, exporter: Exporter, trained_run: TrainedRun, output: Path) -> None:
        """Weights are the same bit for bit, the model is in evaluation mode, and what could be trained still can be."""
        model = trained_run.models[0]
        before = {name: value.clone() for name, value in model.state_dict().items()}
        trainable = [name for name, each in model.named_parameters() if each.requires_grad]
        exporter(trained_run, output)

        assert differing(before, leaves(model.state_dict())) == []
        assert [name for name, each in model.named_modules() if each.training] == []
        assert [name for name, each in model.named_parameters() if each.requires_grad] == trainable

    def test_the_same_run_gives_the_same_bytes(
        self, exporter: Exporter, trained_run: TrainedRun, output: Path, tmp_path: Path, make_run: RunMaker,
        run_settings: list[str],
    ) -> None:  # fmt: skip
        """Loaded and exported again, into another folder, it gives files that are equal byte by byte."""
        again = _new_output(tmp_path / "second")
        exporter(trained_run, output)
        exporter(make_run.load(*run_settings), again)

        assert content_of(again) == content_of(output)

    def test_other_weights_give_other_bytes(
        self, exporter: Exporter, trained_run: TrainedRun, output: Path, tmp_path: Path
    ) -> None:
        """What is written holds every weight: it changes with each of them."""
        exporter(trained_run, output)
        before = content_of(output)
        model = trained_run.models[0]
        unnoticed = []
        for number, (name, parameter) in enumerate(model.named_parameters()):
            kept = parameter.data.clone()
            parameter.data.add_(1.0)
            other = _new_output(tmp_path / f"other-{number}")
            exporter(trained_run, other)
            if content_of(other) == before:
                unnoticed.append(name)
            parameter.data.copy_(kept)

        assert unnoticed == []

    def test_the_first_model_is_the_one_that_is_written(
        self, exporter: Exporter, trained_run: TrainedRun, output: Path, tmp_path: Path, make_run: RunMaker,
        run_settings: list[str],
    ) -> None:  # fmt: skip
        """Of several checkpoints, the first counts."""
        make_run(*run_settings, "trainer.seed=7", steps=2, name="other")
        other = make_run.load(*run_settings, name="other")
        both = replace(
            trained_run,
            models=[*trained_run.models, *other.models],
            checkpoints=[*trained_run.checkpoints, *other.checkpoints],
        )
        of_both = _new_output(tmp_path / "second")
        exporter(trained_run, output)
        exporter(both, of_both)

        assert content_of(of_both) == content_of(output)


def _new_output(folder: Path) -> Path:
    folder.mkdir()
    return folder / "exported"
