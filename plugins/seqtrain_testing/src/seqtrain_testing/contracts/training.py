"""What holds for every component that takes part in training."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import ClassVar, cast

import pytest
import torch

from seqtrain.batch import Batch
from seqtrain.protocols import ModelSpec
from seqtrain.registry.component import RegisteredComponent
from seqtrain.run.compare import differing
from seqtrain_testing import samples
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.registry import INLINE
from seqtrain_testing.runs import RunMaker, digest, digest_in_worker, saved_state


class TrainedComponentContract(ComponentContract):
    """A run with the component can be repeated, interrupted, and made by another process."""

    @pytest.fixture
    def run_settings(self) -> list[str]:
        """What makes a toy run use the component, as `key=value`."""
        return self.setting_words

    def test_the_same_run_ends_the_same(self, make_run: RunMaker, run_settings: list[str]) -> None:
        """Two runs of one configuration are equal bit for bit."""
        first, second = (saved_state(make_run(*run_settings, steps=3, name=name)) for name in ("first", "second"))

        assert differing(first, second) == []

    def test_an_interrupted_run_goes_on_to_the_bit(self, make_run: RunMaker, run_settings: list[str]) -> None:
        """Stopped after three updates and started again, a run of six ends as if nothing had happened."""
        whole = saved_state(make_run(*run_settings, steps=6, name="whole"))
        make_run(*run_settings, steps=6, stop_at=3, name="interrupted")
        resumed = saved_state(make_run(*run_settings, steps=6, name="interrupted"))

        assert differing(whole, resumed) == []

    def test_a_spawned_worker_can_use_it(
        self,
        registered: RegisteredComponent,
        run_settings: list[str],
        make_run: RunMaker,
        spawned_worker: Executor,
        tmp_path: Path,
    ) -> None:
        """A process that was started from nothing finds it by name, and trains the same."""
        if registered.plugin.id == INLINE:
            pytest.skip("it is registered by this test alone")
        asked = (tuple(run_settings), str(tmp_path / "worker"), torch.get_num_threads())
        elsewhere = spawned_worker.submit(digest_in_worker, *asked)

        assert digest(saved_state(make_run(*run_settings, steps=2))) == elsewhere.result()


class BatchContract(TrainedComponentContract):
    """
    A component that sees batches.

    `form` says what these look like (see `seqtrain_testing.samples`); by default the first of its record's tasks does.
    """

    form: ClassVar[samples.Form | None] = None

    @pytest.fixture
    def data_form(self, registered: RegisteredComponent) -> samples.Form:
        """What batches look like."""
        first = (*registered.component.for_tasks, "translation")[0]
        return self.form or cast("samples.Form", first)

    @pytest.fixture
    def spec(self, data_form: samples.Form) -> ModelSpec:
        """What the component is told of the data."""
        return samples.model_spec(data_form)

    @pytest.fixture
    def examples(self, data_form: samples.Form) -> list[samples.Example]:
        """Sentences of several lengths."""
        return samples.make_examples(data_form, 5)

    @pytest.fixture
    def batch(self, data_form: samples.Form, examples: list[samples.Example]) -> Batch:
        """These, side by side."""
        return samples.make_batch(data_form, examples)

    @pytest.fixture
    def run_settings(self, data_form: samples.Form) -> list[str]:
        """What makes a toy run use the component on such batches."""
        return [f"task.form={data_form}", *self.setting_words]
