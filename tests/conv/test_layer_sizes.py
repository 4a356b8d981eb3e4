"""Lists of layers, written as texts."""

from __future__ import annotations

import pytest

from seqtrain.errors import ConfigError
from seqtrain_conv.layer_sizes import read_layers


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("256x3", [[(256, 3)]]),
        ("512x3*2 1024x1", [[(512, 3)], [(512, 3)], [(1024, 1)]]),
        ("  8x1+8x5+16x1*2\n 4x2 ", [[(8, 1), (8, 5), (16, 1)], [(8, 1), (8, 5), (16, 1)], [(4, 2)]]),
    ],
)
def test_a_text_lists_the_layers_of_each_residual_connection(text: str, blocks: list[list[tuple[int, int]]]) -> None:
    """Layers joined by + share one, and *N repeats all of them."""
    assert blocks == [list(block) for block in read_layers(text, "layers")]


@pytest.mark.parametrize(
    "text",
    ["512", "x3", "512x", "512x3*", "512x3*0", "0x3", "8x0", "8x3+", "8x3 *2", "512 x 3", "[(512, 3)]", "8x3,8x3"],
)
def test_other_texts_are_refused(text: str) -> None:
    """The message names setting and form."""
    with pytest.raises(ConfigError, match=r"decoder_layers: .* is not CHANNELSxWIDTH.*512x3\*9 1024x3\*4"):
        read_layers(text, "decoder_layers")


@pytest.mark.parametrize("text", ["", "  "])
def test_no_layers_are_refused(text: str) -> None:
    """A model needs one."""
    with pytest.raises(ConfigError, match="encoder_layers lists no layers"):
        read_layers(text, "encoder_layers")
