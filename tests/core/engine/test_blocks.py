"""The blocks of a model, and what is done to each: computing activations again, and compiling."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.engine.blocks import BlockOrder, blocks, blocks_in_order
from seqtrain.engine.compiling import checkpoint_activations, compile_model
from seqtrain.errors import ConfigError


class Layer(nn.Module):
    """A layer with dropout, and layers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleList([nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 4)])
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        """Map x (B, 4) to (B, 4)."""
        y = x
        for each in self.inner:
            y = each(y)
        return x + self.dropout(y) * scale


class Model(nn.Module):
    """Two layers in a list, and things that are no blocks."""

    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Linear(3, 4)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.lists = nn.ModuleList([nn.ModuleList([nn.Dropout(0.1), nn.LayerNorm(4)]), nn.ModuleList()])
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(4, 20, [5, 10], div_value=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, 3) to (B, 4)."""
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x, scale=0.5)
        norm: Any = self.lists[0]
        out: Tensor = norm[1](x)
        return out


def test_blocks_are_the_outermost_layers_in_lists() -> None:
    """Not what they are made of, nor what has no parameters, nor the clusters of an adaptive softmax."""
    model = Model()

    assert [*model.layers, model.lists[0][1]] == blocks(model)
    assert [] == blocks(nn.Linear(2, 2))


def test_a_block_in_two_places_is_one() -> None:
    """As where layers share their weights."""
    layer = Layer()

    assert [layer] == blocks(nn.Sequential(nn.ModuleList([layer, layer]), nn.ModuleList([layer])))


def gradients(model: nn.Module) -> list[Tensor]:
    torch.manual_seed(2)
    model.zero_grad()
    model(torch.ones(5, 3)).square().sum().backward()
    return [each.grad.clone() for each in model.parameters() if each.grad is not None]


def test_computing_activations_again_changes_no_bit_and_no_name() -> None:
    """Dropout is drawn as it was; a copy computes with its own weights."""
    plain, again = Model(), Model()
    checkpoint_activations(again)

    assert list(plain.state_dict()) == list(again.state_dict())
    assert [str(each) for each in plain.modules()] == [str(each) for each in again.modules()]
    expected = gradients(plain)
    for model in (again, copy.deepcopy(again)):
        assert all(torch.equal(*pair) for pair in zip(expected, gradients(model), strict=True))


def test_a_copy_is_of_its_own() -> None:
    """What is done to its weights shows in what it computes, and not in the first one's."""
    model = Model().eval()
    checkpoint_activations(model)
    other = copy.deepcopy(model)
    for parameter in other.layers.parameters():
        nn.init.zeros_(parameter)
    x = torch.ones(2, 3)

    assert torch.equal(other(x), other.lists[0][1](other.embed(x)))
    assert not torch.equal(model(x), other(x))


def kept(model: nn.Module) -> int:
    count = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal count
        count += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.ones(5, 3))
    return count


def test_less_is_kept_for_the_backward_pass() -> None:
    """Of a layer, only what comes in; and nothing where there is no gradient."""
    plain, again = Model(layers=6), Model(layers=6)
    checkpoint_activations(again)

    assert kept(again) < kept(plain) / 3
    with torch.no_grad():
        assert 0 == kept(again)


@pytest.mark.parametrize("change", [checkpoint_activations, compile_model])
def test_a_model_without_blocks_is_refused(change: Any) -> None:
    """Rather than left as it is, silently."""
    with pytest.raises(ConfigError, match=r"trainer\.\w+=true works on the layers .* Linear has none"):
        change(nn.Linear(2, 2))


def test_compiling_wants_a_compiler() -> None:
    """It is named before anything is compiled."""
    with pytest.raises(ConfigError, match=r"no c\+\+-17 here.*CXX"):
        compile_model(Model(), {"CXX": "c++-17", "PATH": "/nowhere"})


def test_compiling_is_for_training_only_and_copies_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch makes is used where there is a gradient; names stay."""
    made = []
    monkeypatch.setattr(torch, "compile", lambda forward, **options: lambda *a, **k: made.append(1) or forward(*a, **k))
    monkeypatch.setattr("shutil.which", lambda *_, **__: "there")
    model = Model()
    names = list(model.state_dict())
    compile_model(model)
    checkpoint_activations(model)

    with torch.no_grad():
        model(torch.ones(1, 3))
    gradients(copy.deepcopy(model))
    assert [] == made
    assert all(torch.equal(*pair) for pair in zip(gradients(Model()), gradients(model), strict=True))
    assert made
    assert names == list(model.state_dict())


@pytest.mark.skipif("SEQTRAIN_FAULT_TRIALS" not in os.environ, reason="the compiler takes up to a minute")
@pytest.mark.filterwarnings("default")  # torch warns of what it does itself
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_compiled_blocks_give_the_same_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-4, as kernels are not torch's own; also with activations computed again; batches of other sizes are not compiled anew."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    eager, compiled = Model().eval(), Model().eval()  # without dropout, which is drawn otherwise when compiled
    compile_model(compiled)
    checkpoint_activations(compiled)
    for rows in (5, 3):
        results = []
        for model in (eager, compiled):
            model.zero_grad()
            model(torch.ones(rows, 3)).square().sum().backward()
            results.append([each.grad for each in model.parameters() if each.grad is not None])
        for pair in zip(*results, strict=True):
            torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)


def test_blocks_that_are_used_in_pieces_are_not_among_those_in_order() -> None:
    """One of which a part is called from elsewhere, one that is called twice, and one that never is."""

    class Odd(Model):
        def forward(self, x: Tensor) -> Tensor:
            a, b, c, d, _unused = self.layers
            x = c(a(b(self.embed(x))))
            return a(x) + d(x) + d.inner[0](x).sum()

    model = Odd(layers=5)

    assert [model.layers[1], model.layers[2]] == blocks_in_order(model, lambda: model(torch.ones(1, 3)))
    assert [model.layers[1], model.layers[2]] == blocks_in_order(
        model, lambda: [model(torch.ones(1, 3)) for _ in range(2)]
    )
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())


@pytest.mark.parametrize("skipped_steps", [0, 1, 2])
def test_a_pass_that_leaves_out_a_block_is_refused(skipped_steps: int) -> None:
    """The first, one within, or the last; a pass that has all of them twice is not."""
    model = Model(layers=3)
    ordered = list(model.layers)
    BlockOrder(model, ordered)
    model(torch.ones(1, 3))
    model.layers.extend(ordered)
    model(torch.ones(1, 3))
    model.layers = nn.ModuleList(each for each in ordered if each is not ordered[skipped_steps])

    with pytest.raises(ConfigError, match=rf"left out layer {skipped_steps + 1} of 3 \(Layer\).*layer_drop.*ddp"):
        model(torch.ones(1, 3))
    model.layers = nn.ModuleList(ordered)
    model(torch.ones(1, 3))
