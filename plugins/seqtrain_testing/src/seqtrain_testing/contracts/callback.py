"""What holds for every callback."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from seqtrain.config.option import Selection
from seqtrain.protocols import Stateful
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.hooks import read_hooks
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing, leaves
from seqtrain_testing.contracts.training import TrainedComponentContract
from seqtrain_testing.runs import RunMaker, saved_state


class CallbackContract(TrainedComponentContract):
    """A callback watches a run through hooks; what it remembers is saved with the run."""

    kind = "callback"

    @property
    def setting_words(self) -> list[str]:
        """What adds it to a run."""
        return words_of_map("callbacks", self.name, self.settings)

    @pytest.fixture
    def callback(self, registry: Registry, selection: Selection) -> Any:
        """The callback."""
        return self.build(registry, selection)

    def test_its_hooks_can_be_called(self, callback: object) -> None:
        """It implements at least one hook; each is known, names arguments the hook has, and is no wrapper."""
        assert read_hooks(callback, self.name) != []

    def test_runs_do_not_share_it(self, registry: Registry, selection: Selection, callback: object) -> None:
        """Every run has an instance of its own."""
        assert self.build(registry, selection) is not callback

    def test_what_it_does_to_the_model_is_done_to_a_loaded_one(
        self, make_run: RunMaker, run_settings: list[str]
    ) -> None:
        """The weights of a run with it fit the model that is built for prediction, by their names and shapes."""
        trained = make_run(*run_settings, steps=2).model.state_dict()
        loaded = make_run.load(*run_settings).models[0].state_dict()

        assert {name: each.shape for name, each in loaded.items()} == {
            name: each.shape for name, each in trained.items()
        }

    def test_its_state_survives_saving_and_loading(
        self, make_run: RunMaker, run_settings: list[str], registry: Registry, selection: Selection,
        registered: RegisteredComponent,
    ) -> None:  # fmt: skip
        """What it remembers after a run, a new one remembers after loading it."""
        trainer = make_run(*run_settings, steps=4)
        parts = [part for name, part in trainer.state.items() if name.startswith("callbacks.")]
        if not parts:
            assert not isinstance(self.build(registry, selection), Stateful)
            pytest.skip("it has no state")
        other = self.build(registry, selection)
        other.load_state_dict(copy.deepcopy(parts[0].state_dict()))

        assert differing(leaves(parts[0].state_dict()), leaves(other.state_dict())) == []
        assert leaves(parts[0].state_dict()) != {}

    def test_its_state_is_in_the_checkpoint(
        self, make_run: RunMaker, run_settings: list[str], registry: Registry, selection: Selection
    ) -> None:
        """If it has state, a checkpoint holds it under its name."""
        if not isinstance(self.build(registry, selection), Stateful):
            pytest.skip("it has no state")
        state = saved_state(make_run(*run_settings, steps=2))

        assert [name for name in state if name.startswith(f"callbacks.{self.name}")] != []


def words_of_map(section: str, name: str, settings: Any) -> list[str]:
    """Return what names a component, and its settings, in a section that is a map of names."""
    chosen = [f"{section}.{name}.{key}={'null' if value is None else value}" for key, value in settings.items()]
    return chosen or [f"{section}.{name}={{}}"]
