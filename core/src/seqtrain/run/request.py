"""What a user asks for: to train, to evaluate or to predict. `launch` carries it out, in any number of workers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from seqtrain.config.schema import RunConfig


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """
    What a user asked for.

    Args:
        config: the resolved configuration.
        run_dir: where the run's files go, or lie already.
        fresh: do not resume; what lies there is set aside.
        accept_changes: resume although the configuration differs in more than limits and logging.
        command: the words of the command line, for environment.json.
        verbose: show the traceback of every error.
    """

    config: RunConfig
    run_dir: Path
    fresh: bool = False
    accept_changes: bool = False
    command: Sequence[str] = field(default_factory=lambda: tuple(sys.argv))
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """
    Measure a trained run on a split.

    Args:
        config: the run's configuration, with the settings for this time.
        run_dir: the run.
        checkpoints: which ones, as `inference.load.load_run` takes them.
        split: what to measure on; by default test, else valid.
        as_json: print one JSON object.
        verbose: show the traceback of every error.
    """

    config: RunConfig
    run_dir: Path
    checkpoints: Sequence[str] = ()
    split: str | None = None
    as_json: bool = False
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """
    Predict a line for each input line with a trained run.

    Args:
        config: the run's configuration, with the settings for this time.
        run_dir: the run.
        checkpoints: which ones, as `inference.load.load_run` takes them.
        input_file: where the lines are; None for the standard input of the main worker.
        output_file: where predictions go; None for the standard output.
        verbose: show the traceback of every error.
    """

    config: RunConfig
    run_dir: Path
    checkpoints: Sequence[str] = ()
    input_file: Path | None = None
    output_file: Path | None = None
    verbose: bool = False


Request: TypeAlias = RunRequest | EvaluateRequest | PredictRequest
