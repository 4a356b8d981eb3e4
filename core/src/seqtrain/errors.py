"""
The errors a user can cause, and the exit code each one ends the process with.

A message says what happened (with the value and the place), what was allowed, and what to type next::

    SeqtrainError                     1   the run failed
    ├── UsageError                    2   the command line itself is wrong
    ├── ConfigError (ValueError)      3   a setting is wrong; carries every problem found
    ├── PluginError                   4   a plugin cannot load, clashes, or offers no such component
    ├── DataError (ValueError)        5   input files are not what the task needs
    ├── CheckpointError               5   a checkpoint cannot be written, read or matched
    └── TrainingError (RuntimeError)  1   the run cannot continue
        ├── BadStepError              1   a step's numbers have gone wrong; it was not made
        │   ├── NonFiniteError        1   a loss or gradient is NaN or infinite
        │   └── LossSpikeError        1   the loss is far above what it was
        ├── OutOfMemoryError          1   a batch is too large for the memory there is
        └── OtherWorkerError          1   another worker of the same job has failed, or is out of reach

Every class takes one message and nothing else, so that an instance survives pickling on its way out of a worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class SeqtrainError(Exception):
    """Something a user can fix; printed as a paragraph, without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(SeqtrainError):
    """The command line does not make sense."""

    exit_code = 2


class ConfigError(SeqtrainError, ValueError):
    """One or more settings are wrong; the message holds one line for each."""

    exit_code = 3


class PluginError(SeqtrainError):
    """A plugin cannot be loaded, clashes with another, or offers no component of that name."""

    exit_code = 4


class DataError(SeqtrainError, ValueError):
    """The input files are not what the task needs."""

    exit_code = 5


class CheckpointError(SeqtrainError):
    """A checkpoint cannot be written, read, or matched to this run."""

    exit_code = 5


class TrainingError(SeqtrainError, RuntimeError):
    """The run cannot continue."""


class BadStepError(TrainingError):
    """A step's numbers have gone wrong."""

    step = 0
    """Which step, from 1."""


class NonFiniteError(BadStepError):
    """A loss or a gradient is NaN or infinite."""


class LossSpikeError(BadStepError):
    """The loss of a step lies far above the mean of those before."""


class OutOfMemoryError(TrainingError):
    """A batch is too large for the memory there is."""


class OtherWorkerError(TrainingError):
    """Another worker of the same job has failed, or is out of reach."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return " Did you mean 'x'?" where a known word is close, and nothing otherwise.

    Example:
        >>> did_you_mean("adm", ["adam", "sgd"])
        " Did you mean 'adam'?"
    """
    from difflib import get_close_matches  # noqa: PLC0415 - needed only where something is wrong

    close = get_close_matches(word, sorted(set(known)), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def warn_renamed(old: str, new: str) -> None:
    """Tell whoever has used a stable name that it is called something else now; see docs/stability.md."""
    import warnings  # noqa: PLC0415 - listing plugins does without

    warnings.warn(f"{old} is now called {new}, and goes with seqtrain 0.3.", FutureWarning, stacklevel=3)
