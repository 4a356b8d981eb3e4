"""The metrics of the task: what the negative log-probability of a text comes to by token, character, byte and word."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from seqtrain_lm.likelihood import TextLikelihood

LARGEST_EXPONENT = 700.0  # exp(710) is no longer a float


class LikelihoodMetric:
    """
    A measure of a `TextLikelihood`, of which less is better.

    Args:
        name: of the measure.
        value: computes it.
        note: says how it was taken.
    """

    higher_is_better: frozenset[str] = frozenset()
    measured_types = (TextLikelihood,)

    def __init__(
        self, name: str, value: Callable[[TextLikelihood], float], note: Callable[[TextLikelihood], str]
    ) -> None:
        self._name, self._value, self._note = name, value, note
        self._notes: dict[str, str] = {}

    def measure(self, results: TextLikelihood, /) -> Mapping[str, float]:
        """Measure a whole text."""
        self._notes = {self._name: self._note(results)}
        return {self._name: self._value(results)}

    def describe_measures(self) -> Mapping[str, str]:
        """Say how much text was measured, or how it was read."""
        return self._notes


def nats_per_token(_config: object) -> LikelihoodMetric:
    """Make the metric: nats for each token of the tokenizer, so that other tokenizers give other numbers."""
    return LikelihoodMetric("nats_per_token", lambda text: text.nats / text.num_tokens, _windows)


def perplexity(_config: object) -> LikelihoodMetric:
    """Make the metric: exp of `nats_per_token`."""
    return LikelihoodMetric("perplexity", lambda text: _exp(text.nats / text.num_tokens), _windows)


def bits_per_char(_config: object) -> LikelihoodMetric:
    """Make the metric: bits for each Unicode code point, what the tokens leave out of the text included."""
    return LikelihoodMetric(
        "bits_per_char",
        lambda text: _bits(text) / text.size.chars,
        lambda text: f"{text.size.chars} characters{_corrected(text)}",
    )


def bits_per_byte(_config: object) -> LikelihoodMetric:
    """Make the metric: bits for each byte in UTF-8, what the tokens leave out of the text included."""
    return LikelihoodMetric(
        "bits_per_byte",
        lambda text: _bits(text) / text.size.num_bytes,
        lambda text: f"{text.size.num_bytes} bytes{_corrected(text)}",
    )


def ppl_per_word(_config: object) -> LikelihoodMetric:
    """Make the metric: the perplexity of a word, whatever tokens it is made of, with what these leave out included."""
    return LikelihoodMetric(
        "ppl_per_word",
        lambda text: _exp(text.text_nats / text.size.words),
        lambda text: f"{text.size.words} words and line ends{_corrected(text)}",
    )


def _bits(text: TextLikelihood) -> float:
    return text.text_nats / math.log(2)


def _corrected(text: TextLikelihood) -> str:
    """Say what the tokens do not tell of the text, and what that costs."""
    if not text.corrections.count:
        return ""
    share = text.corrections.nats / text.text_nats
    return (
        f"; {text.corrections.lines} lines do not come back from their tokens, and spelling out what they lose is "
        f"{100 * share:.3g} % of the bits"
    )


def _exp(nats: float) -> float:
    return math.exp(min(nats, LARGEST_EXPONENT))


def _windows(text: TextLikelihood) -> str:
    return f"{text.context} tokens read at a time, {text.stride} of them scored"
