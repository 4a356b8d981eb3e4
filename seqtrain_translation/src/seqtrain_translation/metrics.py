"""The metrics `bleu`, `chrf` and `exact_match`; the only place that calls sacrebleu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqtrain.api import DataError

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

    from seqtrain_translation.scoring_config import CaseConfig, ScoringConfig


class Bleu:
    """
    Corpus BLEU, 0 to 100.

    Args:
        config: how words are split, and whether case counts.
    """

    higher_is_better = frozenset({"bleu"})

    def __init__(self, config: ScoringConfig) -> None:
        self._config = config
        self._signature = ""

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        """
        Compare texts as a person would read them, or as space-separated words with `tokenize="none"`.

        Raises:
            DataError: there is nothing to score, or the two are not equally many.
        """
        from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - slow to import, and training may never score

        # `force` only silences sacrebleu's guess that the text was not detokenised.
        bleu = BLEU(tokenize=self._config.tokenize, lowercase=self._config.lowercase, force=True)
        score, self._signature = _score(bleu, predictions, references)
        return {"bleu": score}

    def describe_measures(self) -> Mapping[str, str]:
        """Return sacrebleu's signature."""
        return {"bleu": self._signature}


class Chrf:
    """
    Corpus chrF2, 0 to 100.

    Args:
        config: whether case counts.
    """

    higher_is_better = frozenset({"chrf"})

    def __init__(self, config: CaseConfig) -> None:
        self._config = config
        self._signature = ""

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        """
        Compare texts by their characters.

        Raises:
            DataError: there is nothing to score, or the two are not equally many.
        """
        from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - likewise

        score, self._signature = _score(CHRF(lowercase=self._config.lowercase), predictions, references)
        return {"chrf": score}

    def describe_measures(self) -> Mapping[str, str]:
        """Return sacrebleu's signature."""
        return {"chrf": self._signature}


class ExactMatch:
    """
    Share of predictions equal to their reference, blanks at the ends aside, 0 to 1.

    Args:
        config: whether case counts.
    """

    higher_is_better = frozenset({"exact_match"})

    def __init__(self, config: CaseConfig) -> None:
        self._fold = str.lower if config.lowercase else str

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        """
        Compare texts as wholes.

        Raises:
            DataError: there is nothing to score, or the two are not equally many.
        """
        _check_counts(predictions, references)
        pairs = zip(predictions, references, strict=True)
        num_equal = sum(self._fold(ours.strip()) == self._fold(theirs.strip()) for ours, theirs in pairs)
        return {"exact_match": num_equal / len(references)}


def _score(metric: SacrebleuMetric, predictions: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """Return the score of a corpus with one reference each, and the signature."""
    _check_counts(predictions, references)
    score = metric.corpus_score(predictions, [references]).score
    return score, str(metric.get_signature())


def _check_counts(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references) or not references:
        raise DataError(
            f"Cannot score {len(predictions)} translations against {len(references)} references; "
            "there must be equally many of them, and at least one."
        )
