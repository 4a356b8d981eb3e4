"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the language-modelling task and its metrics."""
    yield Component(
        kind="task",
        name="lm",
        ref="seqtrain_lm.factory:make_task",
        config="seqtrain_lm.config:LMConfig",
        summary="Model text: continue it, score it, pre-train encoders on it",
        recipe="seqtrain_lm:recipes/lm.yaml",
        builtin_recipe="seqtrain_lm:recipes/builtin.yaml",
    )
    for name, summary in (
        ("nats_per_token", "Negative log-probability of a token"),
        ("perplexity", "exp of nats_per_token"),
        ("bits_per_char", "Bits for each Unicode code point"),
        ("bits_per_byte", "Bits for each byte in UTF-8"),
        ("ppl_per_word", "Perplexity of a word, whatever the tokens are"),
    ):
        yield Component(kind="metric", name=name, ref=f"seqtrain_lm.metrics:{name}", summary=summary, for_tasks=("lm",))
