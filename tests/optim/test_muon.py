"""The optimizer made of two: who updates what, and how."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqtrain.protocols import ModelParameters, OffersFeatures
from seqtrain_optim.muon import Muon
from seqtrain_optim.optimizer_config import MuonConfig


class Model(nn.Module):
    """An embedding, a hidden layer with a norm, and an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6)
        self.hidden = nn.Linear(6, 6)
        self.convolution = nn.Conv1d(6, 6, kernel_size=3)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 9)

    @property
    def output_projection(self) -> nn.Linear:
        return self.head


def make_model() -> Model:
    torch.manual_seed(0)
    return Model()


def set_gradients(model: nn.Module, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def updated_by_muon(optimizer: Muon, model: nn.Module) -> list[str]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [names[each] for group in optimizer.param_groups if "ns_steps" in group for each in group["params"]]


def test_only_hidden_matrices_are_muon_s():
    """Asked, the model tells its embedding and its output layer; what is no matrix is known by its shape."""
    model = make_model()

    assert isinstance(model, OffersFeatures)
    assert updated_by_muon(Muon(MuonConfig(), parameters=ModelParameters(model)), model) == ["hidden.weight"]


def test_an_embedding_tied_to_the_output_is_adamw_s():
    """It is one parameter under two names."""
    model = make_model()
    model.head.weight = model.embedding.weight

    assert updated_by_muon(Muon(MuonConfig(), parameters=ModelParameters(model)), model) == ["hidden.weight"]


def test_an_adaptive_softmax_is_adamw_s():
    """All of its matrices belong to the output layer."""

    class Adaptive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(8, 8)
            self.rest = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12], div_value=2.0)

        @property
        def adaptive_softmax(self) -> nn.AdaptiveLogSoftmaxWithLoss:
            return self.rest

    model = Adaptive()

    assert updated_by_muon(Muon(MuonConfig(), parameters=ModelParameters(model)), model) == ["hidden.weight"]


def test_bare_parameters_are_told_by_their_shape():
    """Without a model to ask, every matrix is Muon's."""
    model = make_model()

    assert updated_by_muon(Muon(MuonConfig(), parameters=model.parameters()), model) == [
        "embedding.weight",
        "hidden.weight",
        "head.weight",
    ]


def test_frozen_parameters_are_not_among_the_model_s():
    """What is not trained is not handed to an optimizer; the rest keeps its order."""
    model = make_model()
    model.embedding.weight.requires_grad_(False)

    assert list(map(id, ModelParameters(model))) == [id(each) for each in model.parameters() if each.requires_grad]


@pytest.mark.parametrize("decay_norms_and_biases", [False, True])
def test_as_torch_s_two_optimizers(decay_norms_and_biases: bool):
    """Ten updates agree bit for bit with Muon on the hidden matrix and AdamW on the rest."""
    ours, theirs = make_model(), make_model()
    config = MuonConfig(lr=0.02, adamw_lr=0.01, weight_decay=0.1, decay_norms_and_biases=decay_norms_and_biases)
    optimizer = Muon(config, parameters=ModelParameters(ours))
    rest = [(name, each) for name, each in theirs.named_parameters() if name != "hidden.weight"]
    spared = [each for _, each in rest if each.dim() == 1 and not decay_norms_and_biases]
    decayed = [each for _, each in rest if each.dim() > 1 or decay_norms_and_biases]
    pair = [
        torch.optim.Muon([theirs.hidden.weight], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(decayed, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1, fused=True),
        *([torch.optim.AdamW(spared, lr=0.01, betas=(0.9, 0.98), weight_decay=0.0, fused=True)] if spared else []),
    ]
    for step in range(10):
        for model, optimizers in ((ours, [optimizer]), (theirs, pair)):
            set_gradients(model, seed=step)
            for each in optimizers:
                each.step()

    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


def test_an_update_is_nearly_orthogonal():
    """Its singular values lie near 1, whatever those of the gradient; AdamW's size is 0.2 * sqrt(longer side) of it."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(8, 32))
    optimizer = Muon(MuonConfig(lr=0.1, weight_decay=0.0), parameters=[weight])
    weight.grad = torch.randn(8, 32) * torch.logspace(0, 1, 8)[:, None]
    optimizer.step()
    singular_values = torch.linalg.svdvals(weight.detach()) / (0.1 * 0.2 * 32**0.5)

    assert bool(((singular_values > 0.5) & (singular_values < 1.3)).all()), singular_values
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.3)


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_one_of_the_two_may_have_nothing_to_do(shape):
    """A model without matrices, or of matrices alone, is trained all the same."""
    parameter = nn.Parameter(torch.ones(shape))
    optimizer = Muon(MuonConfig(), parameters=[parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()

    assert len(optimizer.param_groups) == 1
    assert bool((parameter < 1).all())
