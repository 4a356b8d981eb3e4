"""What seqtrain-text offers: tokenizers, and a reader of text files."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the tokenizers and the reader."""
    for name, ref, config, summary in (
        ("bpe", "sentence_piece:bpe", "BPEConfig", "Byte-pair encoding by sentencepiece"),
        ("unigram", "sentence_piece:unigram", "UnigramConfig", "Unigram pieces by sentencepiece"),
        ("hf", "hugging_face:HuggingFace", "HuggingFaceConfig", "Any tokenizer.json, or byte-level BPE trained here"),
        ("word", "symbols:word", "WordConfig", "Words and punctuation marks"),
        ("char", "symbols:char", "CharConfig", "Unicode characters"),
        ("whitespace", "symbols:whitespace", "WhitespaceConfig", "Text that is already segmented, split at spaces"),
    ):
        yield Component(
            kind="tokenizer",
            name=name,
            ref=f"seqtrain_text.{ref}",
            config=f"seqtrain_text.config:{config}",
            summary=summary,
        )
    yield Component(
        kind="reader",
        name="lines",
        ref="seqtrain_text.readers:Lines",
        summary="A text is a line of a UTF-8 file, plain or .gz",
    )
