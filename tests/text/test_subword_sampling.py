"""Text that is split anew every epoch: what is drawn, what stays, and what is left on disk."""

from __future__ import annotations

import functools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.config.standalone import resolve_component
from seqtrain.errors import ConfigError, DataError
from seqtrain.protocols import VariesByEpoch
from seqtrain_testing.registry import RegistryBuilder
from seqtrain_text import binarise
from seqtrain_text.config import BPEConfig, CharConfig, UnigramConfig
from seqtrain_text.sentence_piece import bpe, unigram
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.subword_sampling import LengthLimited, SamplesSubwords, TextRules, make_dataset, sampled
from seqtrain_text.symbols import char

LINES = [
    f"{who} {verb} the {size} {what} number {n} ." for n in range(6) for who in ("a man", "two girls", "nobody")
    for verb in ("sees", "wants to see") for size in ("small", "great") for what in ("house", "river")
]  # fmt: skip
DRAWING = {
    "bpe": lambda: bpe(BPEConfig(vocab_size=120, dropout=0.3)),
    "unigram": lambda: unigram(UnigramConfig(vocab_size=60, sampling_alpha=0.2)),
}
PLAIN = {
    "bpe": lambda: bpe(BPEConfig(vocab_size=120)),
    "unigram": lambda: unigram(UnigramConfig(vocab_size=60)),
    "char": lambda: char(CharConfig()),
}
SKIP = LinePolicy(empty="skip", too_long="skip", max_length=200)


@functools.cache
def trained(name, *, plain=False):
    """Train a tokenizer once for all tests."""
    tokenizer = (PLAIN if plain else DRAWING)[name]()
    tokenizer.train(LINES)
    return tokenizer


def rows_of(encoder, lines):
    tokens, lengths = encoder.encode_batch(lines)
    assert (str(tokens.dtype), str(lengths.dtype)) == ("int32", "int64")
    assert lengths.sum() == len(tokens)
    return [part.tolist() for part in np.split(tokens, np.cumsum(lengths)[:-1])]


@pytest.fixture(params=DRAWING)
def name(request):
    return request.param


@pytest.mark.parametrize("what", DRAWING)
@given(lines=st.lists(st.sampled_from([*LINES, "", "ab", "\u2603 zygote"]), min_size=1, max_size=8), seed=st.integers())
@settings(max_examples=30, deadline=None)
def test_a_split_depends_on_seed_epoch_and_line_alone(what, lines, seed):
    """Not on the lines before it, on how many are encoded together, or on what was drawn in between."""
    encoder = trained(what).sampled(seed, 3)
    together = rows_of(encoder, lines)
    trained(what).sampled(seed, 4).encode_batch(LINES[:3])

    assert rows_of(encoder, lines[::-1])[::-1] == together
    assert [rows_of(encoder, [line])[0] for line in lines] == together


def test_a_thread_draws_what_another_draws(name):
    """A random state of its own changes nothing, in a thread that is new or has drawn before."""
    encoder, found = trained(name).sampled(1, 1), []
    expected = rows_of(encoder, LINES)

    def work():
        found.extend(rows_of(encoder, LINES) for _ in range(2))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert found == [expected, expected]


def test_epochs_and_seeds_differ(name):
    """Most lines are split in another way; each way decodes to the text that the usual one decodes to."""
    tokenizer = trained(name)
    usual = rows_of(tokenizer, LINES)
    ways = [usual, *(rows_of(tokenizer.sampled(*each), LINES) for each in ((1, 1), (1, 2), (2, 1)))]

    for number, way in enumerate(ways):
        assert [tokenizer.decode(row) for row in way] == [tokenizer.decode(row) for row in usual]
        for other in ways[:number]:
            assert sum(a != b for a, b in zip(way, other, strict=True)) > len(LINES) / 2


@pytest.mark.parametrize(("vocab_size", "merges"), [(9, 1), (10, 2)])
def test_dropout_leaves_out_its_share_of_merges(vocab_size, merges):
    """A word that one merge after the other makes is whole in (1 - p) ** merges of the draws."""
    tokenizer = bpe(BPEConfig(vocab_size=vocab_size, dropout=0.25))
    tokenizer.train(["abc"] * 20)
    whole = rows_of(tokenizer, ["abc"])
    assert tokenizer.vocabulary()[4:-4] == ["ab", "abc"][:merges]
    num_whole = sum(rows_of(tokenizer.sampled(1, epoch), ["abc"]) == whole for epoch in range(4000))

    assert num_whole / 4000 == pytest.approx(0.75**merges, abs=0.03)


