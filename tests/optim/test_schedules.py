"""The schedules without state, against numbers worked by hand."""

from __future__ import annotations

import logging
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.errors import ConfigError
from seqtrain_optim.cycles import cosine
from seqtrain_optim.schedule_config import (
    CosineConfig,
    FixedConfig,
    InverseSqrtConfig,
    ManualConfig,
    PassThroughConfig,
    PolynomialDecayConfig,
    StepConfig,
    TriStageConfig,
    WSDConfig,
)
from seqtrain_optim.schedules import (
    fixed,
    inverse_sqrt,
    manual,
    pass_through,
    polynomial_decay,
    step,
    tri_stage,
    wsd,
)

ALL = [
    (fixed, FixedConfig),
    (inverse_sqrt, InverseSqrtConfig),
    (step, StepConfig),
    (polynomial_decay, PolynomialDecayConfig),
    (cosine, CosineConfig),
    (wsd, WSDConfig),
]
ENDING = ALL[3:]


@pytest.mark.parametrize(("make", "config"), ALL)
def test_warmup_is_a_straight_line_to_one(make, config):
    """Four steps of warm-up give quarters; none of them is zero."""
    schedule = make(config(warmup_steps=4), total_steps=100)
    assert [schedule(step) for step in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("make", "config"), ALL)
def test_a_share_of_the_run_may_be_its_warmup(make, config):
    """A tenth of 45 updates is 4 (4.5 goes to the even number): the same factors as with 4 steps, to the end."""
    by_share = make(config(warmup_share=0.1), total_steps=45)
    by_steps = make(config(warmup_steps=4), total_steps=45)
    assert [by_share(step) for step in range(1, 46)] == [by_steps(step) for step in range(1, 46)]
    assert by_share(3) == 0.75


@pytest.mark.parametrize(("make", "config"), ENDING)
def test_the_share_is_of_the_schedules_own_length(make, config):
    """Where a schedule has an end of its own, the run's length does not matter."""
    schedule = make(config(warmup_share=0.5, total_steps=8), total_steps=100)
    assert [schedule(step) for step in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("make", "config"), ALL[:3])
def test_a_share_of_nobody_knows_what_is_refused(make, config):
    """The error says what would tell."""
    with pytest.raises(ConfigError, match=r"warmup_share=0\.1 .*no limit of updates; set trainer\.max_steps=N"):
        make(config(warmup_share=0.1), total_steps=None)


@pytest.mark.parametrize(("make", "config"), ALL)
def test_warmup_may_start_above_zero(make, config):
    """From a half, four steps go up by an eighth each."""
    schedule = make(config(warmup_steps=4, warmup_init_factor=0.5), total_steps=100)
    assert [schedule(step) for step in (1, 2, 3, 4)] == [0.625, 0.75, 0.875, 1.0]


@pytest.mark.parametrize(("make", "config"), ALL)
@settings(deadline=None)
@given(warmup=st.integers(0, 60), init=st.floats(0, 1), total=st.integers(1, 80))
def test_factors_stay_between_zero_and_one_and_rise_then_fall(make, config, warmup, init, total):
    """Whatever the lengths: up to 1 in the warm-up's last step, never up again, never below 0, and the first is above it."""
    schedule = make(config(warmup_steps=warmup, warmup_init_factor=init), total_steps=max(total, warmup + 1))
    factors = [schedule(step) for step in range(1, 120)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors[0] > 0 or total == 1
    assert factors[:warmup] == sorted(factors[:warmup])
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)
    if warmup:
        assert schedule(warmup) == pytest.approx(1.0)


@pytest.mark.parametrize(("make", "config"), ALL)
def test_no_jump_where_warmup_ends(make, config):
    """Over a thousand steps of warm-up and nine thousand of decay, no step moves by more than a part in five hundred."""
    schedule = make(config(warmup_steps=1000), total_steps=10_000)
    factors = [schedule(step) for step in range(990, 1011)]
    assert max(abs(after - before) for before, after in pairwise(factors)) <= 0.002


def test_fixed_stays_at_one():
    """Without warm-up every update has the full learning rate."""
    schedule = fixed(FixedConfig(), total_steps=None)
    assert [schedule(step) for step in (1, 10, 10**9)] == [1.0, 1.0, 1.0]


