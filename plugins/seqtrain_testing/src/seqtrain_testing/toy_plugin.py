"""The toy parts as a plugin, registered by the host of the tests and nowhere else."""

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
            ref=f"seqtrain.testing.toy:{ref}",
            config=config and f"seqtrain.testing.toy_config:{config}",
            summary=summary,
            recipe="seqtrain.testing:toy_recipe.yaml" if kind == "task" else None,
        )
    yield Component(
        kind="callback",
        name="stop_at",
        ref="seqtrain.testing.toy:StopAt",
        config="seqtrain.testing.toy_config:StopAtConfig",
        summary="Stop a run as an interruption would",
    )
