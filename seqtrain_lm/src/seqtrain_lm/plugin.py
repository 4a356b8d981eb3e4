"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the language-modelling task."""
    yield Component(
        kind="task",
        name="lm",
        ref="seqtrain_lm.factory:make_task",
        config="seqtrain_lm.config:LMConfig",
        summary="Model text: continue it, score it, pre-train encoders on it",
        recipe="seqtrain_lm:recipes/lm.yaml",
        builtin_recipe="seqtrain_lm:recipes/builtin.yaml",
    )
