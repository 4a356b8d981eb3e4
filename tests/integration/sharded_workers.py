"""
One of two workers with parts of every parameter: `python sharded_workers.py STORE RANK`.

What it asserts is what the tests in `test_sharded_parameters.py` claim; the names of what held are printed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from seqtrain.config.standalone import resolve_component
from seqtrain.engine.blocks import BlockOrder, blocks, blocks_in_order
from seqtrain.engine.compiling import checkpoint_activations
from seqtrain.engine.gradients import Sharded, clip_gradients, gradient_norm, multiply_gradients
from seqtrain.errors import ConfigError
from seqtrain.protocols import ModelParameters, ModelSpec
from seqtrain.registry.discovery import discover
from seqtrain.registry.registry import Registry

SPEC = ModelSpec(
    vocab_size=19, source_vocab_size=19, padding=0, max_positions=20, shared_vocabulary=True, num_classes=3
)


class Net(nn.Module):
    """Matrices, vectors, fewer rows than workers, and rows that do not divide evenly."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.ModuleList([nn.Linear(6, 7), nn.LayerNorm(7), nn.Linear(7, 1), nn.Linear(1, 4)])

    def forward(self, x: Tensor) -> Tensor:
        """Return a loss."""
        for layer in self.layers:
            x = layer(x)
        return x.square().sum()


def shard(model: nn.Module) -> nn.Module:
    """Cut all parameters of a model."""
    mesh = init_device_mesh("cpu", (2,))
    for block in blocks(model):
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def whole(tensor: Tensor) -> Tensor:
    """Put a tensor together."""
    return tensor.full_tensor() if isinstance(tensor, Sharded) else tensor


def assert_near(left: nn.Module, right: nn.Module, what: Callable[[Any], Tensor]) -> None:
    """Compare something of all parameters."""
    for one, other in zip(left.parameters(), right.parameters(), strict=True):
        torch.testing.assert_close(whole(what(one)), whole(what(other)), rtol=1e-6, atol=1e-6)


def clip(model: nn.Module, max_norm: float | None) -> Tensor:
    """Clip a model's gradient as a step does, and return its norm before."""
    parameters = list(model.parameters())
    norm = gradient_norm(parameters)
    if isinstance(parameters[0], Sharded):
        of_workers = [torch.empty_like(norm) for _ in range(dist.get_world_size())]
        dist.all_gather(of_workers, norm)
        norm = torch.linalg.vector_norm(torch.stack(of_workers))
    clip_gradients(parameters, norm, max_norm)
    return norm


def gradients(_registry: Registry) -> None:
    """Norm, clipping and multiplying see all parts."""
    plain, sharded = Net(), shard(Net())
    for each in (plain, sharded):
        each(torch.linspace(-1, 3, 30).view(5, 6)).backward()
    for factor, max_norm in ((0.5, None), (4.0, 1e9), (1.0, 0.1)):
        norms = []
        for each in (plain, sharded):
            multiply_gradients(list(each.parameters()), factor)
            norms.append(clip(each, max_norm))
        torch.testing.assert_close(*norms, rtol=1e-6, atol=0)
        assert_near(plain, sharded, lambda each: each.grad)
    torch.testing.assert_close(clip(sharded, None), torch.tensor(0.1), rtol=1e-4, atol=0)


