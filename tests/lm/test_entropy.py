"""No model is better than the entropy of its data, whatever its tokenizer leaves out of the text."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.protocols import Tokenizer
from seqtrain_lm import metrics
from seqtrain_lm.likelihood import Corrections, TextLikelihood
from seqtrain_lm.spans import summarise
from seqtrain_text.config import BPEConfig, CharConfig, HuggingFaceConfig, UnigramConfig, WhitespaceConfig, WordConfig
from seqtrain_text.flat_rows import IntArray, ended_rows
from seqtrain_text.hugging_face import HuggingFace
from seqtrain_text.row_store import RowStore
from seqtrain_text.sentence_piece import bpe, unigram
from seqtrain_text.symbols import char, whitespace, word

Make = Callable[[], Tokenizer]
LEARNED = ["in the end it is this that the rest of them did"] * 4
SLACK_BITS = 30  # a text shorter than its entropy by so much has a chance of 2 ** -30
TOKENIZERS: dict[str, Make] = {
    "bpe": lambda: bpe(BPEConfig(vocab_size=60)),
    "bpe nmt_nfkc": lambda: bpe(BPEConfig(vocab_size=60, normalization="nmt_nfkc")),
    "bpe nfkc_cf": lambda: bpe(BPEConfig(vocab_size=60, normalization="nfkc_cf")),
    "unigram nmt_nfkc_cf": lambda: unigram(UnigramConfig(vocab_size=30, normalization="nmt_nfkc_cf")),
    "hf": lambda: HuggingFace(HuggingFaceConfig(vocab_size=280)),
    "word": lambda: word(WordConfig(vocab_size=8)),
    "char": lambda: char(CharConfig(vocab_size=12)),
    "whitespace": lambda: whitespace(WhitespaceConfig(vocab_size=7)),
}


@cache
def trained(name: str) -> Tokenizer:
    """Train a tokenizer once for all tests."""
    tokenizer = TOKENIZERS[name]()
    tokenizer.train(LEARNED)
    return tokenizer


def oracle(tokenizer: Tokenizer, alternatives: Sequence[str], drawn: Sequence[str]) -> float:
    """Return -ln p of the tokens of lines that were drawn from all alternatives alike: no model knows better."""
    tokens, lengths = tokenizer.encode_batch(alternatives)
    rows = [tuple(row.tolist()) for row in np.split(tokens, np.cumsum(lengths)[:-1])]
    row_of = dict(zip(alternatives, rows, strict=True))
    chances = Counter(rows)
    return -math.fsum(math.log(chances[row_of[line]] / len(rows)) for line in drawn)


class Encoded:
    """Rows of tokens as a store has them."""

    def __init__(self, tokenizer: Tokenizer, lines: Sequence[str]) -> None:
        self.rows = ended_rows(tokenizer.encode_batch(lines), tokenizer.eos)

    def __len__(self) -> int:
        return len(self.rows.lengths)

    def gather(self, indices: IntArray) -> tuple[IntArray, IntArray]:
        chosen = self.rows.take(indices)
        return chosen.tokens.astype(np.int64), chosen.lengths


def measured(tokenizer: Tokenizer, alternatives: Sequence[str], *, count: int, seed: int = 1) -> float:
    """Measure a text of so many lines, drawn from all alternatives alike, by an oracle; return bits a line."""
    drawn = random.Random(seed).choices(alternatives, k=count)
    found = summarise(drawn, cast("RowStore", Encoded(tokenizer, drawn)), tokenizer, "none")
    text = TextLikelihood(
        nats=oracle(tokenizer, alternatives, drawn), num_tokens=found.num_tokens, size=found.size, context=8, stride=8,
        corrections=found.corrections,
    )  # fmt: skip
    assert len("".join(f"{line}\n" for line in drawn).encode()) == found.size.num_bytes  # each byte of the file once
    bits = metrics.bits_per_byte(None).measure(text)["bits_per_byte"] * found.size.num_bytes
    per_char = metrics.bits_per_char(None).measure(text)["bits_per_char"]
    assert pytest.approx(bits) == per_char * found.size.chars
    return bits / count


KINDS = {
    "blanks": [f"in{' ' * number}the end" for number in range(1, 33)],
    "indentation": [f"{' ' * number}in the end" for number in range(32)],
    "case": ["".join(each) for each in product("tT", "hH", "eE", " ", "eE", "nN", "dD")],
    "compatible characters": [
        "".join(each) for each in product(("fi", "\ufb01"), ("1", "\u00b9"), ("a", "\uff41"), "x ")
    ],
    "unknown characters": [f"the {chr(0x4E00 + number)}" for number in range(64)],
    "unknown words": [f"the w{number} is" for number in range(64)],
    "lines that no token stands for": ["\u200b" * number for number in range(1, 9)],
    "punctuation": [
        "the, end",
        "the , end",
        "the ,end",
        "the,end",
        "the\tend",
        "the\u00a0, end",
        "the \u3000 end",
        "end",
    ],
    "kept": ["in the", "in this", "the end", "it is"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TOKENIZERS)
def test_bits_are_at_least_the_entropy(name: str, kind: str) -> None:
    """Lines drawn from k alternatives have log2 k bits each; where all comes back, an oracle needs just these."""
    tokenizer = trained(name)
    alternatives = KINDS[kind]
    bits = measured(tokenizer, alternatives, count=200)
    tokens, lengths = tokenizer.encode_batch(alternatives)
    rows = np.split(tokens, np.cumsum(lengths)[:-1])

    assert bits >= math.log2(len(alternatives)) - 1e-9
    if all(line == tokenizer.decode(row.tolist()) for line, row in zip(alternatives, rows, strict=True)):
        assert pytest.approx(math.log2(len(alternatives))) == bits


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=50, deadline=None)
@given(
    alternatives=st.lists(
        st.text(st.sampled_from("the nTHE \u00a0\u3000\u200b\ufb01\u00b9\u4e00\u4e01,.\t\u0301"), max_size=12),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    seed=st.integers(0, 1000),
)
def test_no_text_is_told_in_fewer_bits_than_it_has(name: str, alternatives: list[str], seed: int) -> None:
    """Whatever the alternatives are, and whatever is lost of them."""
    tokenizer = trained(name)
    bits = 64 * measured(tokenizer, alternatives, count=64, seed=seed)

    assert bits >= 64 * math.log2(len(alternatives)) - SLACK_BITS


def test_corrections_by_hand() -> None:
    """Two places in 17 characters: a blank too few, and one unknown character, shown as five, of three bytes."""
    found = Corrections.of("two  blanks", "two blanks") + Corrections.of("\u4e00", "<unk>")

    assert Corrections(chars=11 + 6, count=2, replaced=5, spelled=1 + 3, lines=2) == found
    # One of 3 * 4 for the number, of the ways to choose 2 of 18 places, of 0 to 17 characters in 2 parts, and 4 bytes.
    ways = 3 * 4 * math.comb(17 + 2, 2) * 18 * math.comb(5 + 2, 2) * 257 ** (4 + 2)
    assert pytest.approx(math.log(ways)) == found.nats
    assert Corrections(chars=3).nats == 0
