"""How text is scored."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """
    How text is scored: a window moves over it, and every token is scored once.

    With `stride` below `context`, the first `context - stride` tokens of a window are read only, so that what is
    scored has at least so much before it. That takes `context / stride` times as long.
    """

    context: int | None = option(
        None, help="tokens in a window; default: tokens_per_sample", unit="tokens", ge=1, may_change=True
    )
    stride: int | None = option(
        None, help="tokens scored in a window, the last ones; default: all", unit="tokens", ge=1, may_change=True
    )
    max_tokens: int = option(4096, help="largest batch, in padded tokens", unit="tokens", ge=1, may_change=True)
