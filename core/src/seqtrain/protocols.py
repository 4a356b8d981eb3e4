"""What core expects of the parts it is handed. Nothing here needs to be inherited from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seqtrain.batch import Batch

LoggingOutput = Mapping[str, "Tensor | float"]
"""Sums by name. Reported divided by the sample size, except names that start with `num_`, which are totals."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """
    What a model must know of the data. Supplied by the task.

    Args:
        vocab_size: V, entries of the target vocabulary (or the only one).
        source_vocab_size: entries of the source vocabulary; None where there is no source.
        shared_vocabulary: source and target ids mean the same tokens.
        padding: the id that fills up target rows (and source rows).
        num_classes: C, for classifiers.
        max_positions: longest target (or only) sequence, in tokens.
        max_source_positions: longest source sequence, in tokens.
    """

    vocab_size: int
    source_vocab_size: int | None = None
    shared_vocabulary: bool = False
    padding: int
    num_classes: int | None = None
    max_positions: int
    max_source_positions: int | None = None


class Criterion(Protocol):
    """Turns a model and a batch into (summed loss, sample size, sums to log)."""

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        """
        Return the loss in nats **summed** over targets, their count, and a dict of sums.

        The dict has at least "loss"; values may be tensors on the device (then detached), so that nothing waits.
        """
        ...


class BackwardOptimizer(Protocol):
    """What `Task.train_step` sees of the optimizer."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the (summed) loss to the parameters' gradients."""
        ...


class LRScheduler(Protocol):
    """
    The learning rate as a multiple of the optimizer's own `lr`.

    One with state (`Stateful`) is saved; one with `hookimpl` methods has them called.
    """

    def __call__(self, step: int, /) -> float:
        """Return the factor for update number `step`, counted from 1."""
        ...


@runtime_checkable
class CountsUpdates(Protocol):
    """A model that wants to know how far training is."""

    def set_num_updates(self, num_updates: int, /) -> None:
        """Take the number of updates made so far; called before every forward pass of training."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """Has state worth saving: tensors, numbers, strings, lists and dicts with string keys."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Take over a saved state."""
        ...


@runtime_checkable
class SuppliesWeights(Stateful, Protocol):
    """A callback that holds other weights than the trained ones, meant for validation and prediction (EMA)."""

    def weights(self) -> Mapping[str, Tensor]:
        """Return parameters by the names they have in the model."""
        ...


@runtime_checkable
class OffersFeatures(Protocol):
    """
    A model whose forward takes `features_only=True` and then returns (B, T, D), before the output projection.

    With it a criterion can form the loss piece by piece and never hold all logits.
    """

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        ...


class DecodingState(Protocol):
    """A model's memory while it decodes: encoder output and key-value cache, for B sentences of W rows each."""

    def reorder(self, rows: Tensor, /) -> None:
        """Let row r go on from what row `rows[r]` was; rows (B*W,) int64 stay within their own sentence."""
        ...

    def keep(self, sentences: Tensor, /) -> None:
        """Go on with these sentences only; sentences (B',) int64, ascending."""
        ...


@runtime_checkable
class IncrementalModel(Protocol):
    """A model that can be asked for the next token without reading the whole prefix again."""

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> DecodingState:
        """Read the source (if any) and return a state with `beam` rows for each of the B sentences."""
        ...

    def decode_step(self, tokens: Tensor, state: Any, /) -> Tensor:
        """Append tokens (B*W, T) to the state and return the logits after each, (B*W, T, V)."""
        ...


@dataclass(frozen=True)
class DatasetPart:
    """A stretch of a dataset, [start, stop), seen `weight` times an epoch (1.0: once; 0.5: half of it)."""

    start: int
    stop: int
    weight: float = 1.0


class Dataset(Protocol):
    """Examples that can be planned by length and collated by index; too large to hold in memory."""

    @property
    def fingerprint(self) -> str:
        """A hash of the content: equal data, equal fingerprint, wherever the files lie."""
        ...

    @property
    def parts(self) -> Sequence[DatasetPart]:
        """The stretches it was put together from; together they cover [0, len)."""
        ...

    def __len__(self) -> int: ...

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the lengths in tokens of examples [start, stop): (stop - start, sides), sides 1 or 2."""
        ...

    def collate(self, indices: NDArray[np.int64]) -> Batch:
        """Make a batch of these examples, in this order."""
        ...

    def describe(self, index: int) -> str:
        """Say where an example comes from, such as `train.en:17`."""
        ...
