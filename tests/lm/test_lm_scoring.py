"""Every token scored once, in windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from seqtrain.errors import TrainingError
from seqtrain_lm import metrics
from seqtrain_lm.likelihood import TextLikelihood, TextSize
from seqtrain_lm.scoring import TokenScorer, Window, windows
from seqtrain_text.padded import ranges

PAD, EOS, VOCABULARY = 0, 2, 11
STRETCHES = st.lists(st.integers(1, 20), max_size=5)


class SumOfAll(nn.Module):
    """Predicts from the sum of all tokens read so far, so that every token of the context has a say."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        table = torch.randn(200, VOCABULARY, generator=torch.Generator().manual_seed(seed))
        self.table = nn.Parameter(table)
        self.longest = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.longest = max(self.longest, tokens.shape[1])
        return self.table[tokens.cumsum(1) % 200]


def scorer(models: list[nn.Module], **settings: int) -> TokenScorer:
    given = {"padding": PAD, "eos": EOS, "context": 6, "stride": 6, "max_tokens": 20, **settings}
    return TokenScorer(models=models, **given)


def text(length: int) -> np.ndarray:
    return np.random.default_rng(1).integers(3, VOCABULARY, length)


def score(scoring: TokenScorer, tokens: np.ndarray, spans: list[tuple[int, int]]) -> list[float]:
    """Return the log-probability of every token."""
    found = [math.nan] * len(tokens)
    for batch in scoring.batches(spans):
        scored = scoring(lambda starts, lengths: tokens[ranges(starts, lengths)], batch)
        for window, log_probs in zip(batch, scored, strict=True):
            found[window.scored : window.stop] = log_probs
    return found


def expected(model: SumOfAll, tokens: np.ndarray, window: Window) -> list[float]:
    """Score one window by itself, in the simplest way."""
    before = EOS if window.is_first else tokens[window.start - 1]
    read = [before, *tokens[window.start : window.stop - 1]]
    log_probs = model(torch.tensor([read])).log_softmax(-1)[0]
    return [
        float(log_probs[place - window.start, tokens[place]].detach()) for place in range(window.scored, window.stop)
    ]


def test_windows_by_hand() -> None:
    """A text of 10 tokens, 4 read at a time and 2 of them scored; the first window scores all it reads."""
    found = list(windows([(0, 10), (10, 13)], context=4, stride=2))

    assert [(0, 0, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10), (10, 10, 13)] == [
        (each.start, each.scored, each.stop) for each in found
    ]
    assert [True, False, False, False, True] == [each.is_first for each in found]


@given(STRETCHES, st.integers(1, 8), st.integers(1, 8))
def test_windows_score_every_token_once_with_enough_before_it(lengths: list[int], context: int, stride: int) -> None:
    """None is longer than the context, and what is scored has `context - stride` before it, or its text's beginning."""
    stride = min(stride, context)
    stops = np.cumsum(lengths).tolist()
    spans = [(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]
    found = list(windows(spans, context=context, stride=stride))

    assert list(range(sum(lengths))) == [token for each in found for token in range(each.scored, each.stop)]
    assert all(each.stop - each.start <= context for each in found)
    assert all(each.scored - each.start >= context - stride or each.is_first for each in found)


@pytest.mark.parametrize(("context", "stride"), [(6, 6), (6, 2), (6, 1), (3, 2)])
@pytest.mark.parametrize("max_tokens", [1, 20, 1000])
def test_scores_are_those_of_each_window_alone(context: int, stride: int, max_tokens: int) -> None:
    """However windows are put together, each token's score is that of its own window."""
    model, tokens = SumOfAll(), text(30)
    spans = [(0, 17), (17, 18), (20, 30)]
    found = score(scorer([model], context=context, stride=stride, max_tokens=max_tokens), tokens, spans)

    for window in windows(spans, context=context, stride=stride):
        assert pytest.approx(expected(model, tokens, window), abs=1e-5) == found[window.scored : window.stop]
    assert [18, 19] == [place for place, value in enumerate(found) if math.isnan(value)]
    assert model.longest <= context


def test_batches_of_windows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is looked at a few windows at a time."""
    monkeypatch.setattr("seqtrain_lm.scoring.WINDOWS", 2)
    few = score(scorer([SumOfAll()]), text(30), [(0, 30)])
    monkeypatch.undo()

    assert few == score(scorer([SumOfAll()]), text(30), [(0, 30)])


def test_several_models_score_by_their_mean_probability() -> None:
    """The probabilities are averaged, not their logarithms."""
    one, two = SumOfAll(1), SumOfAll(2)
    tokens = text(9)
    apart = [score(scorer([model]), tokens, [(0, 9)]) for model in (one, two)]
    together = score(scorer([one, two]), tokens, [(0, 9)])

    mean = [math.log((math.exp(first) + math.exp(second)) / 2) for first, second in zip(*apart, strict=True)]
    assert pytest.approx(mean, abs=1e-5) == together


def test_a_model_gone_wrong_is_told() -> None:
    """NaN is no score."""
    model = SumOfAll()
    with torch.no_grad():
        model.table.fill_(math.nan)

    with pytest.raises(TrainingError, match="NaN"):
        score(scorer([model]), text(5), [(0, 5)])


def measures_of(nats: float, num_tokens: int, size: TextSize) -> dict[str, float]:
    """Measure a text by all metrics of the task."""
    text = TextLikelihood(nats=nats, num_tokens=num_tokens, size=size, context=8, stride=4)
    found: dict[str, float] = {}
    for make in (
        metrics.nats_per_token, metrics.perplexity, metrics.bits_per_char, metrics.bits_per_byte, metrics.ppl_per_word
    ):  # fmt: skip
        found |= make(None).measure(text)
    return found


def test_measures_by_hand() -> None:
    """8 bits in 4 tokens, 8 characters, 16 bytes and 2 words."""
    measures = measures_of(8 * math.log(2), 4, TextSize(chars=8, num_bytes=16, words=2))

    assert pytest.approx({
        "nats_per_token": 2 * math.log(2), "perplexity": 4, "bits_per_char": 1, "bits_per_byte": 0.5, "ppl_per_word": 16,
    }) == measures  # fmt: skip


def test_a_hopeless_perplexity_is_a_number() -> None:
    """A model that finds a text all but impossible is measured all the same."""
    assert math.isfinite(measures_of(1e9, 1, TextSize(1, 1, 1))["ppl_per_word"])
    assert math.isfinite(measures_of(1e9, 1, TextSize(1, 1, 1))["perplexity"])
