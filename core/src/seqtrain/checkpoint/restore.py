"""Whether a checkpoint's weights fit a model, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from seqtrain.errors import CheckpointError

_SHOWN = 5  # names in a message


def check_match(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]], where: str, *, remedy: str = ""
) -> None:
    """
    Compare the weights that a model needs with those that a checkpoint has.

    Args:
        expected: shapes by name, of the model.
        found: shapes by name, of the checkpoint.
        where: the checkpoint, as a message should call it.
        remedy: what to do about it; by default what helps with a checkpoint of our own.

    Raises:
        CheckpointError: names are missing or left over, or shapes differ.
    """
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    reshaped = [name for name in expected if name in found and tuple(expected[name]) != tuple(found[name])]
    if not (missing or unexpected or reshaped):
        return
    parts = [f"The weights in {where} do not fit this model."]
    if missing:
        parts.append(f"Missing there: {_some(missing)}.")
    if unexpected:
        parts.append(f"Unknown here: {_some(unexpected)}.")
    if reshaped:
        shapes = [f"{name} is {tuple(found[name])} there and {tuple(expected[name])} here" for name in reshaped]
        parts.append(f"Other shapes: {_some(shapes)}.")
    if remedy:
        parts.append(remedy)
    elif reshaped and all("position" in name for name in reshaped) and not (missing or unexpected):
        parts.append(
            "Positions that are learned have a row each, so the checkpoint belongs to a model with another longest "
            "sequence. Leave that setting of the task as it was in the run."
        )
    elif reshaped and all(_is_vocabulary(name, expected, found) for name in reshaped) and not (missing or unexpected):
        parts.append(
            "Embeddings have a row for each vocabulary entry, so the checkpoint belongs to another vocabulary. "
            "Use it with the task/ folder of the run that it comes from, or train anew with --fresh."
        )
    else:
        parts.append(
            "It is a checkpoint of another model. Use the config.yaml of the run that it comes from, "
            "or train anew with --fresh."
        )
    raise CheckpointError(" ".join(parts))


def _some(texts: Sequence[str]) -> str:
    shown = "; ".join(islice(texts, _SHOWN))
    return shown if len(texts) <= _SHOWN else f"{shown}; and {len(texts) - _SHOWN} more"


def _is_vocabulary(name: str, expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]]) -> bool:
    """Guess that a weight has a row for each vocabulary entry: only its first size differs, and so its name says."""
    same_rest = tuple(expected[name])[1:] == tuple(found[name])[1:]
    return same_rest and any(word in name.lower() for word in ("embed", "output", "vocab", "logit"))
