"""What core offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the tracker that is on by default."""
    yield Component(
        kind="tracker",
        name="tensorboard",
        ref="seqtrain.builtin.tensorboard:TensorBoard",
        config="seqtrain.builtin.config:TensorBoardConfig",
        summary="Write the metrics of a run for TensorBoard",
    )
