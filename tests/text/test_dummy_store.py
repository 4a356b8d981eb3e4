"""Made-up rows, and a tokenizer that knows no text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seqtrain.errors import ConfigError
from seqtrain.protocols import Tokenizer
from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.dummy_store import DummyStore, scramble
from seqtrain_text.dummy_task import DummyTokenizer
from seqtrain_text.tokenizer import EOS

SETTINGS = {"examples": 50, "length": 9, "min_length": 3, "vocab_size": 20}


def store(size: int = 50, *, stream: str = "train", **changed: Any) -> DummyStore:
    """Make a store."""
    return DummyStore(DummyConfig(**{**SETTINGS, **changed}), size, stream=stream)


def rows(made: DummyStore, indices: Any = None) -> list[list[int]]:
    """Return rows as lists."""
    tokens, lengths = made.gather(np.arange(len(made)) if indices is None else np.array(indices))
    assert np.int64 == tokens.dtype == lengths.dtype
    return [row.tolist() for row in np.split(tokens, np.cumsum(lengths)[:-1])]


def test_rows_are_tokens_and_an_end() -> None:
    """Lengths are in the range, the end counted; no token before the end is special."""
    made = rows(store())

    assert 50 == len(made)
    assert set(range(3, 10)) == {len(row) for row in made}
    assert {EOS} == {row[-1] for row in made}
    assert set(range(4, 20)) == {token for row in made for token in row[:-1]}


def test_all_rows_are_of_one_length_unless_a_range_is_given() -> None:
    """The whole of `length`."""
    assert {9} == {len(row) for row in rows(store(min_length=None))}


def test_a_row_is_a_function_of_seed_and_number() -> None:
    """Asked for alone, twice, or in a larger store, it is the same; with another seed or stream it is not."""
    made = rows(store())

    assert [made[7], made[3], made[7]] == rows(store(), [7, 3, 7])
    assert made == rows(store(80))[:50]
    others = [rows(store(seed=2)), rows(store(stream="valid")), rows(store(vocab_size=21))]
    assert [] == [other for other in others if other == made]
    assert 5 == len({store().fingerprint, *(s.fingerprint for s in (
        store(seed=2), store(stream="valid"), store(49), store(length=10)
    ))})  # fmt: skip
    assert store().fingerprint == store().fingerprint


def test_lengths_are_those_of_the_rows() -> None:
    """Of any stretch of them."""
    made, lengths = store(), [len(row) for row in rows(store())]

    assert lengths == made.lengths(0, 50).tolist()
    assert lengths[4:9] == made.lengths(4, 9).tolist()
    assert sum(lengths) == made.num_tokens


def test_rows_are_one_stream_too() -> None:
    """Any spans of it can be read, and a token's row is known."""
    made, stream = store(), [token for row in rows(store()) for token in row]
    starts, lengths = np.array([5, 0, made.num_tokens - 2]), np.array([12, 1, 2])

    assert [*stream[5:17], stream[0], *stream[-2:]] == made.read(starts, lengths).tolist()
    first = made.lengths(0, 1)[0]
    assert [0, 0, 1, 49] == [made.row_at(token) for token in (0, first - 1, first, made.num_tokens - 1)]


def test_a_row_is_described_by_its_number() -> None:
    """From 1, as lines are."""
    assert "made-up example 8" == store().describe(7)
    assert (8, [8, 1]) == (store().line_number(7), store().line_numbers(np.array([7, 0])).tolist())


def test_the_smallest_vocabulary_has_one_token() -> None:
    """Besides the special ones."""
    assert {4, EOS} == {token for row in rows(store(vocab_size=5)) for token in row}


def test_scrambled_numbers_are_those_of_splitmix64() -> None:
    """The generator's first numbers from seed 1234567, as its authors give them."""
    found: NDArray[np.uint64] = scramble(np.arange(1, 4), np.uint64(1234567))

    assert [6457827717110365317, 3203168211198807973, 9817491932198370423] == found.tolist()


def test_its_tokenizer_knows_ids_and_no_text() -> None:
    """It has names for models to be compared by, and refuses lines."""
    tokenizer = DummyTokenizer(6)

    assert isinstance(tokenizer, Tokenizer)
    assert ["<pad>", "<s>", "</s>", "<unk>", "<made-up 4>", "<made-up 5>"] == tokenizer.vocabulary()
    assert "<made-up 5>" == tokenizer.decode([1, 5, 2, 0])
    with pytest.raises(ConfigError, match=r"trained on made-up data.*Train a run on files, with task\.train"):
        tokenizer.encode_batch(["a"])
