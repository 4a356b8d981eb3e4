"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the classification task and its metrics."""
    yield Component(
        kind="task",
        name="classify",
        ref="seqtrain_classify.factory:make_task",
        config="seqtrain_classify.config:ClassifyConfig",
        summary="Label texts or pairs of texts, or give each a number",
        recipe="seqtrain_classify:recipes/classify.yaml",
        builtin_recipe="seqtrain_classify:recipes/builtin.yaml",
    )
    for name, summary in (
        ("accuracy", "Share of texts whose label, or all of whose labels, are right"),
        ("macro_f1", "Mean F1 over labels"),
        ("micro_f1", "F1 over all answers together"),
        ("mcc", "Matthews' correlation coefficient of labels"),
        ("pearson", "Pearson's correlation of numbers"),
        ("spearman", "Spearman's correlation of numbers"),
    ):
        yield Component(
            kind="metric", name=name, ref=f"seqtrain_classify.metrics:{name}", summary=summary, for_tasks=("classify",)
        )
