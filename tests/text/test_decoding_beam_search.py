"""Beam search against enumeration, a plain one-sentence version, and numbers worked by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from seqtrain.errors import ConfigError, TrainingError
from seqtrain.protocols import IncrementalModel
from seqtrain_text.decoding import Hypothesis, Sources, beam_search
from seqtrain_text.search_config import SearchConfig

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = SimpleNamespace(bos=BOS, eos=EOS, padding=PAD, unknown=UNK)
WORDS = (3, 4, 5)  # what a toy with V = 6 can say, "unknown" included
INF = float("inf")


class PlainToy(nn.Module):
    """Logits looked up by source and by a state in which every token of the prefix, and its place, has a say."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)  # (sources, states, V)

    def follow(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return (states * 3 + tokens) % self.table.shape[1]

    def forward(self, source: torch.Tensor, prev_output_tokens: torch.Tensor) -> torch.Tensor:
        states, logits = torch.zeros_like(source), []
        for tokens in prev_output_tokens.unbind(1):
            states = self.follow(states, tokens)
            logits.append(self.table[source, states])
        return torch.stack(logits, dim=1)


class ToyState:
    def __init__(self, source: torch.Tensor, beam: int) -> None:
        self.source, self.beam = source.repeat_interleave(beam), beam
        self.states = torch.zeros_like(self.source)

    def reorder(self, rows: torch.Tensor) -> None:
        assert torch.equal(rows // self.beam, torch.arange(len(self.states)) // self.beam)
        self.states = self.states[rows]

    def keep(self, sentences: torch.Tensor) -> None:
        self.source = self.source.view(-1, self.beam)[sentences].flatten()
        self.states = self.states.view(-1, self.beam)[sentences].flatten()


class Toy(PlainToy):
    """The same with a memory."""

    def start_decoding(self, net_input, *, beam: int) -> ToyState:
        return ToyState(net_input["source"], beam)

    def decode_step(self, tokens: torch.Tensor, state: ToyState) -> torch.Tensor:
        state.states = self.follow(state.states, tokens[:, 0])
        return self.table[state.source, state.states][:, None]


def random_table(seed: int, *, sources: int = 4, vocab: int = 6) -> torch.Tensor:
    return torch.randn(sources, 50, vocab, generator=torch.Generator().manual_seed(seed)) * 2


def chain(**rows: list[float]) -> Toy:
    """Make a toy for one source whose next token depends on the last one alone: probabilities of (eos, 4, 5)."""

    class Chain(Toy):
        def follow(self, states, tokens):
            return tokens

    table = torch.zeros(1, 6, 6)
    table[0, [BOS, 4, 5]] = -INF
    for last, probabilities in zip((BOS, 4, 5), (rows["bos"], rows["four"], rows["five"]), strict=True):
        table[0, last, [EOS, 4, 5]] = torch.tensor(probabilities).log()
    return Chain(table)


def decode(models, sources, config, *, max_len=3, prefix=None) -> list[list[Hypothesis]]:
    models = models if isinstance(models, list) else [models]
    limits = torch.tensor(max_len if isinstance(max_len, list) else [max_len] * len(sources))
    given = Sources(net_input={"source": torch.tensor(sources)}, max_lengths=limits, prefix=prefix)
    return beam_search(models, given, config, SPECIAL)


def log_probs_of(toy: PlainToy, source: int, tokens: tuple[int, ...]) -> list[float]:
    """Read the whole sequence at once and return the log-probability of each token and of the end."""
    read = torch.tensor([[BOS, *tokens]])
    log_probs = toy(torch.tensor([source]), read).log_softmax(-1)[0]
    return log_probs[range(len(tokens) + 1), [*tokens, EOS]].tolist()


def plain_beam_search(toy: PlainToy, source: int, config: SearchConfig, max_len: int) -> list[tuple[tuple, float]]:
    """Search one sentence in the simplest words there are."""
    alive, ended = [((), 0.0)], []
    for length in range(max_len + 1):
        candidates = []
        for tokens, total in alive:
            log_probs = toy(torch.tensor([source]), torch.tensor([[BOS, *tokens]])).log_softmax(-1)[0, -1].tolist()
            for token in (EOS, *WORDS):
                if (token == EOS and length < config.min_len) or (token != EOS and length == max_len):
                    continue
                candidates.append(((*tokens, token), total + log_probs[token]))
        candidates.sort(key=lambda candidate: -candidate[1])
        candidates = candidates[: 2 * config.beam]
        for tokens, total in candidates[: config.beam]:
            if tokens[-1] == EOS and len(ended) < config.beam:
                ended.append((tokens[:-1], total / len(tokens) ** config.lenpen))
        alive = [candidate for candidate in candidates if candidate[0][-1] != EOS][: config.beam]
        if len(ended) == config.beam:
            break
    return sorted(ended, key=lambda hypothesis: -hypothesis[1])


def as_pairs(hypotheses: list[Hypothesis]) -> list[tuple[tuple, float]]:
    return [(tuple(each.tokens), pytest.approx(each.score, abs=1e-5)) for each in hypotheses]


def test_wide_beam_finds_what_enumeration_finds() -> None:
    """With room for every sequence, the result is all of them in the order of their scores."""
    toy, max_len = Toy(random_table(1)), 3
    sequences = [words for length in range(max_len + 1) for words in itertools.product(WORDS, repeat=length)]
    config = SearchConfig(beam=len(sequences), nbest=len(sequences), min_len=0, lenpen=0.7)

    for source, found in enumerate(decode(toy, [0, 1, 2, 3], config, max_len=max_len)):
        scores = [(words, sum(log_probs_of(toy, source, words)) / (len(words) + 1) ** 0.7) for words in sequences]
        assert sorted(scores, key=lambda pair: -pair[1]) == as_pairs(found)


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_batched_search_equals_the_plain_one(beam: int, seed: int) -> None:
    """Sentences of a batch, with limits of their own, get what a search of one at a time finds."""
    toy, limits = Toy(random_table(seed)), [9, 2, 6, 4]
    config = SearchConfig(beam=beam, nbest=beam, lenpen=(0.0, 1.0, 1.5)[seed % 3], min_len=seed % 3)

    found = decode(toy, [0, 1, 2, 3], config, max_len=limits)

    for source, hypotheses in enumerate(found):
        assert plain_beam_search(toy, source, config, limits[source]) == as_pairs(hypotheses)


def test_score_is_the_normalised_sum_of_log_probs() -> None:
    """A hypothesis holds the log-probability of each token and of the end, as reading it whole gives them."""
    toy = Toy(random_table(5))

    for source, (best,) in enumerate(decode(toy, [0, 1, 2, 3], SearchConfig(lenpen=1.3), max_len=8)):
        assert log_probs_of(toy, source, tuple(best.tokens)) == pytest.approx(best.log_probs, abs=1e-5)
        assert sum(best.log_probs) / len(best.log_probs) ** 1.3 == pytest.approx(best.score)


def test_length_penalty_decides_between_short_and_long() -> None:
    """By hand, "4" has .4 x .75 = .3 over two tokens, "5" .6 x .35 = .21, "5 5" .6 x .65 x .35 = .1365 over three."""
    toy = chain(bos=[0.0, 0.4, 0.6], four=[0.75, 0.25, 0.0], five=[0.35, 0.0, 0.65])

    for lenpen, tokens, score in (
        (0, [4], math.log(0.3)),
        (1, [4], math.log(0.3) / 2),
        (3, [5, 5], math.log(0.1365) / 27),
    ):
        ((best,),) = decode(toy, [0], SearchConfig(beam=4, lenpen=lenpen), max_len=2)
        assert (tokens, pytest.approx(score, abs=1e-6)) == (best.tokens, best.score)


def test_greedy_takes_the_likeliest_token_and_misses_the_likeliest_sentence() -> None:
    """5 starts better (.6), but 4 ends better; a beam of one never sees that."""
    toy = chain(bos=[0.0, 0.4, 0.6], four=[1.0, 0.0, 0.0], five=[0.5, 0.1, 0.4])

    ((greedy,),) = decode(toy, [0], SearchConfig(beam=1, lenpen=0))
    ((best,),) = decode(toy, [0], SearchConfig(beam=2, lenpen=0))

    assert ([5], [4]) == (greedy.tokens, best.tokens)


@pytest.mark.parametrize("beam", [1, 4])
def test_a_sentence_does_not_depend_on_its_batch(beam: int) -> None:
    """Alone, in another order or beside others, a sentence gets the same hypotheses."""
    toy, config = Toy(random_table(3)), SearchConfig(beam=beam, nbest=beam)

    together = decode(toy, [0, 1, 2, 3, 1], config, max_len=[9, 5, 7, 1, 8])

    assert together[1:2] == decode(toy, [1], config, max_len=5)
    assert together[::-1] == decode(toy, [1, 3, 2, 1, 0], config, max_len=[8, 1, 7, 5, 9])


def test_no_sentences_give_no_translations() -> None:
    """An empty batch is no error."""
    assert decode(Toy(random_table(1)), [], SearchConfig()) == []


@pytest.mark.parametrize("beam", [1, 3])
def test_rereading_the_prefix_equals_the_memory(beam: int) -> None:
    """A model without incremental decoding gives the same as one with it."""
    table, config = random_table(7), SearchConfig(beam=beam, nbest=beam)

    assert not isinstance(PlainToy(table), IncrementalModel)
    assert decode(Toy(table), [0, 1, 2], config, max_len=[3, 9, 6]) == decode(
        PlainToy(table), [0, 1, 2], config, max_len=[3, 9, 6]
    )


def test_ensemble_of_equals_is_the_single_model() -> None:
    """Averaging a model with itself changes nothing."""
    toy, config = Toy(random_table(2)), SearchConfig(beam=3, nbest=3)

    single, twice = decode(toy, [0, 1], config), decode([toy, toy], [0, 1], config)

    assert [as_pairs(each) for each in twice] == [as_pairs(each) for each in single]


def test_ensemble_averages_probabilities() -> None:
    """P(4) = (.9 + .2) / 2 and P(end | 4) = (.5 + 1) / 2, by hand."""
    one = chain(bos=[0.0, 0.9, 0.1], four=[0.5, 0.5, 0.0], five=[1.0, 0.0, 0.0])
    two = chain(bos=[0.0, 0.2, 0.8], four=[1.0, 0.0, 0.0], five=[1.0, 0.0, 0.0])

    ((best,),) = decode([one, two], [0], SearchConfig(beam=1))

    assert [4] == best.tokens
    assert [math.log(0.55), math.log(0.75)] == pytest.approx(best.log_probs, abs=1e-6)


def test_padding_and_bos_are_never_generated() -> None:
    """Not even by a model that likes nothing better."""
    table = random_table(4)
    table[:, :, [PAD, BOS]] += 20

    found = decode(Toy(table), [0, 1, 2, 3], SearchConfig(nbest=5), max_len=6)

    assert not {PAD, BOS} & {token for hypotheses in found for each in hypotheses for token in each.tokens}


def test_eos_may_serve_as_bos() -> None:
    """fairseq's models read the end as their first token; it can still end a sentence."""
    toy = Toy(random_table(4))
    given = Sources(net_input={"source": torch.tensor([0])}, max_lengths=torch.tensor([4]))

    ((best,),) = beam_search([toy], given, SearchConfig(), SimpleNamespace(bos=EOS, eos=EOS, padding=PAD, unknown=UNK))

    assert len(best.tokens) + 1 == len(best.log_probs)


def test_unknown_is_avoided_at_its_price() -> None:
    """unkpen lowers the log-probability of the unknown token, and so its score, by its amount."""
    table = random_table(4)
    table[:, :, UNK] += 9
    table[:, :, EOS] -= 9

    ((free,),) = decode(Toy(table), [0], SearchConfig(beam=1))
    ((cheap,),) = decode(Toy(table), [0], SearchConfig(beam=1, unkpen=0.25))
    ((dear,),) = decode(Toy(table), [0], SearchConfig(beam=1, unkpen=50))

    assert [UNK] * 3 == free.tokens == cheap.tokens
    assert sum(free.log_probs) - 3 * 0.25 == pytest.approx(sum(cheap.log_probs), abs=1e-5)
    assert UNK not in dear.tokens


@pytest.mark.parametrize(("min_len", "max_len"), [(0, 0), (1, 1), (0, 2), (3, 5), (4, 4)])
def test_lengths_stay_within_their_limits(min_len: int, max_len: int) -> None:
    """All hypotheses have min_len to max_len tokens, the end not counted."""
    table = random_table(6)
    table[:2, :, EOS] += 9  # two sources that want to end at once, two that never do
    table[2:, :, EOS] -= 9
    config = SearchConfig(beam=3, nbest=3, min_len=min_len)

    lengths = [
        len(each.tokens) for found in decode(Toy(table), [0, 1, 2, 3], config, max_len=max_len) for each in found
    ]

    assert min_len == min(lengths)
    assert max_len == max(lengths)


def test_the_forced_end_keeps_its_own_log_probability() -> None:
    """At the length limit the end is the only choice, and still costs what the model says."""
    toy = chain(bos=[0.0, 1.0, 0.0], four=[0.125, 0.875, 0.0], five=[1.0, 0.0, 0.0])

    ((best,),) = decode(toy, [0], SearchConfig(beam=1), max_len=2)

    assert [4, 4] == best.tokens
    assert [0, math.log(0.875), math.log(0.125)] == pytest.approx(best.log_probs, abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("beam", [1, 4])
def test_no_ngram_occurs_twice(size: int, beam: int) -> None:
    """With the rule no n-gram is repeated, where it would be without."""
    table = random_table(8)
    table[:, :, EOS] -= 9
    plain = SearchConfig(beam=beam, nbest=beam)

    for config, repeats in ((plain, True), (replace(plain, no_repeat_ngram_size=size), False)):
        found = [each.tokens for hypotheses in decode(Toy(table), [0, 1, 2], config, max_len=12) for each in hypotheses]
        ngrams = [[tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)] for tokens in found]
        assert repeats is any(len(set(each)) < len(each) for each in ngrams)


def test_prefix_is_forced_and_counts() -> None:
    """Translations begin with the prefix, each row with its own length of it, at the model's log-probabilities."""
    toy, config = Toy(random_table(9)), SearchConfig(beam=3, nbest=3)
    prefix = torch.tensor([[5, 5, 4], [4, PAD, PAD], [PAD, PAD, PAD]])

    found = decode(toy, [0, 1, 2], config, max_len=5, prefix=prefix)

    assert all(each.tokens[:3] == [5, 5, 4] for each in found[0])
    assert all(each.tokens[:1] == [4] for each in found[1])
    assert found[2:] == decode(toy, [2], config, max_len=5)
    for source, hypotheses in enumerate(found):
        assert len({tuple(each.tokens) for each in hypotheses}) == 3
        for each in hypotheses:
            assert log_probs_of(toy, source, tuple(each.tokens)) == pytest.approx(each.log_probs, abs=1e-5)


def test_prefix_overrides_every_other_rule() -> None:
    """A prefix may be longer than the limit, repeat n-grams and hold unknown tokens."""
    config = SearchConfig(no_repeat_ngram_size=1, unkpen=9)

    ((best,),) = decode(Toy(random_table(9)), [0], config, max_len=2, prefix=torch.tensor([[3, 3, 3, 4]]))

    assert [3, 3, 3, 4] == best.tokens


def test_nan_is_an_error() -> None:
    """NaN in one logit of one model stops decoding; it does not pass for an impossible token."""
    table = random_table(1)
    broken = table.clone()
    broken[1, :, 5] = torch.nan

    for models in (Toy(broken), [Toy(table), Toy(broken)]):
        with pytest.raises(TrainingError, match="NaN"):
            decode(models, [0, 1], SearchConfig())


def test_contradictory_settings_are_named() -> None:
    """No repeated word among three, but at least five of them: there is no such sentence."""
    with pytest.raises(ConfigError, match=r"min_len=5.*no_repeat_ngram_size=1"):
        decode(Toy(random_table(1)), [0], SearchConfig(min_len=5, no_repeat_ngram_size=1), max_len=9)
