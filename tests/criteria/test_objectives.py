"""Every criterion on what every task expects: it works, or says what to set instead."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain.batch import Batch
from seqtrain.config.standalone import resolve_component
from seqtrain.registry.discovery import discover

PADDING, VOCAB, CLASSES = 1, 12, 3
ON_TOKENS = ("cross_entropy", "label_smoothed_cross_entropy", "masked_lm", "adaptive_loss", "rdrop")
ON_EXAMPLES = ("sentence_prediction", "sentence_ranking")
TOKENS = torch.tensor([[4, 5, 6], [7, PADDING, PADDING]])
TARGETS = {  # objective: target, classes, shape of the model's output
    "causal": (TOKENS, None, (2, 3, VOCAB)),
    "masked": (torch.tensor([[PADDING, 5, PADDING], [7, PADDING, PADDING]]), None, (2, 3, VOCAB)),
    "span": (TOKENS, None, (2, 3, VOCAB)),
    "single": (torch.tensor([0, 2]), CLASSES, (2, CLASSES)),
    "multi": (torch.tensor([[0.0, 1, 1], [0, 0, 0]]), CLASSES, (2, CLASSES)),
    "regression": (torch.tensor([0.5, -2.0]), 1, (2, 1)),
}
WORKS = {
    *((criterion, objective) for criterion in ON_TOKENS for objective in ("causal", "masked", "span", "single")),
    *(("sentence_prediction", objective) for objective in ("single", "multi", "regression")),
    ("sentence_ranking", "single"),
}


class Fixed(nn.Module):
    """Gives an output of its own, whatever it reads."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.output = nn.Parameter(torch.randn(shape))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.output


def run(criterion: str, objective: str, *shape: int) -> Tensor:
    """Return the loss of a criterion, built as a run would, of a model with an output of this shape."""
    target, classes, usual = TARGETS[objective]
    spec = ModelSpec(vocab_size=VOCAB, padding=PADDING, num_classes=classes, max_positions=8)
    registry = discover()
    built = registry.build(resolve_component(registry, "criterion", criterion, {}), spec=spec)
    num_targets = int((target != PADDING).sum()) if classes is None else len(target)
    batch = Batch(
        ids=torch.arange(2),
        net_input={"tokens": TOKENS},
        target=target,
        num_targets=num_targets,
        num_tokens=4,
        num_positions=6,
    )
    loss, count, _ = built(Fixed(*(shape or usual)), batch)
    assert count == num_targets
    return loss


@pytest.mark.parametrize("objective", TARGETS)
@pytest.mark.parametrize("criterion", [*ON_TOKENS, *ON_EXAMPLES])
def test_each_works_or_is_refused_with_a_remedy(criterion: str, objective: str) -> None:
    """Nothing ends in an error of torch's, and nothing in a number that means nothing."""
    if (criterion, objective) in WORKS:
        assert math.isfinite(float(run(criterion, objective).detach()))
        return
    instead = "cross_entropy" if TARGETS[objective][1] is None else "sentence_prediction"
    with pytest.raises(ConfigError, match=f"criterion.name={instead}"):
        run(criterion, objective)


@pytest.mark.parametrize(
    ("criterion", "objective", "shape"),
    [
        ("cross_entropy", "single", (2, 3, VOCAB)),  # a language model where texts are labelled
        ("rdrop", "single", (2, 3, VOCAB)),
        ("sentence_prediction", "single", (2, 3, VOCAB)),
        ("sentence_prediction", "multi", (2, 3, VOCAB)),
        ("sentence_prediction", "regression", (2, 3, VOCAB)),
        ("sentence_ranking", "single", (2, 3, VOCAB)),
        ("cross_entropy", "causal", (2, VOCAB)),  # a classifier where tokens are predicted
        ("masked_lm", "masked", (2, 4, VOCAB)),
    ],
)
def test_another_kind_of_model_is_refused(criterion: str, objective: str, shape: tuple[int, ...]) -> None:
    """With the shapes, rather than taking some of its numbers for the right ones."""
    with pytest.raises(ConfigError, match=r"The model gives \(2, .* for targets .*--kind model"):
        run(criterion, objective, *shape)
