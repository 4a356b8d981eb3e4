"""What a model is told, and what it may offer besides being called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


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


@runtime_checkable
class CountsUpdates(Protocol):
    """A model that wants to know how far training is."""

    def set_num_updates(self, num_updates: int, /) -> None:
        """Take the number of updates made so far; called before every forward pass of training."""
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


@runtime_checkable
class OffersAdaptiveSoftmax(Protocol):
    """
    A model whose forward takes `features_only=True` and then returns (B, T, D), before an adaptive softmax.

    Without `features_only` it returns that layer's `log_prob`, (B, T, V). Few criteria make use of the offer; to the
    others these are logits like any other.
    """

    @property
    def adaptive_softmax(self) -> nn.AdaptiveLogSoftmaxWithLoss:
        """The layer that turns features into log-probabilities, or into those of given targets alone."""
        ...


@runtime_checkable
class DescribesRows(Protocol):
    """A model that says what its tables have rows for, so that it can start from a model with other tables."""

    @property
    def row_meanings(self) -> Mapping[str, str]:
        """
        What the first dimension of all parameters of a module counts, by the module's name.

        "target" or "source": the ids of that vocabulary; "classes": labels; "positions": positions from the first on.
        """
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
        """
        Read the source, or the prompts, and return a state with `beam` rows for each of the B sentences.

        Prompts are `tokens` (B, P) without their last, which is the first to be appended. P may be 0; none is padding.
        """
        ...

    def decode_step(self, tokens: Tensor, state: Any, /) -> Tensor:
        """Append tokens (B*W, T) to the state and return the logits after each, (B*W, T, V)."""
        ...
