"""What goes into a job file is checked before there is one."""

from __future__ import annotations

import pytest

from seqtrain.config.standalone import resolve_component
from seqtrain.errors import ConfigError
from seqtrain.registry.discovery import discover


def resolve(**settings):
    """Return the config, as a user's settings make it."""
    return resolve_component(discover(), "launcher", "submitit", settings).config


@pytest.mark.parametrize("name", ["folder", "partition", "account"])
@pytest.mark.parametrize("value", ["gpu\ntouch /tmp/x", "a\rb", "a\x00b"])
def test_a_text_of_several_lines_is_refused(name, value):
    """The second line would be a command of the job file."""
    with pytest.raises(ConfigError, match=f"{name}: expected one line of plain text, got"):
        resolve(**{name: value})


def test_so_is_one_among_the_other_options():
    """With its name."""
    with pytest.raises(ConfigError, match=r"extra\.qos: expected one line of plain text, got"):
        resolve(extra={"qos": "high\nrm x"})


@pytest.mark.parametrize("name", ["--qos", "qos high", "q=1", "", "QOS", "qos\nrm"])
def test_other_options_are_named_as_sbatch_names_them(name):
    """In small letters and without dashes in front."""
    with pytest.raises(ConfigError, match="extra: expected long options of sbatch such as qos, got"):
        resolve(extra={name: "1"})


@pytest.mark.parametrize(
    "settings",
    [
        {"minutes": 0},
        {"executor": "debug"},
        {"cpus_per_task": 0},
        {"memory_gb": 0},
        {"requeues": -1},
        {"stop_seconds": 0},
    ],
)
def test_numbers_and_choices_have_their_ranges(settings):
    """And the message names the field."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        resolve(**settings)


def test_a_job_has_time_to_train_before_it_is_to_save():
    """It would go back into the queue without a step."""
    with pytest.raises(ConfigError, match="save_seconds: expected less than the 2 minutes, got 120"):
        resolve(minutes=2)
