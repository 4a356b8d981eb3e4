"""The commands for plugin authors, for `seqtrain` to find."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer `seqtrain plugins new` and `seqtrain plugins check`."""
    yield Component(
        kind="command",
        name="plugins-check",
        ref="seqtrain_testing.cli.check:check",
        summary="Check a plugin against the rules, before others rely on it",
    )
    yield Component(
        kind="command",
        name="plugins-new",
        ref="seqtrain_testing.cli.new:new",
        summary="Write a new plugin package",
    )
