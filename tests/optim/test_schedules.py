"""The schedules without state, against numbers worked by hand."""

from __future__ import annotations

import logging
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.errors import ConfigError
from seqtrain_optim.config import CosineConfig, FixedConfig, InverseSqrtConfig, PolynomialDecayConfig, WSDConfig
from seqtrain_optim.schedules import cosine, fixed, inverse_sqrt, polynomial_decay, wsd

ALL = [
    (fixed, FixedConfig),
    (inverse_sqrt, InverseSqrtConfig),
    (polynomial_decay, PolynomialDecayConfig),
    (cosine, CosineConfig),
    (wsd, WSDConfig),
]
ENDING = ALL[2:]


@pytest.mark.parametrize(("make", "config"), ALL)
def test_warmup_is_a_straight_line_to_one(make, config):
    """Four steps of warm-up give quarters; none of them is zero."""
    schedule = make(config(warmup_steps=4), total_steps=100)
    assert [schedule(step) for step in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


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


def test_cosine_by_hand():
    """A third of the way down, cos(pi/3) = 1/2 leaves 3/4; half way, 1/2; of the range above the least factor."""
    schedule = cosine(CosineConfig(warmup_steps=4, min_factor=0.2), total_steps=16)
    assert [schedule(step) for step in (4, 8, 10, 16, 20)] == pytest.approx([1.0, 0.8, 0.6, 0.2, 0.2])


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
