"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the classification task."""
    yield Component(
        kind="task",
        name="classify",
        ref="seqtrain_classify.factory:make_task",
        config="seqtrain_classify.config:ClassifyConfig",
        summary="Label texts or pairs of texts, or give each a number",
        recipe="seqtrain_classify:recipes/classify.yaml",
        builtin_recipe="seqtrain_classify:recipes/builtin.yaml",
    )
