"""A text that was generated, and the lines that `seqtrain predict` writes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratedText:
    """
    A text that models have generated.

    Args:
        text: as a person would read it.
        score: log-probability in nats of what was generated / length ** lenpen, its end counted as a token where it
            was reached.
    """

    text: str
    score: float


def output_lines(number: int, best: Sequence[GeneratedText], nbest: int) -> Iterator[str]:
    """
    Yield the best text; where several were asked for, each with number and score before it, tabs between.

    Args:
        number: of the input line, from 1.
        best: what was generated for it, best first.
        nbest: how many texts were asked for.
    """
    if nbest == 1:
        yield best[0].text
    else:
        yield from (f"{number}\t{each.score:.4f}\t{each.text}" for each in best)
