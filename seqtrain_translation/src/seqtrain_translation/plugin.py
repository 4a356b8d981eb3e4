"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the translation task."""
    yield Component(
        kind="task",
        name="translation",
        ref="seqtrain_translation.factory:make_task",
        config="seqtrain_translation.config:TranslationConfig",
        summary="Translate sentences, learned from parallel text",
        recipe="seqtrain_translation:recipes/translation.yaml",
        builtin_recipe="seqtrain_translation:recipes/builtin.yaml",
    )
