"""
Gated convolutions.

R rows, T positions, I channels in, C channels out, K width of a convolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import cast

import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

from seqtrain_conv.decoding_state import InputBuffer
from seqtrain_conv.layer_sizes import Block, ConvolutionSize
from seqtrain_conv.weight_norm import make_convolution, make_linear

SQRT_HALF = math.sqrt(0.5)  # times the sum of two, it keeps their variance


class GatedConvolution(nn.Module):
    """
    Dropout, a convolution, and the gates that it computes for itself.

    Args:
        inputs: I.
        size: C and K.
        dropout: of inputs.
        causal: see no position after one's own; otherwise, as many on both sides, or one more after.

    Source:
        Dauphin et al. 2017, arXiv:1612.08083, equation 1.
    """

    def __init__(self, inputs: int, size: ConvolutionSize, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.convolution = make_convolution(inputs, 2 * size.channels, size.width, dropout=dropout)
        seen = size.width - 1  # besides one's own
        self.margins = (seen, 0) if causal else (seen // 2, seen - seen // 2)

    def forward(self, x: Tensor, buffer: InputBuffer | None = None) -> Tensor:
        """
        Map (R, T, I) to (R, T, C).

        Args:
            x: inputs, zero at padding.
            buffer: holds those before, for a causal convolution; x is added to it.
        """
        x = self.dropout(x)
        x = F.pad(x, (0, 0, *self.margins)) if buffer is None else buffer.extend(x, self.margins[0])
        return F.glu(self.convolution(x.transpose(1, 2)), dim=1).transpose(1, 2)


class GatedBlock(nn.Module):
    """
    Gated convolutions, one after the other, for a residual connection around all of them.

    Args:
        inputs: channels of what comes in.
        block: the sizes of the convolutions.
        dropout: of each one's inputs.
        causal: see `GatedConvolution`.
    """

    def __init__(self, inputs: int, block: Block, dropout: float, *, causal: bool) -> None:
        super().__init__()
        outputs = block[-1].channels
        sizes = [inputs, *(size.channels for size in block)]
        self.convolutions = nn.ModuleList(
            GatedConvolution(before, size, dropout, causal=causal) for before, size in zip(sizes, block, strict=False)
        )
        self.project = make_linear(inputs, outputs) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, is_padding: Tensor | None, buffers: Iterator[InputBuffer | None]) -> Tensor:
        """
        Run the convolutions only, without the residual connection.

        Args:
            x: (R, T, I).
            is_padding: (R, T, 1) bool, where inputs are taken for zero; None: nowhere.
            buffers: gives one for each causal convolution.
        """
        for convolution in self.convolutions:
            x = convolution(x if is_padding is None else x.masked_fill(is_padding, 0), next(buffers))
        return x


def make_blocks(inputs: int, blocks: Sequence[Block], dropout: float, *, causal: bool) -> nn.ModuleList:
    """Return blocks of which the first takes `inputs` channels, and each other what the one before gives."""
    sizes = [inputs, *(block[-1].channels for block in blocks)]
    return nn.ModuleList(
        GatedBlock(before, block, dropout, causal=causal) for before, block in zip(sizes, blocks, strict=False)
    )


def as_blocks(modules: nn.ModuleList) -> Iterator[GatedBlock]:
    """Yield the blocks in a list, which does not say what it holds."""
    return (cast("GatedBlock", each) for each in modules)


def no_buffers() -> Iterator[None]:
    """Yield what stands for the buffers where whole rows are read."""
    return repeat(None)
