"""The criteria of whole examples: labels, several labels, numbers, and candidates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.errors import ConfigError
from seqtrain.metrics.sums import MetricSums
from seqtrain.protocols import ModelSpec
from seqtrain_criteria.config import SentencePredictionConfig, SentenceRankingConfig
from seqtrain_criteria.sentence_prediction import SentencePrediction, SentenceRanking


class Given(nn.Module):
    """Answers with fixed logits."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits


def make_spec(num_classes: int | None) -> ModelSpec:
    return ModelSpec(vocab_size=7, padding=1, num_classes=num_classes, max_positions=16)


def make_batch(target: Tensor) -> Batch:
    return Batch(
        ids=torch.arange(len(target)),
        net_input={"tokens": torch.zeros(len(target), 2, dtype=torch.int64)},
        target=target,
        num_targets=len(target),
        num_tokens=len(target) * 2,
        num_positions=len(target) * 2,
    )


def predict(logits: list[list[float]], target: Tensor, num_classes: int, **settings) -> tuple[Tensor, int, dict]:
    criterion = SentencePrediction(SentencePredictionConfig(**settings), spec=make_spec(num_classes))
    return criterion(Given(logits), make_batch(target))


HALF, QUARTER = math.log(0.5), math.log(0.25)
THREE = [[HALF, QUARTER, QUARTER], [HALF, QUARTER, QUARTER], [QUARTER, QUARTER, HALF]]


def test_labels_by_hand():
    """Probabilities 1/2, 1/4 and 1/2 of the labels cost ln 2, ln 4 and ln 2; two of three are the likeliest."""
    loss, count, sums = predict(THREE, torch.tensor([0, 1, 2]), 3)

    assert loss.item() == pytest.approx(4 * math.log(2))
    assert sums["nll_loss"].item() == pytest.approx(4 * math.log(2))
    assert (count, sums["num_targets"], sums["accuracy"].item()) == (3, 3, 2)


def test_accuracy_comes_out_of_the_sums():
    """Reported over batches of unequal size, it is the share of all examples that are right."""
    totals = MetricSums()
    for logits, labels in [(THREE, [0, 1, 2]), (THREE[:1], [1])]:
        _, count, sums = predict(logits, torch.tensor(labels), 3)
        totals.add(sums, count)

    assert totals.means()["accuracy"] == 0.5


def test_class_weights_multiply_the_loss_of_their_examples():
    """Weights 1, 10 and 100 of ln 2, ln 4 and ln 2; the count and the plain loss know nothing of them."""
    loss, count, sums = predict(THREE, torch.tensor([0, 1, 2]), 3, class_weights=(1.0, 10.0, 100.0))

    assert loss.item() == pytest.approx((1 + 20 + 100) * math.log(2))
    assert sums["nll_loss"].item() == pytest.approx(4 * math.log(2))
    assert count == 3


def test_as_torch_s_weighted_sum():
    """Without smoothing it is torch's cross entropy with weights, summed."""
    torch.manual_seed(0)
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 3, 1])
    weights = (0.5, 1.0, 2.0, 0.0)
    loss, *_ = predict(logits.tolist(), target, 4, class_weights=weights)

    expected = nn.functional.cross_entropy(logits, target, torch.tensor(weights), reduction="sum")
    torch.testing.assert_close(loss.detach(), expected)


def test_label_smoothing_gives_mass_to_the_other_classes():
    """As in label_smoothed_cross_entropy: with e = 0.2 and three classes, 0.8 ln 2 + 0.1 ln 4 + 0.1 ln 4."""
    loss, _, sums = predict(THREE[:1], torch.tensor([0]), 3, label_smoothing=0.2)

    assert loss.item() == pytest.approx(1.2 * math.log(2))
    assert sums["nll_loss"].item() == pytest.approx(math.log(2))


def test_several_labels_by_hand():
    """
    Each class costs -ln p where it is a label, and -ln (1 - p) where it is not.

    Of the first example p is 1/2 and 3/4, and it has the second label: ln 2 + ln 4/3, right but for the tie, which is
    no label. Of the other p is 1/2 and 1/4, and it has both: ln 2 + ln 4, wrong.
    """
    odds = math.log(3)
    loss, count, sums = predict([[0.0, odds], [0.0, -odds]], torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 2)

    assert loss.item() == pytest.approx(math.log(2) + math.log(4 / 3) + math.log(2) + math.log(4))
    assert (count, sums["accuracy"].item()) == (2, 1)


