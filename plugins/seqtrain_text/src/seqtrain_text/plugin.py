"""What seqtrain-text offers: tokenizers, and readers of files."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the tokenizers and the readers."""
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
    for name, ref, summary in (
        ("auto", "auto_reader:Auto", "Any of the others, by a file's first bytes and its name"),
        ("lines", "readers:Lines", "A record is a line of text"),
        (
            "csv",
            "delimited:Delimited",
            "A record is a row of cells between commas or the like",
        ),
        ("tsv", "delimited:tsv", "A record is a row of cells between tabs, without quotes"),
        ("json", "json_reader:JSONObjects", "A record is an object of an array"),
        ("jsonl", "json_reader:JSONObjects", "A record is an object on a line of its own"),
        ("parquet", "arrow_reader:parquet", "A record is a row; needs pyarrow"),
        ("arrow", "arrow_reader:ArrowRows", "A record is a row of an Arrow file or stream; needs pyarrow"),
    ):
        yield Component(kind="reader", name=name, ref=f"seqtrain_text.{ref}", summary=summary)
