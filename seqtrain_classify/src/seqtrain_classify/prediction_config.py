"""How a trained model is asked."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class PredictionConfig:
    """How texts are put before a trained model, and what is written of its answers."""

    format: str = option(
        "tsv",
        help="a line of `seqtrain predict`: tsv has the label and the probability of each, with tabs between; json has "
        "an object",
        choices=("tsv", "json"),
        may_change=True,
    )
    probabilities: int | None = option(
        None,
        help="write the probabilities of so many labels, each after its label, the most probable first; as many as "
        "there are labels, or more: of all, in their order; default: of all up to 100 labels, of 10 where there are "
        "more",
        unit="labels",
        ge=1,
        may_change=True,
    )
    threshold: float = option(
        0.5, help="kind=multi: a text has the labels that are at least so probable", gt=0, lt=1, may_change=True
    )
    max_tokens: int = option(
        16_384, help="most tokens put before the model at once, padding included", unit="tokens", ge=1, may_change=True
    )
