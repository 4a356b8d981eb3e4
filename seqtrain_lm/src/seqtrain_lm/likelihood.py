"""How probable a model finds a text, and how much text that is: what the metrics of the task measure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from seqtrain_text.differences import differences

if TYPE_CHECKING:
    from typing_extensions import Self

_BYTE_OR_END = 257  # what is spelled is a row of bytes and an end, all equally likely


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

    @classmethod
    def of(cls, line: str) -> Self:
        """Measure a line and its end."""
        return cls(len(line) + 1, len(line.encode()) + 1, len(line.split()) + 1)

    def __add__(self, other: TextSize) -> TextSize:
        return TextSize(self.chars + other.chars, self.num_bytes + other.num_bytes, self.words + other.words)


@dataclass(frozen=True)
class Corrections:
    """
    What has to be told to have a text, once the text that its tokens stand for is known: unknown words, and the like.

    Args:
        chars: code points of the text that the tokens stand for, line ends included.
        count: places where the two differ.
        replaced: code points there, of the text that the tokens stand for.
        spelled: bytes there, of the text itself.
        lines: lines that have such places.
    """

    chars: int = 0
    count: int = 0
    replaced: int = 0
    spelled: int = 0
    lines: int = 0

    @classmethod
    def of(cls, line: str, restored: str) -> Self:
        """Compare a line with what its tokens stand for."""
        if line == restored:
            return cls(chars=len(restored) + 1)
        found = list(differences(line, restored))
        replaced = sum(len(each.other) for each in found)
        spelled = sum(len(each.text.encode()) for each in found)
        return cls(len(restored) + 1, len(found), replaced, spelled, 1)

    def __add__(self, other: Corrections) -> Corrections:
        return Corrections(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def nats(self) -> float:
        """
        The length of a code for them, 0 where there are none: how many they are, where, how long, and spelled out.

        With it, -ln p of the tokens is the length of a code for the text. So no model is better on average than the
        entropy of the text, whatever its tokenizer leaves out.

        Source:
            A two-part code as in Gruenwald 2007, The Minimum Description Length Principle, chapter 3: a number k of any
            size takes ln (k+1)(k+2) nats, and one of n possibilities ln n.
        """
        if not self.count:
            return 0.0
        number = math.log((self.count + 1) * (self.count + 2))
        places = _log_choose(self.chars + self.count, self.count)
        lengths = math.log(self.chars + 1) + _log_choose(self.replaced + self.count, self.count)
        return number + places + lengths + (self.spelled + self.count) * math.log(_BYTE_OR_END)


def _log_choose(n: int, k: int) -> float:
    """Return ln of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


@dataclass(frozen=True)
class TextSummary:
    """
    What is known of a text before any model has read it.

    Args:
        size: of the text as it was read.
        corrections: what its tokens leave out.
        num_tokens: line ends included.
        num_unknown: how many of them are unknown.
    """

    size: TextSize = field(default_factory=TextSize)
    corrections: Corrections = field(default_factory=Corrections)
    num_tokens: int = 0
    num_unknown: int = 0

    @property
    def unk_share(self) -> float:
        """The share of unknown tokens, 0 to 1."""
        return self.num_unknown / max(self.num_tokens, 1)

    @classmethod
    def sum(cls, parts: Iterable[TextSummary]) -> Self:
        """Put texts together."""
        whole = cls()
        for each in parts:
            whole = cls(
                whole.size + each.size,
                whole.corrections + each.corrections,
                whole.num_tokens + each.num_tokens,
                whole.num_unknown + each.num_unknown,
            )
        return whole


@dataclass(frozen=True, kw_only=True)
class TextLikelihood:
    """
    The negative log-probability of a whole text.

    Args:
        nats: -ln p of its tokens, line ends included.
        num_tokens: in so many tokens.
        size: of the same text.
        context: tokens that the model read at a time.
        stride: how many of them were scored.
        corrections: what of the text the tokens leave out.
    """

    nats: float
    num_tokens: int
    size: TextSize
    context: int
    stride: int
    corrections: Corrections = field(default_factory=Corrections)

    @property
    def text_nats(self) -> float:
        """The length of a code for the text, what its tokens leave out included."""
        return self.nats + self.corrections.nats
