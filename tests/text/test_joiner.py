"""Words that were split in the user's files are put together again."""

from __future__ import annotations

import numpy as np
import pytest

from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.joiner import find_joiner, undo_joiner
from seqtrain_text.symbols import whitespace


@pytest.mark.parametrize(
    ("text", "joiner", "expected"),
    [
        ("▁Hel lo ▁wor ld .", "sentencepiece", "Hello world."),
        ("▁ ▁A ▁, b", "sentencepiece", "A ,b"),
        ("▁我 们 ▁Py thon", "sentencepiece", "我们 Python"),
        ("", "sentencepiece", ""),
        ("Hel@@ lo world", "@@ ", "Hello world"),
        ("Hel@@ lo wor@@", "@@ ", "Hello wor"),
        ("▁Hel lo", "@@ ", "▁Hel lo"),
        ("Hel@@ lo", None, "Hel@@ lo"),
        ("play ##ing", " ##", "playing"),
    ],
)
def test_words_are_joined(text: str, joiner: str | None, expected: str) -> None:
    """By the marks of subword-nmt, of sentencepiece, or any other."""
    assert expected == undo_joiner(text, joiner)


@pytest.mark.parametrize("text", ["Hello, world!", "他用 Python 写了三本书。", "a  b", "tabs\tand é"])
def test_joining_gives_back_what_sentencepiece_has_split(text: str) -> None:
    """The library writes a blank as U+2581; pieces are written here by hand, a character each."""
    pieces = "".join(f"▁{word}" if word else "▁" for word in text.split(" "))

    assert text == undo_joiner(" ".join(pieces), "sentencepiece")


def test_decoding_joins_pieces() -> None:
    """As in references, so in predictions."""
    tokenizer = whitespace(WhitespaceConfig(joiner="sentencepiece"))
    tokenizer.train(["▁Hel lo ▁wor ld"])
    ids, lengths = tokenizer.encode_batch(["▁wor ld ▁Hel lo"])

    assert [4] == lengths.tolist()
    assert "world Hello" == tokenizer.decode(np.asarray(ids).tolist())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["▁Hel lo", "▁wor ld"], "sentencepiece"),
        (["Hel@@ lo", "world", "two"], "@@ "),
        (["whole words", "an e-mail@@ address"] + ["and more"] * 20, None),
        (["me@@home.org", "@@ alone", "@ @"], None),
        ([], None),
        ([""], None),
    ],
)
def test_segmented_text_is_recognised(lines: list[str], expected: str | None) -> None:
    """By marks in more than a tenth of its lines."""
    assert expected == find_joiner(lines)
