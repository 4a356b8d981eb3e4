"""The criteria this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl

# name, module and builder, class of its config, summary, tasks
_CRITERIA = (
    ("cross_entropy", "cross_entropy:cross_entropy", "CrossEntropyConfig",
     "Negative log-likelihood of the targets", ()),
    ("label_smoothed_cross_entropy", "cross_entropy:label_smoothed_cross_entropy", "LabelSmoothedCrossEntropyConfig",
     "Cross entropy with some mass on every other symbol", ()),
    ("masked_lm", "cross_entropy:cross_entropy", "CrossEntropyConfig",
     "Negative log-likelihood of the tokens that were masked", ("lm",)),
    ("adaptive_loss", "cross_entropy:cross_entropy", "CrossEntropyConfig",
     "Negative log-likelihood by a model's adaptive softmax", ()),
    ("rdrop", "rdrop:RDrop", "RDropConfig",
     "Two passes with different dropout, pulled together (R-Drop)", ()),
    ("sentence_prediction", "sentence_prediction:SentencePrediction", "SentencePredictionConfig",
     "One label, several labels, or a number for each example", ("classify",)),
    ("sentence_ranking", "sentence_prediction:SentenceRanking", "SentenceRankingConfig",
     "Which of several candidates is the right one", ("classify",)),
)  # fmt: skip


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the losses of text models."""
    for name, ref, config, summary, tasks in _CRITERIA:
        yield Component(
            kind="criterion",
            name=name,
            ref=f"seqtrain_criteria.{ref}",
            config=f"seqtrain_criteria.config:{config}",
            summary=summary,
            for_tasks=tasks,
        )
