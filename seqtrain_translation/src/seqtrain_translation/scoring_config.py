"""How translations are scored."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class CaseConfig:
    """Settings of the metrics `chrf`, `chrf_plus_plus` and `exact_match`."""

    lowercase: bool = option(False, help="ignore case", may_change=True)


@dataclass(frozen=True, kw_only=True)
class ScoringConfig(CaseConfig):
    """How translations are scored, and the settings of the metric `bleu`; sacrebleu's signature tells them."""

    tokenize: str = option(
        "auto",
        help="how BLEU splits text into words, by sacrebleu's names; auto follows task.target_lang: zh, ja-mecab and "
        "ko-mecab for Chinese, Japanese and Korean, char for other languages without blanks between words, else 13a, "
        "WMT's rule; none is for text that is already segmented",
        choices=(
            "auto",
            "13a",
            "intl",
            "zh",
            "ja-mecab",
            "ko-mecab",
            "char",
            "flores101",
            "flores200",
            "spm",
            "spBLEU-1K",
            "none",
        ),
        may_change=True,
    )


@dataclass(frozen=True, kw_only=True)
class TerConfig:
    """Settings of the metric `ter`, with sacrebleu's names and defaults; its signature tells them."""

    case_sensitive: bool = option(False, help="case counts", may_change=True)
    normalized: bool = option(False, help="split punctuation off words first", may_change=True)
    no_punct: bool = option(False, help="leave out punctuation", may_change=True)
    asian_support: bool = option(
        False,
        help="with normalized, split Chinese characters and kana apart; with no_punct, leave out their marks, too",
        may_change=True,
    )
