"""What holds for every learning-rate scheduler."""

from __future__ import annotations

import math

import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import ConfigError
from seqtrain.protocols import LRScheduler, Stateful
from seqtrain.registry.registry import Registry
from seqtrain_testing.contracts.training import TrainedComponentContract

_TOTAL_STEPS = 10_000  # more than any usual warm-up


class LRSchedulerContract(TrainedComponentContract):
    """A scheduler gives, for update number n counted from 1, the factor of the optimizer's own learning rate."""

    kind = "lr_scheduler"

    @pytest.fixture
    def scheduler(self, registry: Registry, selection: Selection) -> LRScheduler:
        """The scheduler of a run of 10,000 updates."""
        built: LRScheduler = self.build(registry, selection, total_steps=_TOTAL_STEPS)
        return built

    def test_every_factor_is_a_number_of_at_least_zero(self, scheduler: LRScheduler) -> None:
        """Within the run and beyond its end, as a run may be prolonged."""
        factors = [scheduler(step) for step in range(1, 2 * _TOTAL_STEPS)]

        assert [each for each in factors if not math.isfinite(each) or each < 0] == []

    def test_the_first_update_moves_something(self, scheduler: LRScheduler) -> None:
        """The first factor is above zero: an update that changes nothing is a wasted one."""
        assert scheduler(1) > 0

    def test_it_reaches_the_learning_rate_that_was_set(self, scheduler: LRScheduler) -> None:
        """The largest factor is 1, so that `optimizer.lr` means what it says."""
        assert max(scheduler(step) for step in range(1, _TOTAL_STEPS + 1)) == pytest.approx(1, rel=1e-3)

    def test_the_factor_depends_on_the_step_alone(
        self, registry: Registry, selection: Selection, scheduler: LRScheduler
    ) -> None:
        """Asked backwards or twice, it gives the same; else a resumed run would have other rates."""
        forwards = [scheduler(step) for step in range(1, _TOTAL_STEPS + 1)]
        other: LRScheduler = self.build(registry, selection, total_steps=_TOTAL_STEPS)
        backwards = [other(step) for step in range(_TOTAL_STEPS, 0, -1)]

        assert backwards[::-1] == forwards

    def test_a_run_without_limit_is_served_or_refused(self, registry: Registry, selection: Selection) -> None:
        """Where nobody knows the last update, it works, or says by a ConfigError which setting it needs."""
        try:
            scheduler: LRScheduler = self.build(registry, selection, total_steps=None)
        except ConfigError as error:
            refusal = str(error)
        else:
            refusal = ""
            assert math.isfinite(scheduler(1))

        assert refusal == "" or "lr_scheduler." in refusal or "trainer." in refusal

    def test_state_is_whole(self, registry: Registry, selection: Selection, scheduler: LRScheduler) -> None:
        """One with state gives it to another, which then has the same."""
        if not isinstance(scheduler, Stateful):
            pytest.skip("it has no state")
        other = self.build(registry, selection, total_steps=_TOTAL_STEPS)
        other.load_state_dict(scheduler.state_dict())

        assert scheduler.state_dict() == other.state_dict()
