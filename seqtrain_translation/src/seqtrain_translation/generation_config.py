"""How translations are generated: the settings of beam search and of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, option


def _setting(default: Any, **described: Any) -> Any:
    """Declare a setting; none of them touches the training, so a resumed run may change every one."""
    return option(default, **described, may_change=True)


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """
    How translations are generated.

    Lengths do not count the end of the sentence. The default limit, 1.5 S + 20, is above what any pair of languages in
    one alphabet needs, and stops a model that has not learned to end after a fraction of fairseq's 200 tokens.
    """

    beam: int = _setting(5, help="hypotheses kept for each sentence; 1 is greedy search", unit="hypotheses", ge=1)
    nbest: int = _setting(1, help="translations returned for each sentence, best first", unit="hypotheses", ge=1)
    lenpen: float = _setting(1.0, help="the score is the log-probability / length ** lenpen; above 1 favours long ones")
    max_len_a: float = _setting(1.5, help="a in the length limit a * source length + b", ge=0)
    max_len_b: int = _setting(20, help="b in the length limit a * source length + b", unit="tokens", ge=0)
    min_len: int = _setting(1, help="shortest translation", unit="tokens", ge=0)
    no_repeat_ngram_size: int = _setting(0, help="no n-gram of this size occurs twice; 0: no rule", unit="tokens", ge=0)
    unkpen: float = _setting(0.0, help="taken from the log-probability of the unknown token; above 0 avoids it")
    temperature: float = _setting(1.0, help="logits are divided by it; above 1 flattens the distribution", gt=0)
    sampling: bool = _setting(False, help="draw tokens at random; nbest samples a sentence, and no beam")
    top_k: int = _setting(0, help="draw from this many likeliest tokens; 0: from all", unit="tokens", ge=0)
    top_p: float = _setting(1.0, help="draw from the likeliest tokens that make up this probability", gt=0, le=1)
    seed: int = _setting(1, help="seed of sampling", ge=0)
    max_tokens: int = _setting(2048, help="largest decoding batch, in padded source tokens", unit="tokens", ge=1)

    def __post_init__(self) -> None:
        if not self.sampling and self.nbest > self.beam:
            raise ConfigError(f"nbest={self.nbest} asks for more than beam={self.beam} finds; set beam={self.nbest}")
        if not self.sampling and (self.top_k > 0 or self.top_p < 1):
            raise ConfigError("top_k and top_p limit what is drawn; set sampling=true, or leave them out")
