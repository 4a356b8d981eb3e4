"""Sampling: what is drawn, how often, and that a seed repeats it."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from seqtrain.errors import ConfigError
from seqtrain_text.decoding import Decoder, Hypothesis, Sources
from seqtrain_text.decoding.sampling import keep_top_k, keep_top_p
from seqtrain_text.search_config import SearchConfig

PAD, BOS, EOS = 0, 1, 2
SPECIAL = SimpleNamespace(bos=BOS, eos=EOS, padding=PAD, unknown=3)
PROBABILITIES = (0.0, 0.0, 0.2, 0.4, 0.3, 0.1)  # of padding, bos, eos and three words


class Constant(nn.Module):
    """Gives the same distribution whatever it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(PROBABILITIES).log())

    def forward(self, source: torch.Tensor, prev_output_tokens: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*prev_output_tokens.shape, -1)


def draw(num: int, *, sentences: int = 1, max_len: int = 3, prefix=None, **settings) -> list[list[Hypothesis]]:
    config = SearchConfig(sampling=True, nbest=num, **{"min_len": 0, **settings})
    sources = Sources(
        net_input={"source": torch.zeros(sentences, 1, dtype=torch.int64)},
        max_lengths=torch.full((sentences,), max_len),
        prefix=prefix,
    )
    return Decoder([Constant()], config, SPECIAL)(sources, 0)


def first_tokens(hypotheses: list[Hypothesis]) -> Counter:
    return Counter(each.tokens[0] if each.tokens else EOS for each in hypotheses)


def test_seed_repeats_the_samples() -> None:
    """Equal seeds give equal samples, another seed others."""
    assert draw(20, sentences=3, seed=5) == draw(20, sentences=3, seed=5)
    assert draw(20, sentences=3, seed=5) != draw(20, sentences=3, seed=6)


def test_samples_depend_on_the_number_of_the_batch_alone() -> None:
    """The second batch does not repeat the random numbers of the first; whoever decodes it draws the same."""
    decoder = Decoder([Constant()], SearchConfig(sampling=True, nbest=20), SPECIAL)
    sources = Sources(net_input={"source": torch.zeros(1, 1)}, max_lengths=torch.tensor([5]))

    first, second = decoder(sources, 0), decoder(sources, 1)

    assert first != second
    assert first == decoder(sources, 0)


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    """Of 5,000 first tokens, each makes up its share within four standard deviations."""
    num = 5000
    (hypotheses,) = draw(num, max_len=1)

    counts = first_tokens(hypotheses)
    for token, probability in enumerate(PROBABILITIES):
        spread = 4 * math.sqrt(num * probability * (1 - probability))
        assert num * probability == pytest.approx(counts[token], abs=spread)


def test_scores_are_the_models_log_probabilities() -> None:
    """Samples come best first, scored by the model's distribution even where top-k has cut it."""
    (hypotheses,) = draw(50, top_k=2)

    for each in hypotheses:
        expected = [math.log(PROBABILITIES[token]) for token in (*each.tokens, EOS)]
        assert expected == pytest.approx(each.log_probs, abs=1e-6)
        assert sum(expected) / len(expected) == pytest.approx(each.score, abs=1e-6)
    assert sorted((each.score for each in hypotheses), reverse=True) == [each.score for each in hypotheses]


def test_low_temperature_is_greedy() -> None:
    """At a temperature near 0 only the likeliest token is left."""
    assert {3: 200} == first_tokens(draw(200, temperature=0.01)[0])


def test_top_k_draws_from_the_k_likeliest() -> None:
    """With k = 2 only the words of .4 and .3 are drawn, in that proportion."""
    counts = first_tokens(draw(2000, top_k=2)[0])

    assert {3, 4} == set(counts)
    assert 2000 * 4 / 7 == pytest.approx(counts[3], abs=4 * math.sqrt(2000 * 12 / 49))


def test_top_p_draws_from_the_smallest_sufficient_set() -> None:
    """.4 + .3 fall short of .75, so the end (.2) belongs to the set and the last word does not."""
    assert {3, 4, EOS} == set(first_tokens(draw(500, top_p=0.75)[0]))


def test_keep_top_k_of_more_than_there_are_keeps_all() -> None:
    """k above V changes nothing."""
    log_probs = torch.tensor([[0.5, 0.25, 0.25]]).log()

    assert torch.equal(log_probs, keep_top_k(log_probs, 7))


@pytest.mark.parametrize(
    ("p", "kept"),
    [(0.01, [False, True, False]), (0.5, [False, True, False]), (0.51, [True, True, False]), (1.0, [True] * 3)],
)
def test_keep_top_p_keeps_the_mass_asked_for(p: float, kept: list[bool]) -> None:
    """The likeliest token always stays; others join until the mass is reached."""
    log_probs = torch.tensor([0.375, 0.5, 0.125]).log()

    assert kept == keep_top_p(log_probs, p).isfinite().tolist()


def test_limits_and_prefix_hold_for_samples() -> None:
    """Lengths, forced beginnings and the ban on repeats are those of beam search."""
    (hypotheses,) = draw(
        100, min_len=2, max_len=3, no_repeat_ngram_size=1, prefix=torch.tensor([[5]]), temperature=2.0, top_p=0.999
    )

    assert {2, 3} == {len(each.tokens) for each in hypotheses}
    assert all(each.tokens[0] == 5 and len(set(each.tokens)) == len(each.tokens) for each in hypotheses)


def test_contradictory_settings_are_an_error_for_samples() -> None:
    """A row that has nothing left to draw dies; where all have died, the settings are to blame."""
    with pytest.raises(ConfigError, match="min_len=5"):
        draw(3, min_len=5, max_len=9, no_repeat_ngram_size=1)


def test_decoder_searches_without_sampling() -> None:
    """The config decides; the likeliest words fill the sentence where its end may not come."""
    config = SearchConfig(beam=2, min_len=3)
    sources = Sources(net_input={"source": torch.zeros(1, 1)}, max_lengths=torch.tensor([3]))

    assert [[[3, 3, 3]]] == [
        [each.tokens for each in found] for found in Decoder([Constant()], config, SPECIAL)(sources, 0)
    ]
