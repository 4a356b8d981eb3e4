"""Settings of the tokenizers."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class SentencePieceConfig:
    """What `bpe` and `unigram` have in common, trained and run by the sentencepiece library."""

    vocab_size: int = option(
        8000, help="entries, the 4 special ones included; fewer where the text is too small", unit="pieces", ge=8
    )
    character_coverage: float = option(
        1.0,
        help="share of the text to have characters for; 0.9995 suits Chinese, Japanese and noisy text",
        gt=0.9,
        le=1,
    )
    normalization: str = option(
        "identity",
        help="Unicode form before splitting: identity keeps all characters and blanks as they are; the others, "
        "sentencepiece's, make compatible characters one (such as full-width ones), blanks too, and _cf folds case",
        choices=("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"),
    )
    sample_lines: int = option(
        200_000, help="most lines to train on, taken evenly from the whole text", unit="lines", ge=1
    )


@dataclass(frozen=True, kw_only=True)
class BPEConfig(SentencePieceConfig):
    """Settings of `bpe`."""

    dropout: float = option(
        0.0,
        help="share of the merges left out at random when training text is split, anew every epoch "
        "(BPE-dropout); 0.1 is usual, 0 leaves out none",
        ge=0,
        lt=1,
    )


@dataclass(frozen=True, kw_only=True)
class UnigramConfig(SentencePieceConfig):
    """Settings of `unigram`."""

    sampling_alpha: float | None = option(
        None,
        help="draw how words of training text are split, anew every epoch (subword regularisation): in proportion to "
        "probability ** this; the smaller, the more varied, 0.2 is usual; null: always the likeliest way",
        gt=0,
    )


@dataclass(frozen=True, kw_only=True)
class HuggingFaceConfig:
    """
    Settings of `hf`: a given tokenizer.json, or byte-level BPE trained here.

    The special tokens are looked up by name; the ones that a given file lacks are added behind its last id.
    """

    path: str | None = option(None, help="a tokenizer.json to use as it is; by default one is trained", is_path=True)
    vocab_size: int = option(
        8000, help="entries when trained, the 4 special ones and 256 bytes included", unit="tokens", ge=260
    )
    sample_lines: int = option(
        200_000, help="most lines to train on, taken evenly from the whole text", unit="lines", ge=1
    )
    padding_token: str = option("<pad>", help="name of the padding token")
    bos_token: str = option("<s>", help="name of the token that starts a sentence")
    eos_token: str = option("</s>", help="name of the token that ends a sentence")
    unknown_token: str = option("<unk>", help="name of the token for what has no other")


@dataclass(frozen=True, kw_only=True)
class WordConfig:
    """Settings of `word`: runs of letters, digits and their combining marks, and every other character by itself."""

    vocab_size: int | None = option(
        32_000, help="most entries, the 4 special ones included; null: all", unit="words", ge=5
    )
    min_count: int = option(1, help="rarer words are unknown", unit="occurrences", ge=1)


@dataclass(frozen=True, kw_only=True)
class CharConfig:
    """Settings of `char`: every Unicode code point by itself."""

    vocab_size: int | None = option(
        None, help="most entries, the 4 special ones included; null: all", unit="characters", ge=5
    )
    min_count: int = option(1, help="rarer characters are unknown", unit="occurrences", ge=1)


@dataclass(frozen=True, kw_only=True)
class WhitespaceConfig:
    """Settings of `whitespace`, for text that is already segmented: split at spaces and nowhere else."""

    vocab_size: int | None = option(
        None, help="most entries, the 4 special ones included; null: all", unit="tokens", ge=5
    )
    min_count: int = option(1, help="rarer tokens are unknown", unit="occurrences", ge=1)
    joiner: str | None = option(
        "@@ ",
        help="what was put between the parts of a word, removed when decoding; sentencepiece: pieces of that library, "
        "whose words begin with U+2581; null: nothing",
        may_change=True,
    )