def optimizers(registry: Registry) -> None:
    """Every optimizer that is installed makes the same updates, and its state is what one process would have."""
    for name in (each.qualified_name for each in registry.components("optimizer")):
        selection = resolve_component(registry, "optimizer", name)
        changes = {"weight_decay": 0.1, "momentum": 0.9} if name.endswith(("/sgd", "/nag")) else {"weight_decay": 0.1}
        known = {field.name for field in fields(selection.config)}
        config = replace(selection.config, **{key: value for key, value in changes.items() if key in known})
        models = [Net(), shard(Net())]
        states = []
        for model in models:
            supplied = {"parameters": ModelParameters(model)}
            optimizer = registry.build(replace(selection, config=config), **supplied)
            for step in range(4):
                for group in optimizer.param_groups:
                    group["lr"] = 0.02 / (1 + step)
                optimizer.zero_grad()
                model(torch.linspace(-1, 3 + step, 30).view(5, 6)).backward()
                optimizer.step()
                if step == 1:  # the state survives being saved
                    optimizer.load_state_dict(optimizer.state_dict())
            states.append(optimizer.state_dict()["state"])
        assert_near(*models, lambda each: each)
        for number, state in states[0].items():
            assert state.keys() == states[1][number].keys(), (name, state.keys(), states[1][number].keys())
            for key, value in state.items():
                if isinstance(value, Tensor):
                    torch.testing.assert_close(value, whole(states[1][number][key]), rtol=1e-5, atol=1e-6)
        print(name)


def activations(registry: Registry) -> None:
    """Computing activations again changes nothing, whoever holds the parameters, and however the model is called."""
    selection = resolve_component(registry, "model", "transformer", {"dropout": 0.3, **SIZES})
    for wrap in (shard, DistributedDataParallel):
        results = []
        for checkpointed in (False, True):
            torch.manual_seed(2)
            model = registry.build(selection, spec=SPEC)
            names = list(model.state_dict())
            if checkpointed:
                checkpoint_activations(model)
            assert names == list(model.state_dict())
            wrapped = wrap(model)
            torch.manual_seed(3)
            tokens = torch.randint(1, 19, (3, 7))
            (wrapped(tokens, tokens).logsumexp(-1).sum() + wrapped(tokens, tokens, features_only=True).sum()).backward()
            results.append([whole(each.grad) for each in model.parameters()])
        assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


SIZES = {"embed_dim": 8, "ffn_dim": 16, "attention_heads": 2, "encoder_layers": 2, "decoder_layers": 2}
SMALL = {
    **{f"conv/{name}": {"encoder_widths": [3, 5], "decoder_widths": [3, 5]} for name in ("lightconv", "dynamicconv")},
    "conv/fconv": {"encoder_layers": "16x3*2", "decoder_layers": "16x3*2"},
    "conv/fconv_lm": {"layers": "16x3*2"},
}


def models(registry: Registry) -> None:
    """Every model computes what it did when it was whole, whatever way it uses its layers."""
    for name in (each.qualified_name for each in registry.components("model")):
        torch.manual_seed(1)
        model = registry.build(resolve_component(registry, "model", name, SMALL.get(name)), spec=SPEC).eval()
        tokens = torch.randint(1, 19, (3, 7))
        taken = inspect.signature(model.forward).parameters
        given = {key: tokens for key in taken if key in ("source_tokens", "prev_output_tokens", "tokens")}
        expected = model(**given)
        ordered = blocks_in_order(model, lambda model=model, given=given: model(**given))
        mesh = init_device_mesh("cpu", (2,))
        for block in ordered:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        BlockOrder(model, ordered)
        computed = model(**given)
        torch.testing.assert_close(expected, computed)
        computed.sum().backward()
        print(name, len(ordered))


def order(_registry: Registry) -> None:
    """A layer that one worker leaves out is noticed before parts of other layers are put in its place."""
    model = Net()
    example = torch.ones(5, 6)
    ordered = blocks_in_order(model, lambda: model(example))
    shard(model)
    BlockOrder(model, ordered)
    model(example).backward()
    first = model.layers.pop(0)
    assert first is ordered[0]
    try:
        model(torch.ones(5, 7))
    except ConfigError as error:
        assert "left out layer 1 of 4 (FSDPLinear)" in str(error), error
    else:
        raise AssertionError("nothing was refused")


def main(store: str, rank: int) -> None:
    """Do all of the above."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2)
    registry = Registry(discover().plugins)
    for part in (gradients, optimizers, activations, models, order):
        part(registry)
        print(part.__name__)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
