"""
From rows of token ids to a batch that the model can read.

B sentences, S source positions, T target positions.
"""

from __future__ import annotations

import torch

from seqtrain.api import Batch
from seqtrain_text.decoding.full_prefix import PREFIX_NAME
from seqtrain_text.flat_rows import FlatRows, IntArray
from seqtrain_text.padded import pad_rows, shift_right

SOURCE_NAME = "source_tokens"


def make_batch(ids: IntArray, source: FlatRows, target: FlatRows, *, padding: int, bos: int) -> Batch:
    """
    Put rows side by side; the decoder reads each target row behind `bos` and is to predict the row itself.

    Args:
        ids: (B,) indices of the examples.
        source: B rows, each ended by eos.
        target: B rows.
        padding: fills up shorter rows, on both sides.
        bos: what the decoder reads first.

    Returns:
        A batch whose net_input holds `source_tokens` (B, S) and `prev_output_tokens` (B, T); the target is (B, T).
    """
    sides = (
        pad_rows(source.tokens, source.lengths, padding),  # (B, S)
        pad_rows(shift_right(target.tokens, target.lengths, bos), target.lengths, padding),  # (B, T)
        pad_rows(target.tokens, target.lengths, padding),  # (B, T)
    )
    source_tokens, prefix, expected = (torch.from_numpy(side) for side in sides)
    longer, rows = max((source_tokens, source), (expected, target), key=lambda side: side[0].shape[1])
    return Batch(
        ids=torch.from_numpy(ids),
        net_input={SOURCE_NAME: source_tokens, PREFIX_NAME: prefix},
        target=expected,
        num_targets=len(target.tokens),
        num_tokens=len(rows.tokens),
        num_positions=longer.numel(),
        num_source_tokens=len(source.tokens),
    )