def test_the_tokenizer_itself_draws_nothing(name):
    """Before and after others were made of it to draw, it encodes as one that is not set to; so do its fingerprints."""
    tokenizer, plain = trained(name), trained(name, plain=True)
    prints = {tokenizer.sampled(seed, epoch).fingerprint for seed in (1, 2) for epoch in (1, 2)}

    assert rows_of(tokenizer, LINES) == rows_of(plain, LINES)
    assert tokenizer.fingerprint == plain.fingerprint
    assert len(prints - {plain.fingerprint}) == 4


@pytest.mark.parametrize("what", PLAIN)
def test_a_tokenizer_that_is_not_set_to_draws_nothing(what):
    """It stays the tokenizer that it is."""
    tokenizer = trained(what, plain=True)

    assert sampled(tokenizer, 1, 2) is tokenizer
    assert isinstance(tokenizer, SamplesSubwords) == (what != "char")


@pytest.mark.parametrize(
    ("tokenizer", "setting", "allowed"),
    [
        ("bpe", {"dropout": 1}, r"in \[0, 1\)"),
        ("bpe", {"dropout": -0.1}, r"in \[0, 1\)"),
        ("bpe", {"dropout": "nan"}, r"in \[0, 1\)"),
        ("unigram", {"sampling_alpha": 0}, "> 0"),
        ("unigram", {"dropout": 0.1}, "sampling_alpha"),
        ("char", {"dropout": 0.1}, "dropout"),
        ("hf", {"dropout": 0.1}, "dropout"),
    ],
)
def test_settings_out_of_range_are_refused(tokenizer, setting, allowed):
    """With what is allowed; a tokenizer that cannot draw has no such setting."""
    registry = RegistryBuilder.with_everything_installed().registry
    with pytest.raises(ConfigError, match=allowed):
        resolve_component(registry, "tokenizer", tokenizer, setting)


class Sides:
    """A dataset that is nothing but its stores."""

    parts = ()

    def __init__(self, stores):
        self.stores = [each for group in stores for each in group]
        self.fingerprint = " ".join(each.fingerprint for each in self.stores)

    def __len__(self):
        return len(self.stores[0])

    def lengths(self, start, stop):
        return np.stack([each.lengths(start, stop) for each in self.stores], axis=1)

    def collate(self, indices):
        return [each.gather(indices)[0].tolist() for each in self.stores]

    def describe(self, index):
        return self.stores[0].describe(index)


@pytest.fixture
def columns(tmp_path, name):
    """Two files; only the first is drawn."""
    for side in ("en", "de"):
        (tmp_path / f"x.{side}").write_text("\n".join([*LINES, "", *LINES]) + "\n")
    return [
        Column(tmp_path / "x.en", trained(name), "source", samples=True),
        Column(tmp_path / "x.de", trained(name), "target"),
    ]


@pytest.fixture
def rules(tmp_path):
    return TextRules(cache=tmp_path / "cache", policy=SKIP)


def all_of(dataset):
    return dataset.collate(np.arange(len(dataset)))


def at(dataset, epoch, seed=1, max_tokens=None):
    assert isinstance(dataset, VariesByEpoch)
    return dataset.at_epoch(epoch, seed=seed, max_tokens=max_tokens)


def test_each_epoch_is_split_anew(columns, rules):
    """By (seed, epoch) alone; a side that is not to be drawn stays as it is, and so does what no epoch is asked of."""
    dataset = make_dataset([columns], Sides, rules)
    usual = all_of(dataset)
    first, second, again, other = (all_of(at(dataset, *which)) for which in ((1, 1), (2, 1), (1, 1), (1, 2)))

    assert first == again
    assert [first[0] != each[0] for each in (second, other, usual)] == [True] * 3
    assert [each[1] for each in (first, second, other)] == [usual[1]] * 3
    assert all_of(dataset) == usual == all_of(Sides([build_stores(columns, cache=rules.cache, policy=SKIP)]))
    assert at(dataset, 1).describe(len(LINES)) == dataset.describe(len(LINES)) == f"{columns[0].path}:{len(LINES) + 2}"


def test_blocks_of_lines_change_nothing(columns, rules, monkeypatch):
    """Neither what is encoded together nor another process's cache decides what is drawn."""
    before = all_of(at(make_dataset([columns], Sides, rules), 5))
    monkeypatch.setattr(binarise, "BLOCK_LINES", 7)

    assert all_of(at(make_dataset([columns], Sides, rules), 5)) == before


