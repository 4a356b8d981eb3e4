"""The encoder-decoder gives the numbers it gave before layers were shared with other models: checkpoints stay good."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.protocols import ModelSpec
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer

SPEC = ModelSpec(
    vocab_size=60,
    source_vocab_size=60,
    shared_vocabulary=True,
    padding=1,
    max_positions=100,
    max_source_positions=110,
)
# Options, hash of names and shapes, then numbers: initial weights, logits, those of training, gradient, decoding.
# Written down from the first release of the package, with torch 2.13 on a CPU.
STORED = [
    ({}, "293f1e21a48e5f21", (70.2612, 34.4300, 44.9363, -18.0551, 16.1716)),
    ({"pre_norm": False}, "d7064988e457d493", (0.1718, 6.7894, 11.2902, 26.4825, 6.4445)),
    ({"positions": "learned", "activation": "gelu"}, "7a0c24e2d257602f", (-12.1513, 21.3744, 28.8924, 6.9817, 6.5083)),
    (
        {"share_embeddings": "none", "attention_heads": 1, "encoder_layers": 1},
        "97cee8d744e560dc",
        (-15.8019, -36.6258, -13.9499, -31.6632, 35.7384),
    ),
    (
        {"share_embeddings": "decoder", "attention_dropout": 0.2, "activation_dropout": 0.1},
        "293f1e21a48e5f21",
        (28.2424, -4.7343, 2.2169, -45.4554, 49.3374),
    ),
]


def number(tensor: Tensor) -> float:
    """Return one number that hardly any two tensors have in common."""
    return (tensor.detach().double().flatten() @ torch.arange(tensor.numel(), dtype=torch.float64).cos()).item()


def measured(options: dict[str, Any]) -> tuple[str, tuple[float, ...]]:
    """Return the hash and the numbers of a model with these options."""
    torch.manual_seed(3)
    sizes = {"encoder_layers": 2, "decoder_layers": 3, "embed_dim": 32, "ffn_dim": 48, "attention_heads": 4}
    model = Transformer(TransformerConfig(**{**sizes, **options}), spec=SPEC)
    state = model.state_dict()
    names = "".join(f"{name} {tuple(tensor.shape)}\n" for name, tensor in state.items())
    source, target = torch.randint(4, 60, (5, 7)), torch.randint(4, 60, (5, 9))
    source[1, 4:] = target[2, 7:] = 1
    logits = model.eval()(source, target)
    decoding = model.start_decoding({"source_tokens": source}, beam=2)
    steps = []
    for step in range(4):
        steps.append(model.decode_step(torch.randint(4, 60, (10, 1 + step % 2)), decoding))
        decoding.reorder(torch.tensor([1, 1, 2, 3, 5, 4, 6, 6, 8, 9]))
    torch.manual_seed(5)
    trained = model.train()(source, target)
    trained.logsumexp(-1).sum().backward()
    gradients = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    weights = torch.cat([each.flatten() for each in state.values()])
    numbers = (weights, logits, trained, gradients, torch.cat(steps, dim=1))
    return hashlib.sha256(names.encode()).hexdigest()[:16], tuple(number(each) for each in numbers)


@pytest.mark.parametrize(("options", "names", "numbers"), STORED, ids=str)
def test_numbers_are_those_of_the_first_release(
    options: dict[str, Any], names: str, numbers: tuple[float, ...]
) -> None:
    """Names, shapes, initial weights, dropout and arithmetic are what they were."""
    found_names, found_numbers = measured(options)

    assert names == found_names
    assert numbers == pytest.approx(found_numbers, abs=1e-3)
