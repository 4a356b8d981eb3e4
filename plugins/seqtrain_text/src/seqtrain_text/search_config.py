"""The settings of beam search and of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, option


def search_setting(default: Any, **described: Any) -> Any:
    """Declare a setting; none of them touches the training, so a resumed run may change every one."""
    return option(default, **described, may_change=True)


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """
    How text is generated; a task adds settings of its own.

    Lengths do not count the end of the text.
    """

    beam: int = search_setting(5, help="hypotheses kept for each text; 1 is greedy search", unit="hypotheses", ge=1)
    nbest: int = search_setting(1, help="results returned for each text, best first", unit="hypotheses", ge=1)
    lenpen: float = search_setting(
        1.0, help="the score is the log-probability / length ** lenpen; above 1 favours long ones"
    )
    min_len: int = search_setting(1, help="shortest result", unit="tokens", ge=0)
    no_repeat_ngram_size: int = search_setting(
        0, help="no n-gram of this size occurs twice; 0: no rule", unit="tokens", ge=0
    )
    unkpen: float = search_setting(0.0, help="taken from the log-probability of the unknown token; above 0 avoids it")
    temperature: float = search_setting(1.0, help="logits are divided by it; above 1 flattens the distribution", gt=0)
    sampling: bool = search_setting(False, help="draw tokens at random; nbest samples a text, and no beam")
    top_k: int = search_setting(0, help="draw from this many likeliest tokens; 0: from all", unit="tokens", ge=0)
    top_p: float = search_setting(1.0, help="draw from the likeliest tokens that make up this probability", gt=0, le=1)
    seed: int = search_setting(1, help="seed of sampling", ge=0)

    def __post_init__(self) -> None:
        if not self.sampling and self.nbest > self.beam:
            raise ConfigError(f"nbest={self.nbest} asks for more than beam={self.beam} finds; set beam={self.nbest}")
        if not self.sampling and (self.top_k > 0 or self.top_p < 1):
            raise ConfigError("top_k and top_p limit what is drawn; set sampling=true, or leave them out")