def test_the_fingerprint_is_that_of_text_and_settings(columns, rules, name):
    """No epoch changes it; another share of merges, or none, does."""
    dataset = make_dataset([columns], Sides, rules)
    before = dataset.fingerprint
    at(dataset, 1), at(dataset, 2)
    others = {"bpe": bpe(BPEConfig(dropout=0.2)), "unigram": unigram(UnigramConfig(sampling_alpha=0.3))}
    other = others[name]
    other._use(trained(name)._model)
    changed = [Column(columns[0].path, other, "source", samples=True), columns[1]]

    assert dataset.fingerprint == before == make_dataset([columns], Sides, rules).fingerprint
    assert before != make_dataset([changed], Sides, rules).fingerprint
    assert before != make_dataset([columns[1:]], Sides, rules).fingerprint


def test_without_drawing_all_is_as_ever(columns, rules, name):
    """The dataset is the task's own, of the stores and fingerprints that `build_stores` gives for such a tokenizer."""
    plain = trained(name, plain=True)
    files = [Column(each.path, plain, each.name, samples=True) for each in columns]
    dataset = make_dataset([files], Sides, rules)
    without_sampling = [Column(each.path, plain, each.name) for each in columns]
    folders = sorted(each.name for each in rules.cache.iterdir())

    assert isinstance(dataset, Sides)
    assert not isinstance(dataset, VariesByEpoch)
    assert dataset.fingerprint == Sides([build_stores(without_sampling, cache=rules.cache, policy=SKIP)]).fingerprint
    assert sorted(each.name for each in rules.cache.iterdir()) == folders
    assert not isinstance(make_dataset([without_sampling], Sides, rules), VariesByEpoch)


def test_an_epoch_leaves_nothing_in_the_cache(columns, rules):
    """Its files have no names from the beginning, so a killed run leaves none; an epoch in use stays readable."""
    dataset = make_dataset([columns], Sides, rules)
    before = sorted(rules.cache.rglob("*"))
    epochs = [at(dataset, epoch) for epoch in (1, 2, 3)]

    assert sorted(rules.cache.rglob("*")) == before
    assert [all_of(each) for each in epochs] == [all_of(at(dataset, epoch)) for epoch in (1, 2, 3)]


@pytest.mark.parametrize("max_tokens", [None, 12, 1000])
def test_chance_makes_no_row_too_long(columns, rules, max_tokens):
    """Where drawing gives more tokens than the task or a batch allows, the line is split as without drawing."""
    policy = LinePolicy(empty="skip", too_long="error", max_length=40)
    dataset = make_dataset([columns], Sides, TextRules(cache=rules.cache, policy=policy))
    usual = dataset.lengths(0, len(dataset)).max(1)
    for epoch in range(1, 4):
        lengths = at(dataset, epoch, max_tokens=max_tokens).lengths(0, len(dataset)).max(1)

        assert lengths.max() <= max(usual.max(), min(40, max_tokens or 40))
        assert len(lengths) == 2 * len(LINES)


def test_where_rows_are_no_examples_batches_set_no_limit(columns, rules):
    """A text that is cut into blocks may have rows of any length."""
    policy = LinePolicy(empty="skip", too_long="skip", max_length=1 << 62)
    dataset = make_dataset([columns], Sides, TextRules(cache=rules.cache, policy=policy, rows_are_examples=False))

    assert all_of(at(dataset, 1, max_tokens=3)) == all_of(at(dataset, 1))


def test_only_the_lines_that_are_too_long_are_split_as_usual(name):
    """The others keep what was drawn, and all keep their places."""
    tokenizer = trained(name)
    usual, chance = rows_of(tokenizer, LINES), rows_of(tokenizer.sampled(1, 1), LINES)
    longest = sorted(map(len, chance))[len(LINES) // 2]
    fitting = rows_of(LengthLimited(tokenizer.sampled(1, 1), tokenizer, longest), LINES)

    expected = [draw if len(draw) < longest else plain for draw, plain in zip(chance, usual, strict=True)]
    assert fitting == expected
    assert fitting not in (usual, chance)


@pytest.mark.parametrize("damage", ["changed", "longer", "gone"])
def test_text_that_changes_during_training_is_told(columns, rules, damage):
    """An epoch of another text would be an epoch of another run."""
    dataset = make_dataset([columns], Sides, rules)
    path = columns[1].path
    text = path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(text.replace("house", "mouse") if damage == "changed" else text + "x\n")

    with pytest.raises(DataError, match=r"x\.de"):
        at(dataset, 2)
    path.write_text(text)
    assert len(at(dataset, 2)) == len(dataset)


def test_a_cache_that_cannot_be_written_is_told(columns, rules):
    """As when text is binarised once."""
    dataset = make_dataset([columns], Sides, rules)
    for path in sorted(rules.cache.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    rules.cache.rmdir()
    rules.cache.write_text("in the way")

    with pytest.raises(DataError, match=r"data\.cache_dir=FOLDER"):
        at(dataset, 1)
