"""
A list of convolutional layers, written as a text; imports no torch.

`512x3*9 1024x3*4` is nine layers of 512 channels and width 3, then four of 1,024 channels. A residual connection goes
around each layer, or around several that are joined: `64x1+64x5+512x1*3` is three times three layers.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from seqtrain.plugin import ConfigError

_LAYER = r"([1-9]\d*)x([1-9]\d*)"
_BLOCK = re.compile(rf"({_LAYER}(?:\+{_LAYER})*)(?:\*([1-9]\d*))?", re.ASCII)


class ConvolutionSize(NamedTuple):
    """
    The size of one convolution.

    Args:
        channels: of its output.
        width: positions that it sees at once.
    """

    channels: int
    width: int


Block: TypeAlias = tuple[ConvolutionSize, ...]


def read_layers(text: str, key: str) -> list[Block]:
    """
    Return the convolutions in each residual connection.

    Args:
        text: as the module says.
        key: the setting that it is the value of, for the error message.

    Raises:
        ConfigError: it is not of that form.
    """
    blocks: list[Block] = []
    for word in text.split():
        found = _BLOCK.fullmatch(word)
        if found is None:
            raise ConfigError(
                f"{key}: {word!r} is not CHANNELSxWIDTH, such as 256x3, perhaps joined by + and followed by *TIMES. "
                "Write it like 512x3*9 1024x3*4."
            )
        sizes = (ConvolutionSize(int(channels), int(width)) for channels, width in re.findall(_LAYER, found[1]))
        blocks += [tuple(sizes)] * int(found[6] or 1)
    if not blocks:
        raise ConfigError(f"{key} lists no layers. Write them like 512x3*9 1024x3*4.")
    return blocks