def test_class_weights_multiply_the_classes_of_several_labels():
    """The first class counts ten times, whether it is a label or not."""
    loss, *_ = predict([[0.0, 0.0]], torch.tensor([[0.0, 1.0]]), 2, class_weights=(10.0, 1.0))

    assert loss.item() == pytest.approx(11 * math.log(2))


def test_a_number_costs_its_squared_error():
    """Errors of 1/2 and 2 cost 1/4 and 4; there is no accuracy of a number."""
    loss, count, sums = predict([[1.5], [3.0]], torch.tensor([1.0, 5.0]), 1)

    assert loss.item() == pytest.approx(4.25)
    assert count == 2
    assert set(sums) == {"loss", "num_targets"}


def test_numbers_may_come_in_double_precision():
    """A target read from a file as float64 is no trouble."""
    loss, *_ = predict([[1.5]], torch.tensor([1.0], dtype=torch.float64), 1)

    assert loss.item() == pytest.approx(0.25)


@pytest.mark.parametrize("target", [torch.tensor([0, 1, 2]), torch.eye(3), torch.zeros(3)])
def test_what_is_logged_holds_no_graph(target: Tensor):
    """The loss has a gradient, and nothing that is logged does."""
    loss, _, sums = predict(THREE if target.dim() == 2 or not target.is_floating_point() else [[1.0]] * 3, target,
                            1 if target.is_floating_point() and target.dim() == 1 else 3)  # fmt: skip

    assert loss.requires_grad
    assert not [name for name, value in sums.items() if isinstance(value, Tensor) and value.requires_grad]


def test_losses_are_formed_in_float32():
    """Half-precision logits, as autocast gives them, are summed in the wider type."""
    criterion = SentencePrediction(SentencePredictionConfig(), spec=make_spec(3))
    model = Given(THREE).to(torch.bfloat16)

    assert criterion(model, make_batch(torch.tensor([0, 1, 2])))[0].dtype == torch.float32
    assert criterion(model, make_batch(torch.eye(3)))[0].dtype == torch.float32


def test_weights_of_another_number_are_refused():
    """The message says how many there must be, and in which order."""
    with pytest.raises(ConfigError, match=r"expected 3 numbers, one for each class in the order of the labels, got 2"):
        SentencePrediction(SentencePredictionConfig(class_weights=(1.0, 2.0)), spec=make_spec(3))


@pytest.mark.parametrize("settings", [{"label_smoothing": 0.1}, {"class_weights": (1.0,)}])
def test_settings_of_labels_are_refused_for_numbers(settings):
    """One class is a number to predict; the message says how to leave the settings out."""
    with pytest.raises(ConfigError, match=r"set label_smoothing=0 and class_weights=null"):
        SentencePrediction(SentencePredictionConfig(**settings), spec=make_spec(1))


def test_smoothing_is_refused_for_several_labels():
    """The first batch shows that there are several, and the message what to set."""
    with pytest.raises(
        ConfigError, match=r"criterion\.label_smoothing is for examples with one label .*set label_smoothing=0"
    ):
        predict(THREE, torch.eye(3), 3, label_smoothing=0.1)


@pytest.mark.parametrize(
    ("make", "config"),
    [(SentencePrediction, SentencePredictionConfig()), (SentenceRanking, SentenceRankingConfig())],
)
def test_a_task_without_classes_is_refused(make, config):
    """The message names a criterion that would do."""
    with pytest.raises(ConfigError, match=r"set criterion\.name=cross_entropy"):
        make(config, spec=make_spec(None))


def rank(logits: list[list[float]], target: list[int], num_classes: int = 1) -> tuple[Tensor, int, dict]:
    criterion = SentenceRanking(SentenceRankingConfig(), spec=make_spec(num_classes))
    return criterion(Given(logits), make_batch(torch.tensor(target)))


def test_ranking_by_hand():
    """Four scores are two candidates each of two examples; ln 3 apart, they have probabilities 3/4 and 1/4."""
    odds = math.log(3)
    loss, count, sums = rank([[5 + odds], [5.0], [0.0], [odds]], [0, 0])

    assert loss.item() == pytest.approx(math.log(4 / 3) + math.log(4))
    assert (count, sums["accuracy"].item()) == (2, 1)


def test_ranking_takes_scores_side_by_side():
    """A model that reads all candidates of an example at once gives them in one row."""
    odds = math.log(3)

    assert torch.equal(rank([[odds, 0.0], [0.0, odds]], [0, 0], 2)[0], rank([[odds], [0.0], [0.0], [odds]], [0, 0])[0])
