"""How long a translation may become."""

from __future__ import annotations

from torch import Tensor

from seqtrain_translation.generation_config import GenerationConfig


def length_limits(source_lengths: Tensor, config: GenerationConfig, *, max_positions: int) -> Tensor:
    """
    Return the most tokens each translation may have before its end: a * S + b, as far as the model reaches.

    Each sentence has its own limit, so that its translation does not depend on what it is batched with.

    Args:
        source_lengths: (B,) int64, real source tokens.
        config: a and b.
        max_positions: the longest target that the model can handle, its end included.

    Returns:
        (B,) int64.
    """
    limits = (source_lengths.double() * config.max_len_a + config.max_len_b).long()
    return limits.clamp(max=max_positions - 1)