def test_pass_through_is_one_from_the_first_update():
    """The optimizer's own learning rate stands."""
    schedule = pass_through(PassThroughConfig(), total_steps=None)
    assert [schedule(step) for step in (1, 10, 10**9)] == [1.0, 1.0, 1.0]


def test_manual_factors_hold_until_the_next():
    """Before the first it is 1; the order in which they are written does not matter."""
    schedule = manual(ManualConfig(factors={"30": 0.1, "4": 0.5}), total_steps=None)
    assert [schedule(step) for step in (1, 3, 4, 29, 30, 10**9)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_manual_may_set_the_first_update():
    """A factor from update 1 on is there from the start."""
    assert manual(ManualConfig(factors={"1": 0.25}), total_steps=None)(1) == 0.25


@pytest.mark.parametrize("step", ["0", "-3", "1.5", "first"])
def test_manual_refuses_what_is_no_update_number(step):
    """The message shows what one looks like, and what was found."""
    with pytest.raises(ValueError, match=rf"update numbers from 1, as in {{2000: 0.5}}, got '{step}'"):
        ManualConfig(factors={step: 0.5})


@pytest.mark.parametrize("factor", [-0.1, 1.5, math.inf, math.nan])
def test_manual_refuses_factors_that_are_no_shares(factor):
    """A learning rate above optimizer.lr is had by raising that."""
    with pytest.raises(ValueError, match=rf"in \[0, 1\], got 7: {factor}; raise optimizer\.lr"):
        ManualConfig(factors={"7": factor})


def test_step_by_hand():
    """Ten updates after warm-up the first cut, ten later the second, and none below the least factor."""
    schedule = step(StepConfig(warmup_steps=5, period_steps=10, shrink=0.5, min_factor=0.2), total_steps=None)
    assert [schedule(n) for n in (5, 14, 15, 24, 25, 35, 1000)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.2, 0.2]


def test_tri_stage_by_hand():
    """Of 100 updates, 10 rise from a fifth, 40 hold, and 50 fall to a hundredth; half way down it is a tenth."""
    schedule = tri_stage(TriStageConfig(warmup_init_factor=0.2), total_steps=100)
    factors = [schedule(n) for n in (5, 10, 50, 75, 100, 1000)]
    assert factors == pytest.approx([0.6, 1.0, 1.0, 0.1, 0.01, 0.01])


def test_tri_stage_in_steps_needs_no_end():
    """Three lengths say everything; one that is given goes before its share."""
    config = TriStageConfig(warmup_steps=4, hold_steps=6, decay_steps=10, warmup_init_factor=0.0)
    schedule = tri_stage(config, total_steps=None)
    assert [schedule(n) for n in (1, 4, 10, 15, 20)] == pytest.approx([0.25, 1.0, 1.0, 0.1, 0.01])
    partly = tri_stage(TriStageConfig(warmup_steps=50), total_steps=100)
    assert [partly(n) for n in (50, 90, 140)] == pytest.approx([1.0, 1.0, 0.01])


def test_tri_stage_may_leave_out_stages():
    """Without a decay it drops to the end at once; without warm-up it begins at the peak."""
    schedule = tri_stage(TriStageConfig(warmup_steps=0, hold_steps=3, decay_steps=0), total_steps=None)
    assert [schedule(n) for n in (1, 2, 3, 4)] == pytest.approx([1.0, 1.0, 0.01, 0.01])


def test_tri_stage_without_an_end_is_refused():
    """Shares are of a number of updates that nobody knows."""
    with pytest.raises(ConfigError, match=r"trainer\.max_steps=N or lr_scheduler\.total_steps=N"):
        tri_stage(TriStageConfig(hold_steps=3), total_steps=None)


@pytest.mark.parametrize("shares", [(0.1, 0.4, 0.4), (-0.1, 0.6, 0.5), (1.0, 1.0, 1.0), (math.nan, 0.5, 0.5)])
def test_tri_stage_refuses_shares_that_are_no_whole(shares):
    """The message says what they must add up to."""
    with pytest.raises(ValueError, match="three shares that add up to 1, got"):
        TriStageConfig(phase_shares=shares)


def test_tri_stage_takes_shares_that_floats_do_not_add_up_exactly():
    """0.7 + 0.2 + 0.1 is 0.9999999999999999."""
    assert TriStageConfig(phase_shares=(0.7, 0.2, 0.1)).phase_shares == (0.7, 0.2, 0.1)


def test_inverse_sqrt_by_hand():
    """After a warm-up of 4, steps 16 and 64 have factors 1/2 and 1/4."""
    schedule = inverse_sqrt(InverseSqrtConfig(warmup_steps=4), total_steps=None)
    assert [schedule(step) for step in (4, 16, 64)] == [1.0, 0.5, 0.25]


def test_inverse_sqrt_without_warmup():
    """It falls from the first step on, and divides by no zero."""
    schedule = inverse_sqrt(InverseSqrtConfig(warmup_steps=0), total_steps=None)
    assert [schedule(step) for step in (1, 4, 100)] == [1.0, 0.5, 0.1]


def test_polynomial_decay_by_hand():
    """From step 2 to step 10 to the power 2 down to 0.2: half way there is 0.2 + 0.8 / 4."""
    config = PolynomialDecayConfig(warmup_steps=2, power=2, end_factor=0.2)
    schedule = polynomial_decay(config, total_steps=10)
    assert [schedule(step) for step in (2, 6, 10, 11)] == pytest.approx([1.0, 0.4, 0.2, 0.2])


def test_polynomial_decay_is_linear_by_default():
    """Ten steps without warm-up fall by a tenth each."""
    schedule = polynomial_decay(PolynomialDecayConfig(), total_steps=10)
    assert [schedule(step) for step in (1, 5, 9, 10)] == pytest.approx([0.9, 0.5, 0.1, 0.0])


@pytest.mark.parametrize(
    ("shape", "halfway"),
    [("linear", 0.5), ("cosine", 0.5), ("one_minus_sqrt", 1 - math.sqrt(0.5))],
)
def test_wsd_by_hand(shape, halfway):
    """Of 100 steps the last 20 decay: 80 is still 1, 90 is half way, 100 is the end."""
    schedule = wsd(WSDConfig(warmup_steps=10, shape=shape), total_steps=100)
    assert [schedule(step) for step in (5, 10, 50, 80, 90, 100)] == pytest.approx([0.5, 1.0, 1.0, 1.0, halfway, 0.0])


def test_wsd_decay_in_steps_goes_before_the_share():
    """A decay of 50 steps down to a tenth."""
    schedule = wsd(WSDConfig(decay_steps=50, end_factor=0.1), total_steps=100)
    assert [schedule(step) for step in (50, 75, 100)] == pytest.approx([1.0, 0.55, 0.1])


def test_wsd_decay_longer_than_the_run_starts_after_warmup():
    """Warm-up is never cut short: the decay takes what is left."""
    schedule = wsd(WSDConfig(warmup_steps=10, decay_steps=500), total_steps=20)
    assert [schedule(step) for step in (10, 15, 20)] == pytest.approx([1.0, 0.5, 0.0])


@pytest.mark.parametrize(("make", "config"), ENDING)
def test_own_total_goes_before_the_runs(make, config):
    """`total_steps` of the config decides; without it the run's limit does."""
    own = make(config(total_steps=50), total_steps=1000)
    given_by_run = make(config(), total_steps=50)
    assert [own(step) for step in range(1, 60)] == [given_by_run(step) for step in range(1, 60)]
    assert own(50) == 0


@pytest.mark.parametrize(("make", "config"), ENDING)
def test_a_decay_without_an_end_is_refused(make, config):
    """The error names both settings that would give one."""
    with pytest.raises(ConfigError, match=r"trainer\.max_steps=N or lr_scheduler\.total_steps=N"):
        make(config(), total_steps=None)


@pytest.mark.parametrize(("make", "config"), ENDING)
def test_a_run_shorter_than_its_warmup_says_so(make, config, caplog):
    """A trial run of ten steps warms up and ends; a warning says that the peak is never reached."""
    with caplog.at_level(logging.WARNING):
        schedule = make(config(warmup_steps=40), total_steps=10)
    assert "ends at update 10, within its warm-up of 40" in caplog.text
    assert [schedule(step) for step in (1, 10)] == [0.025, 0.25]
