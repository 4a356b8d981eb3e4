"""The metrics of translations: BLEU, chrF, chrF++ and TER by sacrebleu, and exact matches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from seqtrain.api import DataError
from seqtrain_translation.tokenization import WESTERN, make_bleu, tokenization_of_text, usual_tokenization

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric
    from sacrebleu.metrics.bleu import BLEU, BLEUScore

    from seqtrain_translation.scoring_config import CaseConfig, ScoringConfig, TerConfig

logger = logging.getLogger(__name__)

_ORDER = 4
"""The longest n-grams that BLEU counts."""


class SacrebleuScore(ABC):
    """A score of a corpus by sacrebleu, and its signature."""

    higher_is_better: ClassVar[frozenset[str]]
    name: ClassVar[str]
    """Of the measure."""

    def __init__(self) -> None:
        self._signature = ""
        self._remark = ""

    @abstractmethod
    def sacrebleu(self) -> SacrebleuMetric:
        """Return what scores."""

    def remark(self, score: object, references: Sequence[str]) -> str:
        """Say what is odd about a score; "" if nothing is."""
        return ""

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        """
        Score a corpus with one reference each.

        Raises:
            DataError: there is nothing to score, or the two are not equally many.
            ConfigError: sacrebleu cannot load the tokenization that is set.
        """
        _check_counts(predictions, references)
        metric = self.sacrebleu()
        score = metric.corpus_score(predictions, [references])
        signature = str(metric.get_signature())
        if signature != self._signature:
            logger.info("%s is measured by sacrebleu: %s", self.name, signature)
        remark = self.remark(score, references)
        if score.score == 0 and remark not in ("", self._remark):
            logger.info("%s is %s", self.name, remark)
        self._signature, self._remark = signature, remark
        return {self.name: score.score}

    def describe_measures(self) -> Mapping[str, str]:
        """Return sacrebleu's signature, and what is odd about the latest score, if anything is."""
        return {self.name: f"{self._signature}; {self._remark}" if self._remark else self._signature}


class Bleu(SacrebleuScore):
    """
    Corpus BLEU, 0 to 100.

    Texts are compared as a person would read them, or as words with blanks between with `tokenize="none"`.

    Args:
        config: how words are split, and whether case counts.
    """

    name = "bleu"
    higher_is_better = frozenset({"bleu"})

    def __init__(self, config: ScoringConfig) -> None:
        super().__init__()
        self._config = config
        self._bleu: BLEU | None = None
        self._warned = False

    def prepare_for(self, references: Sequence[str], language: str) -> None:
        """
        Choose the tokenization by the language, and warn of one that does not fit.

        Raises:
            ConfigError: it cannot be loaded.
        """
        self._bleu = make_bleu(self._config, references, language)

    def sacrebleu(self) -> BLEU:
        """Return BLEU; of a language that nobody named where `prepare_for` was not called."""
        if self._bleu is None:
            self._bleu = make_bleu(self._config, references=(), language="")
        return self._bleu

    def remark(self, score: BLEUScore, references: Sequence[str]) -> str:  # type: ignore[override] # it is BLEU's own
        """Say why a score is 0 or smoothed."""
        if score.totals[-1] == 0:
            self._warn_of_short_text(references)
            return f"0 because no translation has {_ORDER} words"
        if not any(score.counts):
            return "0 because no word of a translation is in its reference"
        if not all(score.counts):
            return f"smoothed, because no {score.counts.index(0) + 1} words in a row are in the reference"
        return ""

    def _warn_of_short_text(self, references: Sequence[str]) -> None:
        """Warn, once, of references of which even a perfect translation has a BLEU of 0."""
        split = self.sacrebleu().tokenizer
        if self._warned or any(len(split(each.rstrip()).split()) >= _ORDER for each in references):
            return
        self._warned = True
        logger.warning(
            "No reference has %d words by the tokenization %s, so BLEU is 0 whatever the translations are. "
            "Set trainer.best_metric=chrf, or task.scoring.tokenize=char",
            _ORDER, split.signature(),
        )  # fmt: skip


class Chrf(SacrebleuScore):
    """
    Corpus chrF2, 0 to 100: texts are compared by their characters.

    Args:
        config: whether case counts.
    """

    name = "chrf"
    higher_is_better = frozenset({"chrf"})
    word_order: ClassVar[int] = 0
    """The longest n-grams of words that are compared, too."""

    def __init__(self, config: CaseConfig) -> None:
        super().__init__()
        self._config = config

    def sacrebleu(self) -> SacrebleuMetric:
        """Return chrF."""
        from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - slow to import, and training may never score

        return CHRF(word_order=self.word_order, lowercase=self._config.lowercase)


class ChrfPlusPlus(Chrf):
    """Corpus chrF2++, 0 to 100: texts are compared by their characters, words and pairs of words."""

    name = "chrf_plus_plus"
    higher_is_better = frozenset({"chrf_plus_plus"})
    word_order = 2

    def prepare_for(self, references: Sequence[str], language: str) -> None:
        """Warn of text without blanks, in which a sentence is one word."""
        if _has_no_blanks(references, language):
            logger.warning(
                "chrF++ takes what stands between blanks for words, and %s has no blanks between words. "
                "Choose chrf, which compares characters alone",
                language or "the text",
            )


class Ter(SacrebleuScore):
    """
    Translation edit rate: edits, shifts of phrases among them, for 100 words of the reference; less is better.

    Args:
        config: what is done to words first.
    """

    name = "ter"
    higher_is_better = frozenset()

    def __init__(self, config: TerConfig) -> None:
        super().__init__()
        self._config = config

    def prepare_for(self, references: Sequence[str], language: str) -> None:
        """Warn of text without blanks, in which a sentence is one word, unless the settings split it."""
        if not _has_no_blanks(references, language):
            return
        can_be_split = {usual_tokenization(language), tokenization_of_text(references)} & {"zh", "ja-mecab"}
        if can_be_split and self._config.normalized and self._config.asian_support:
            return
        logger.warning(
            "TER takes what stands between blanks for words, and %s has no blanks between words, so a sentence is "
            "right or wrong as a whole. Choose %schrf",
            language or "the text",
            "task.metric.name=ter task.metric.normalized=true task.metric.asian_support=true, or "
            if can_be_split
            else "",
        )

    def sacrebleu(self) -> SacrebleuMetric:
        """Return TER."""
        from sacrebleu.metrics.ter import TER  # noqa: PLC0415 - likewise

        return TER(
            normalized=self._config.normalized,
            no_punct=self._config.no_punct,
            asian_support=self._config.asian_support,
            case_sensitive=self._config.case_sensitive,
        )


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


def _has_no_blanks(references: Sequence[str], language: str) -> bool:
    """Say whether words of a language, or of a text, stand together without blanks."""
    return usual_tokenization(language) not in (WESTERN, "ko-mecab") or tokenization_of_text(references) is not None


def _check_counts(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references) or not references:
        raise DataError(
            f"Cannot score {len(predictions)} translations against {len(references)} references; "
            "there must be equally many of them, and at least one."
        )
