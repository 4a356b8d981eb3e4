"""The built-in corpus as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from seqtrain_translation.builtin.corpus import SIZES, sentence_pairs, write_builtin_corpus


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[tuple[str, str]]]:
    return {split: sentence_pairs(split, count) for split, count in SIZES.items()}


def test_no_english_sentence_occurs_twice(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """Sentences are distinct within a split and between splits."""
    sentences = [english for pairs in corpus.values() for english, _ in pairs]

    assert sum(SIZES.values()) == len(sentences) == len(set(sentences))


def test_bare_test_values_never_occur_in_a_training_sentence(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """A test date or a time with its part of the day is in no training sentence at all."""
    held_out = [en for en, _ in corpus["test"] if en[0].islower() and (" of " in en or " in the " in en)]
    training = "\n".join(english for english, _ in corpus["train"])

    assert len(held_out) > 50
    assert [] == [
        value
        for value in held_out
        if f" {value}." in training or f"\n{value}\n" in training or f"at {value} on" in training
    ]


def test_every_test_word_occurs_in_training(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """What is held out are combinations; their words are all there to learn from."""
    seen = {word for english, _ in corpus["train"] for word in english.rstrip(".").split()}

    assert set() == {word for english, _ in corpus["test"] for word in english.rstrip(".").split()} - seen


def test_equal_seeds_make_equal_corpora() -> None:
    """The pairs are a function of split, count and seed."""
    assert sentence_pairs("valid", 50, seed=3) == sentence_pairs("valid", 50, seed=3)
    assert sentence_pairs("valid", 50, seed=3) != sentence_pairs("valid", 50, seed=4)
    assert sentence_pairs("valid", 50) == sentence_pairs("valid", 80)[:50]


def test_pairs_are_the_same_on_every_version_of_python(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """The test set's hash is pinned; change it together with the rules."""
    assert "1633c23ff47a8431" == hashlib.sha256(repr(corpus["test"]).encode()).hexdigest()[:16]


def test_files_hold_the_pairs_line_by_line(tmp_path: Path, corpus: dict[str, list[tuple[str, str]]]) -> None:
    """Line n of one side is the translation of line n of the other."""
    prefixes = write_builtin_corpus(tmp_path / "cache")

    assert list(SIZES) == list(prefixes)
    for split, prefix in prefixes.items():
        english = Path(f"{prefix}.en").read_text(encoding="utf-8").splitlines()
        german = Path(f"{prefix}.de").read_text(encoding="utf-8").splitlines()
        assert corpus[split] == list(zip(english, german, strict=True))


def test_writing_again_reuses_the_files(tmp_path: Path) -> None:
    """A second run finds the first one's corpus and leaves nothing else behind."""
    first = write_builtin_corpus(tmp_path)
    stamp = Path(f"{first['train']}.en").stat().st_mtime_ns

    assert first == write_builtin_corpus(tmp_path)
    assert stamp == Path(f"{first['train']}.en").stat().st_mtime_ns
    assert 1 == len(list(tmp_path.iterdir()))
