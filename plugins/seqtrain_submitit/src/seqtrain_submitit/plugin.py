"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the launcher."""
    yield Component(
        kind="launcher",
        name="submitit",
        ref="seqtrain_submitit.launcher:SubmititLauncher",
        config="seqtrain_submitit.config:SubmititConfig",
        summary="Send the run to SLURM, show what it says, and wait for it",
    )
