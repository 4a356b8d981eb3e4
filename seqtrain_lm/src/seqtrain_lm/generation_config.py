"""How prompts are continued."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain_text.search_config import SearchConfig, search_setting


@dataclass(frozen=True, kw_only=True)
class GenerationConfig(SearchConfig):
    """
    How prompts are continued.

    Lengths are those of the continuation, its end not counted.
    """

    beam: int = search_setting(1, help="hypotheses kept for each prompt; 1 is greedy search", unit="hypotheses", ge=1)
    min_len: int = search_setting(0, help="shortest continuation", unit="tokens", ge=0)
    max_new_tokens: int = search_setting(100, help="longest continuation", unit="tokens", ge=1)
    stop: str = search_setting(
        "line",
        help=r"where a continuation ends: with its line, or after max_new_tokens alone, line ends being written as \n",
        choices=("line", "length"),
    )
    long_prompt: str = search_setting(
        "error",
        help="what to do with a prompt that the model cannot read at once; truncate keeps its end",
        choices=("error", "truncate"),
    )
    max_prompts: int = search_setting(64, help="prompts continued side by side", unit="prompts", ge=1)
