"""The toy parts as a plugin; tests register it, nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer what a run needs besides the component under test."""
    for kind, ref, config, summary in (
        ("task", "ToyTask", "ToyTaskConfig", "Reverse, continue or classify a few random words"),
        ("model", "ToyModel", "ToyModelConfig", "Embeddings, their sum, and a projection"),
        ("criterion", "ToyCriterion", None, "Summed cross entropy"),
        ("optimizer", "toy_optimizer", "ToyOptimizerConfig", "SGD with momentum"),
        ("lr_scheduler", "ToyLRScheduler", None, "1 / sqrt(step)"),
    ):
        yield Component(
            kind=kind,
            name="toy",
            ref=f"seqtrain_testing.toy:{ref}",
            config=config and f"seqtrain_testing.toy_config:{config}",
            summary=summary,
            recipe="seqtrain_testing:toy_recipe.yaml" if kind == "task" else None,
        )
    yield Component(
        kind="callback",
        name="stop_at",
        ref="seqtrain_testing.toy:StopAt",
        config="seqtrain_testing.toy_config:StopAtConfig",
        summary="Stop a run as an interruption would",
    )
