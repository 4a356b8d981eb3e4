"""Prompts and what follows them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.errors import ConfigError, DataError
from seqtrain_lm.config import LMConfig
from seqtrain_lm.generation import ContinuationGenerator
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_text.config import CharConfig, WordConfig
from seqtrain_text.symbols import char, word

LETTERS = "abcdefgh"


class Alphabet(nn.Module):
    """After a letter comes the next, after the last the end of the line; a line begins with the first."""

    def __init__(self, tokenizer: Any, *, last: str = "h", strength: float = 20.0) -> None:
        super().__init__()
        order = [tokenizer.eos, *tokenizer.encode_batch([LETTERS])[0].tolist()]
        following = torch.zeros(tokenizer.vocab_size, tokenizer.vocab_size)
        for one, other in zip(order, [*order[1:], order[0]], strict=True):
            following[one, other] = 1
        end = tokenizer.encode_batch([last])[0].tolist()
        following[end] = 0
        following[end, tokenizer.eos] = 1
        self.table = nn.Parameter(following * strength)
        self.longest = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.longest = max(self.longest, tokens.shape[1])
        return self.table[tokens]


@pytest.fixture
def tokenizer():
    made = char(CharConfig())
    made.train([LETTERS])
    return made


def config(context: int = 8, **generation: Any) -> LMConfig:
    return LMConfig(
        train="train.txt",
        tokenizer=Selection("tokenizer", "char", CharConfig()),
        tokens_per_sample=context,
        generation=GenerationConfig(**generation),
    )


def texts(found) -> list[str]:
    return [each[0].text for each in found]


def test_prompts_are_continued_to_the_end_of_their_line(tokenizer) -> None:
    """Of any length, an empty one too, in their order; text outside the vocabulary stays as it was written."""
    continuer = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(context=20))

    assert ["abcdefgh", "abcdefgh", "defgh", "h", "éfgh"] == texts(continuer(["", "abc", "d", "h", "éf"]))
    assert [] == continuer([])


def test_a_continuation_is_as_long_as_allowed(tokenizer) -> None:
    """It may stop before its end."""
    continuer = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(max_new_tokens=3))

    assert ["abcd", "fgh"] == texts(continuer(["a", "f"]))


def test_a_continuation_may_be_longer_than_the_context(tokenizer) -> None:
    """The model never reads more than it can, and goes on."""
    model = Alphabet(tokenizer)

    assert ["abcdefgh"] == texts(ContinuationGenerator([model], tokenizer, config(context=4))(["a"]))
    assert 4 == model.longest


def test_a_continuation_may_go_beyond_its_line(tokenizer) -> None:
    """Line ends are then written, and the length alone ends it."""
    continuer = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(stop="length", max_new_tokens=12))

    assert [r"fgh\nabcdefgh\n"] == texts(continuer(["f"]))


def test_a_shortest_length_forbids_the_end(tokenizer) -> None:
    """Until then, the model must say something else."""
    ((best,),) = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(min_len=3, max_new_tokens=5))(["h"])

    assert 4 <= len(best.text) <= 6


def test_a_score_counts_the_end_only_where_it_came(tokenizer) -> None:
    """A continuation that was stopped is scored by what it has."""
    model = Alphabet(tokenizer, strength=3.0)
    size = tokenizer.vocab_size
    each = 3.0 - math.log(math.exp(3) + size - 1)  # what every step has

    ((whole,),) = ContinuationGenerator([model], tokenizer, config(lenpen=0))(["f"])
    ((stopped,),) = ContinuationGenerator([model], tokenizer, config(lenpen=0, max_new_tokens=2))(["f"])

    assert ("fgh", "fgh") == (whole.text, stopped.text)
    assert pytest.approx(3 * each, abs=1e-4) == whole.score
    assert pytest.approx(2 * each, abs=1e-4) == stopped.score


@pytest.mark.parametrize("beam", [1, 3])
def test_beam_search_finds_what_is_likeliest(tokenizer, beam: int) -> None:
    """Several results are in order of their scores, all different."""
    (found,) = ContinuationGenerator([Alphabet(tokenizer, strength=3.0)], tokenizer, config(beam=beam, nbest=beam))(
        ["f"]
    )

    assert "fgh" == found[0].text
    assert beam == len({each.text for each in found})
    assert sorted([each.score for each in found], reverse=True) == [each.score for each in found]


def test_sampling_follows_its_seed(tokenizer) -> None:
    """The same seed gives the same samples, another others; a model that is sure gives what it is sure of."""
    unsure = [Alphabet(tokenizer, strength=1.0)]
    first, again, other = (
        texts(ContinuationGenerator(unsure, tokenizer, config(sampling=True, seed=seed))(["a"] * 5))
        for seed in (1, 1, 2)
    )

    assert first == again != other
    assert len(set(first)) > 1
    sure = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(sampling=True, temperature=0.1, nbest=3))
    assert ["fgh"] * 3 == [each.text for each in sure(["f"])[0]]


def test_top_k_of_one_is_greedy(tokenizer) -> None:
    """Nothing else can be drawn."""
    unsure = [Alphabet(tokenizer, strength=1.0)]

    assert ["abcdefgh"] == texts(ContinuationGenerator(unsure, tokenizer, config(sampling=True, top_k=1))(["a"]))


def test_a_prompt_beyond_the_context_is_refused(tokenizer) -> None:
    """The error says which line, how long it is, how long it may be, and what to set."""
    continuer = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(context=5))

    assert ["abcdefgh"] == texts(continuer(["abcd"]))
    message = r"Input line 8: the prompt has 5 tokens, but the model reads 4 at most.*long_prompt=truncate"
    with pytest.raises(DataError, match=message):
        continuer(["a", "abcde"], first_number=7)


def test_a_prompt_beyond_the_context_can_be_cut(tokenizer) -> None:
    """Its end is continued, and all of it is written."""
    model = Alphabet(tokenizer)
    continuer = ContinuationGenerator([model], tokenizer, config(context=5, long_prompt="truncate"))

    assert ["aaaaaaaaefgh"] == texts(continuer(["aaaaaaaae"]))
    assert 5 >= model.longest


def test_prompts_side_by_side_change_nothing(tokenizer) -> None:
    """One at a time or many, the continuations are the same."""
    prompts = [LETTERS[start : start + length] for start in range(6) for length in (1, 2)]
    results = [
        texts(
            ContinuationGenerator([Alphabet(tokenizer, strength=4.0)], tokenizer, config(max_prompts=size, beam=2))(
                prompts
            )
        )
        for size in (1, 5, 64)
    ]

    assert results[0] == results[1] == results[2]


def test_several_models_decide_together(tokenizer) -> None:
    """One that would stop at d and one that goes on: the surer one decides."""
    short, long = Alphabet(tokenizer, last="d", strength=20), Alphabet(tokenizer, strength=2)

    assert ["abcd"] == texts(ContinuationGenerator([short, long], tokenizer, config())(["a"]))


def test_words_are_put_together_as_the_tokenizer_does() -> None:
    """The prompt stays as it was written; what follows is decoded together with it."""
    made = word(WordConfig())
    made.train(["a b c d e f g h"])
    model = Alphabet.__new__(Alphabet)
    nn.Module.__init__(model)
    order = [made.eos, *made.encode_batch(["a b c d e f g h"])[0].tolist()]
    table = torch.zeros(made.vocab_size, made.vocab_size)
    for one, other in zip(order, [*order[1:], order[0]], strict=True):
        table[one, other] = 20
    model.table, model.longest = nn.Parameter(table), 0

    found = texts(ContinuationGenerator([model], made, config(context=20))(["f", "a  b", ""]))
    assert ["f g h", "a  b c d e f g h", "a b c d e f g h"] == found


def test_nothing_to_say_is_told(tokenizer) -> None:
    """Settings that rule out every continuation name themselves."""
    continuer = ContinuationGenerator([Alphabet(tokenizer)], tokenizer, config(min_len=50, no_repeat_ngram_size=1))

    with pytest.raises(ConfigError, match=r"no possible result.*min_len=50"):
        continuer(["a"])
