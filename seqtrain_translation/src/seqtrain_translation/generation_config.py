"""How translations are generated."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain_text.search_config import SearchConfig, search_setting


@dataclass(frozen=True, kw_only=True)
class GenerationConfig(SearchConfig):
    """
    How translations are generated.

    Lengths do not count the end of the sentence. The default limit, 1.5 S + 20, is above what any pair of languages in
    one alphabet needs, and stops a model that has not learned to end after a fraction of fairseq's 200 tokens.
    """

    max_len_a: float = search_setting(1.5, help="a in the length limit a * source length + b", ge=0)
    max_len_b: int = search_setting(20, help="b in the length limit a * source length + b", unit="tokens", ge=0)
    max_tokens: int = search_setting(2048, help="largest decoding batch, in padded source tokens", unit="tokens", ge=1)
