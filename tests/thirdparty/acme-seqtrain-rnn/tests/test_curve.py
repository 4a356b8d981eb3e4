"""The command on a file of metrics written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acme_seqtrain_rnn.curve import curve, sparkline
from click.testing import CliRunner, Result

from seqtrain.plugin import DataError, UsageError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three steps, the last one validated."""
    lines = [{"step": step, "train/loss": 4.0 - step} for step in (1, 2, 3)] + [{"step": 3, "valid/loss": 2.5}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path


def call(*arguments: str | Path) -> Result:
    """Call the command."""
    return CliRunner().invoke(curve, [str(each) for each in arguments])


def test_it_draws_a_line(run: Path) -> None:
    """With the steps and values at its ends."""
    assert call(run).stdout == "train/loss  steps 1 to 3  3 to 1\n█▅▁\n"


def test_a_program_gets_the_points(run: Path) -> None:
    """As one JSON object with a schema."""
    assert json.loads(call(run, "--metric", "valid/loss", "--json").stdout) == {
        "schema": "acme.curve/1",
        "metric": "valid/loss",
        "points": [{"step": 3, "value": 2.5}],
    }


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [([0, 7], 9, "▁█"), ([5], 9, "▁"), ([2, 2, 2], 9, "▁▁▁"), ([0, 1, 6, 7], 2, "▁█"), (list(range(8)), 8, "▁▂▃▄▅▆▇█")],
)
def test_a_bar_stands_for_a_value_or_for_the_mean_of_several(values: list[float], width: int, expected: str) -> None:
    """The lowest is the lowest bar, the highest the highest."""
    assert sparkline(values, width) == expected


def test_an_unknown_metric_is_refused_with_those_there_are(run: Path) -> None:
    """A letter is easily forgotten."""
    error = call(run, "--metric", "valid/los").exception

    assert isinstance(error, UsageError)
    assert "it has train/loss, valid/loss" in str(error)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """It has no metrics.jsonl."""
    assert isinstance(call(tmp_path).exception, UsageError)


def test_a_torn_line_is_an_error_of_the_data(run: Path) -> None:
    """As a run that is being written may have at its end."""
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "train')

    assert isinstance(call(run).exception, DataError)
