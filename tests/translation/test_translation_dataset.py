"""Sentence pairs from token stores: lengths, order, batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from seqtrain.protocols import Dataset, DatasetPart
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.symbols import whitespace
from seqtrain_text.tokenizer import BOS, EOS, PADDING
from seqtrain_translation.dataset import ParallelDataset, ParallelStores

WORDS = "a b c d e f".split()
A, B, C, D, E, F = range(4, 10)  # the ids that the words get

Pairs = Sequence[tuple[str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., ParallelDataset]:
    """Return a function that makes a dataset of one or several pairs of files, each a list of (source, target)."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(WORDS)

    def make(
        *files: Pairs, weights: Sequence[float] = (), empty: str = "skip", temperature: float = 1.0
    ) -> ParallelDataset:
        stores = []
        for number, pairs in enumerate(files):
            columns = []
            for side, language in enumerate(("en", "de")):
                path = tmp_path / f"part{number}.{language}"
                path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
                columns.append(Column(path, tokenizer, language))
            policy = LinePolicy(empty=empty, too_long="skip", max_length=100)
            source, target = build_stores(columns, cache=tmp_path / "cache", policy=policy)
            stores.append(ParallelStores(source, target, weights[number] if weights else 1.0))
        return ParallelDataset(stores, padding=PADDING, bos=BOS, temperature=temperature)

    return make


def test_a_batch_holds_what_model_and_criterion_need(make: Callable[..., ParallelDataset]) -> None:
    """Both sides end in eos, and the decoder reads the target behind bos, one place later."""
    batch = make([("a b", "c"), ("d", "e f a")]).collate(np.array([0, 1]))

    assert [0, 1] == batch.ids.tolist()
    assert {"source_tokens", "prev_output_tokens"} == set(batch.net_input)
    assert [[A, B, EOS], [D, EOS, PADDING]] == batch.net_input["source_tokens"].tolist()
    assert [[BOS, C, PADDING, PADDING], [BOS, E, F, A]] == batch.net_input["prev_output_tokens"].tolist()
    assert [[C, EOS, PADDING, PADDING], [E, F, A, EOS]] == batch.target.tolist()


def test_a_batch_counts_its_longer_side(make: Callable[..., ParallelDataset]) -> None:
    """Targets are counted without padding; tokens and positions are those of the wider side."""
    batch = make([("a b", "c"), ("d", "e f a")]).collate(np.array([0, 1]))

    assert 6 == batch.num_targets
    assert 6 == batch.num_tokens
    assert 8 == batch.num_positions
    other = make([("a b c", "c")]).collate(np.array([0]))
    assert (2, 4, 4) == (other.num_targets, other.num_tokens, other.num_positions)


def test_examples_are_collated_in_the_order_asked_for(make: Callable[..., ParallelDataset]) -> None:
    """Indices may come in any order, from several files, and more than once."""
    dataset = make([("a", "b"), ("b b", "c")], [("c", "d d d"), ("d", "e"), ("e e", "f")])
    singles = [dataset.collate(np.array([index])) for index in range(5)]

    batch = dataset.collate(np.array([4, 0, 2, 1, 0, 3]))

    for row, index in enumerate([4, 0, 2, 1, 0, 3]):
        source, target = singles[index].net_input["source_tokens"][0], singles[index].target[0]
        assert source.tolist() == batch.net_input["source_tokens"][row, : len(source)].tolist()
        assert target.tolist() == batch.target[row, : len(target)].tolist()


def test_lengths_reach_over_several_files(make: Callable[..., ParallelDataset]) -> None:
    """Lengths are (source, target), the ends included, of any stretch."""
    dataset = make([("a", "b"), ("b b", "c")], [("c", "d d d")])

    assert [[2, 2], [3, 2], [2, 4]] == dataset.lengths(0, 3).tolist()
    assert [[3, 2], [2, 4]] == dataset.lengths(1, 3).tolist()
    assert [[2, 4]] == dataset.lengths(2, 3).tolist()
    assert (0, 2) == dataset.lengths(1, 1).shape


def test_parts_carry_their_weights(make: Callable[..., ParallelDataset]) -> None:
    """Each pair of files is a part; together they cover the dataset."""
    dataset: Dataset = make([("a", "b"), ("b", "c")], [("c", "d")], weights=(1.0, 2.5))

    assert 3 == len(dataset)
    assert [DatasetPart(0, 2, 1.0), DatasetPart(2, 3, 2.5)] == list(dataset.parts)


def test_a_temperature_evens_out_sizes(make: Callable[..., ParallelDataset]) -> None:
    """Of 4 pairs and 1 that counts twice, 6 an epoch, at T=2 the shares are 2:2, so 3 each."""
    dataset = make([("a", "b")] * 4, [("c", "d")], weights=(1.0, 2.0), temperature=2.0)

    assert [DatasetPart(0, 4, 0.75), DatasetPart(4, 5, 3.0)] == list(dataset.parts)
    assert dataset.fingerprint != make([("a", "b")] * 4, [("c", "d")], weights=(1.0, 2.0)).fingerprint


def test_an_example_is_described_by_its_lines(make: Callable[..., ParallelDataset], tmp_path: Path) -> None:
    """Lines that were left out are counted, so that an editor finds the place."""
    dataset = make([("a", "b"), ("", "x"), ("b", "c")], [("c", "d")])

    assert f"{tmp_path}/part0.en:3 | {tmp_path}/part0.de:3" == dataset.describe(1)
    assert f"{tmp_path}/part1.en:1 | {tmp_path}/part1.de:1" == dataset.describe(2)


def test_the_fingerprint_is_that_of_the_content(make: Callable[..., ParallelDataset]) -> None:
    """It changes with any word and with any weight, and with nothing else."""
    first = make([("a", "b")]).fingerprint

    assert first == make([("a", "b")]).fingerprint
    assert first != make([("a", "c")]).fingerprint
    assert first != make([("a", "b")], weights=(2.0,)).fingerprint
    assert make([("a", "b")], [("c", "d")]).fingerprint != make([("c", "d")], [("a", "b")]).fingerprint


def test_an_empty_line_that_is_kept_is_an_end_alone(make: Callable[..., ParallelDataset]) -> None:
    """Evaluation sets keep every line."""
    batch = make([("a", ""), ("", "b")], empty="keep").collate(np.array([0, 1]))

    assert [[A, EOS], [EOS, PADDING]] == batch.net_input["source_tokens"].tolist()
    assert [[EOS, PADDING], [B, EOS]] == batch.target.tolist()
