"""Measures of translations against references; the only place that calls sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqtrain.api import DataError
from seqtrain_translation.scoring_config import ScoringConfig


@dataclass(frozen=True, kw_only=True)
class Scores:
    """
    Measures of a set of translations.

    Args:
        bleu: corpus BLEU, 0 to 100.
        chrf: corpus chrF2, 0 to 100.
        exact_match: share of translations equal to their reference, 0 to 1.
        bleu_signature: how BLEU was computed, in sacrebleu's notation.
        chrf_signature: likewise for chrF.
    """

    bleu: float
    chrf: float
    exact_match: float
    bleu_signature: str
    chrf_signature: str


def score_translations(hypotheses: Sequence[str], references: Sequence[str], config: ScoringConfig) -> Scores:
    """
    Compare translations with one reference each.

    Args:
        hypotheses: translations, as text a person would read, or as space-separated words with `tokenize="none"`.
        references: as many, in the same order and form.
        config: how words are split, and whether case counts.

    Raises:
        DataError: there is nothing to score, or the two are not equally many.
    """
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - takes a while to import, and training may never score
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415

    if len(hypotheses) != len(references) or not references:
        raise DataError(
            f"Cannot score {len(hypotheses)} translations against {len(references)} references; "
            "there must be equally many of them, and at least one."
        )
    # `force` only silences sacrebleu's guess that the text was not detokenised.
    bleu = BLEU(tokenize=config.tokenize, lowercase=config.lowercase, force=True)
    chrf = CHRF(lowercase=config.lowercase)
    return Scores(
        bleu=bleu.corpus_score(hypotheses, [references]).score,
        chrf=chrf.corpus_score(hypotheses, [references]).score,
        exact_match=_share_equal(hypotheses, references, lowercase=config.lowercase),
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
    )


def _share_equal(hypotheses: Sequence[str], references: Sequence[str], *, lowercase: bool) -> float:
    """Return the share of pairs that are equal, blanks at the ends aside."""
    fold = str.lower if lowercase else str
    pairs = zip(hypotheses, references, strict=True)
    return sum(fold(ours.strip()) == fold(theirs.strip()) for ours, theirs in pairs) / len(references)
