"""How translations are scored."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class CaseConfig:
    """Settings of the metrics `chrf` and `exact_match`."""

    lowercase: bool = option(False, help="ignore case", may_change=True)


@dataclass(frozen=True, kw_only=True)
class ScoringConfig(CaseConfig):
    """How translations are scored, and the settings of the metric `bleu`; sacrebleu's signature tells them."""

    tokenize: str = option(
        "13a",
        help="how BLEU splits text into words: 13a is WMT's rule, none is for text that is already segmented",
        choices=("13a", "intl", "char", "zh", "none"),
        may_change=True,
    )
