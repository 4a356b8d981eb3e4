"""What holds for every tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtrain.config.option import Selection
from seqtrain.registry.hooks import read_hooks
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing
from seqtrain_testing.contracts.callback import words_of_map
from seqtrain_testing.contracts.training import TrainedComponentContract
from seqtrain_testing.runs import RunMaker, saved_state

_METRICS = {"train/loss": 2.5, "train/lr": 0.001, "valid/loss": float("nan"), "valid/news/bleu": 30.0}


class TrackerContract(TrainedComponentContract):
    """A tracker is told the metrics of a run; the run goes on as if it were not there."""

    kind = "tracker"

    @property
    def setting_words(self) -> list[str]:
        """What adds it to a run."""
        return words_of_map("trackers", self.name, self.settings)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where it may write; does not exist yet."""
        return tmp_path / "run" / "tracker"

    @pytest.fixture
    def tracker(self, registry: Registry, selection: Selection, folder: Path) -> Any:
        """The tracker."""
        return self.build(registry, selection, folder=folder)

    def test_it_listens_to_metrics(self, tracker: object) -> None:
        """It implements seqtrain_metrics, and no hook that does not exist."""
        assert "seqtrain_metrics" in [each.hook for each in read_hooks(tracker, self.name)]

    def test_making_it_writes_nothing(self, tracker: object, folder: Path) -> None:
        """Every process of a run makes one; only the one that has metrics may leave files."""
        assert tracker is not None
        assert not folder.exists() or not any(folder.iterdir())

    def test_it_takes_any_metrics(self, tracker: object) -> None:
        """Other names in each line, NaN, and a step that comes again after a resumption, raise nothing."""
        for step, names in enumerate((_METRICS, {"train/loss": 1.0}, {}, _METRICS)):
            _call(tracker, "seqtrain_metrics", step=min(step, 2), metrics=names)

    def test_the_run_is_what_it_is_without(self, make_run: RunMaker, run_settings: list[str]) -> None:
        """Parameters and state end the same bit for bit."""
        watched, alone = make_run(*run_settings, steps=4, name="watched"), make_run(steps=4, name="alone")

        assert differing(saved_state(alone), saved_state(watched)) == []

    def test_nothing_stays_open(self, make_run: RunMaker, run_settings: list[str]) -> None:
        """After three runs this process has as many open files as after the first."""
        counts = []
        for number in range(3):
            make_run(*run_settings, steps=2, name=f"run-{number}")
            counts.append(len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0)

        assert counts[0] == counts[-1]


def _call(owner: object, hook: str, **arguments: Any) -> None:
    """Call an implementation itself, as a run would but without its patience."""
    for each in read_hooks(owner, "tracker"):
        if each.hook == hook:
            each.function(**{name: arguments[name] for name in each.arguments})
