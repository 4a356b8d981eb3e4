"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the translation task and its metrics."""
    yield Component(
        kind="task",
        name="translation",
        ref="seqtrain_translation.factory:make_task",
        config="seqtrain_translation.config:TranslationConfig",
        summary="Translate sentences, learned from parallel text",
        recipe="seqtrain_translation:recipes/translation.yaml",
        builtin_recipe="seqtrain_translation:recipes/builtin.yaml",
    )
    for name, ref, config, summary in (
        ("bleu", "Bleu", "ScoringConfig", "Corpus BLEU by sacrebleu"),
        ("chrf", "Chrf", "CaseConfig", "Corpus chrF2 by sacrebleu"),
        ("chrf_plus_plus", "ChrfPlusPlus", "CaseConfig", "Corpus chrF2++ by sacrebleu"),
        ("ter", "Ter", "TerConfig", "Translation edit rate by sacrebleu; less is better"),
        ("exact_match", "ExactMatch", "CaseConfig", "Share of texts equal to their reference"),
    ):
        yield Component(
            kind="metric",
            name=name,
            ref=f"seqtrain_translation.metrics:{ref}",
            config=f"seqtrain_translation.scoring_config:{config}",
            summary=summary,
        )
