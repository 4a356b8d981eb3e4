"""Feed-forward networks: numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.feed_forward import make_feed_forward

X = 2.0


def network(activation: str) -> torch.nn.Module:
    """Return one of size 2 with a hidden unit, whose input is the first unit and whose output is twice the hidden one."""
    config = LayerConfig(embed_dim=2, ffn_dim=1, attention_heads=1, activation=activation)
    module = make_feed_forward(config)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_()
            if name == "contract.weight":
                parameter.fill_(2.0)
            elif name.endswith("weight"):
                parameter[0, 0] = -0.5 if name.startswith("expand") else 1.5
    return module.eval()


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 0.0),  # of -1
        ("gelu", 2 * -1 * (1 + math.erf(-1 / math.sqrt(2))) / 2),
        ("swiglu", 2 * (3 / (1 + math.exp(-3))) * -1),  # silu(1.5 x) times -0.5 x
    ],
)
def test_each_kind_worked_by_hand(activation: str, expected: float) -> None:
    """The hidden unit is relu(-x/2), gelu(-x/2), or silu(3x/2) times -x/2; the output is twice that."""
    out = network(activation)(torch.tensor([[[X, 9.0]]]))

    torch.testing.assert_close(out, torch.full((1, 1, 2), expected))


def test_swiglu_with_two_thirds_of_the_width_has_as_many_weights() -> None:
    """Three matrices of 2/3 F hold what two of F do."""
    sizes = {"embed_dim": 48, "attention_heads": 1}
    plain = make_feed_forward(LayerConfig(**sizes, ffn_dim=96))
    gated = make_feed_forward(LayerConfig(**sizes, ffn_dim=64, activation="swiglu"))
    counts = [sum(each.numel() for each in module.parameters() if each.ndim == 2) for module in (plain, gated)]

    assert counts[0] == counts[1]


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_hidden_units_are_dropped_in_training_only(activation: str) -> None:
    """Activation dropout is for training."""
    torch.manual_seed(0)
    config = LayerConfig(embed_dim=8, ffn_dim=16, attention_heads=1, activation=activation, activation_dropout=0.5)
    module = make_feed_forward(config)
    x = torch.randn(1, 3, 8)

    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))
