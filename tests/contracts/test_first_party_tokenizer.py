"""Our own tokenizers keep the contract that everybody's do."""

from __future__ import annotations

from seqtrain.registry.discovery import discover
from seqtrain_testing.contracts import TokenizerContract


class TestByteLevelBPE(TokenizerContract):
    """Bytes are the pieces that are left of anything else."""

    name = "text/hf"
    settings = {"vocab_size": 300}


class TestBPE(TokenizerContract):
    """It reads lines in a normal form, in which several blanks are one."""

    name = "text/bpe"
    settings = {"vocab_size": 110}
    is_lossless = False


class TestUnigram(TokenizerContract):
    """Likewise."""

    name = "text/unigram"
    settings = {"vocab_size": 90}
    is_lossless = False


class TestWord(TokenizerContract):
    """It forgets where blanks were."""

    name = "text/word"
    is_lossless = False


class TestCharacter(TokenizerContract):
    """Every character is kept."""

    name = "text/char"


class TestWhitespace(TokenizerContract):
    """It forgets how many blanks there were."""

    name = "text/whitespace"
    is_lossless = False


def test_all_of_ours_are_tested() -> None:
    """No tokenizer of ours is without its contract."""
    tested = {each.name for each in TokenizerContract.__subclasses__() if each.__module__ == __name__}
    offered = {each.qualified_name for each in discover().components("tokenizer") if each.plugin.id == "text"}

    assert offered == tested
