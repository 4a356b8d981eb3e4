"""What decoding is given, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class SpecialTokens(Protocol):
    """The ids with a meaning of their own in the target vocabulary; a tokenizer has them."""

    @property
    def bos(self) -> int:
        """What the decoder reads first, unless `Sources` says otherwise; may be the same as `eos`."""
        ...

    @property
    def eos(self) -> int:
        """What ends a sentence."""
        ...

    @property
    def padding(self) -> int:
        """What fills up rows; never generated."""
        ...

    @property
    def unknown(self) -> int:
        """What stands for text outside the vocabulary."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sources:
    """
    B sentences to translate, or prompts to continue.

    Args:
        net_input: what the models read before they decode, B rows.
        max_lengths: (B,) int64, most tokens a result may have before its end.
        prefix: (B, P) int64, tokens that results must begin with, padding after a shorter one.
        first: (B,) int64, what the decoder reads first, where that is not `bos`: the last token of a prompt.
    """

    net_input: Mapping[str, Tensor]
    max_lengths: Tensor
    prefix: Tensor | None = None
    first: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """
    A finished translation or continuation.

    Args:
        tokens: its ids, without `bos` and `eos`.
        log_probs: the log-probability in nats of each token and, last, of the end: one more than tokens.
        score: their sum / len(log_probs) ** lenpen; higher is better.
    """

    tokens: list[int]
    log_probs: list[float]
    score: float
