"""How probable a model finds a text, and how much text that is: what the metrics of the task measure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextSize:
    """
    How much text there is, by several measures. A line's end counts as one of each.

    Args:
        chars: Unicode code points.
        num_bytes: bytes in UTF-8.
        words: what stands between blanks.
    """

    chars: int = 0
    num_bytes: int = 0
    words: int = 0

    def __add__(self, other: TextSize) -> TextSize:
        return TextSize(self.chars + other.chars, self.num_bytes + other.num_bytes, self.words + other.words)


@dataclass(frozen=True, kw_only=True)
class TextLikelihood:
    """
    The negative log-probability of a whole text.

    Args:
        nats: -ln p of the text, line ends included.
        num_tokens: in so many tokens.
        size: of the same text.
        context: tokens that the model read at a time.
        stride: how many of them were scored.
    """

    nats: float
    num_tokens: int
    size: TextSize
    context: int
    stride: int
