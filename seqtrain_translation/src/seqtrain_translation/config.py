"""The settings of the translation task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seqtrain.plugin import ConfigError, Selection, option
from seqtrain_text.corpus_config import TextTaskConfig
from seqtrain_translation.generation_config import GenerationConfig
from seqtrain_translation.scoring_config import ScoringConfig


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TextTaskConfig):
    """Parallel text, how it becomes tokens, and how translations are made and scored."""

    path_is: ClassVar[str] = "prefix of files"

    train: Any = option(
        None,
        help="prefix of the two training files, or a table of both languages, or a list of these or of "
        "{path: PREFIX, weight: W}; default: the built-in corpus",
        is_path=True,
    )
    valid: Any = option(
        None,
        help="prefix of the validation files, or a table, a list of these, or a map of names to these; the first one "
        "decides what is best",
        may_change=True,
        is_path=True,
    )
    test: Any = option(None, help="likewise for `seqtrain evaluate`", may_change=True, is_path=True)
    reader: Selection = option(
        "auto", help="how records are taken out of the files of train, valid and test", component="reader"
    )
    source_column: str | None = option(
        None, help="column of the source, where the files are tables; default: source_lang, or `source`"
    )
    target_column: str | None = option(
        None, help="column of the target, where the files are tables; default: target_lang, or `target`"
    )
    source_lang: str | None = option(None, help="language translated from, as in the file names, such as en")
    target_lang: str | None = option(None, help="language translated into, as in the file names, such as de")
    tokenizer: Selection = option("bpe", help="how text becomes tokens", component="tokenizer")
    shared_vocabulary: bool = option(True, help="one vocabulary for both languages, made from the text of both")
    drawn_sides: str = option(
        "both",
        help="sides whose training text is split anew every epoch, where the tokenizer is set to (bpe: dropout, "
        "unigram: sampling_alpha)",
        choices=("both", "source", "target"),
    )
    max_length: int = option(1024, help="longest sentence, its end included, on either side", unit="tokens", ge=2)
    too_long: str = option(
        "skip",
        help="what to do with training pairs above max_length; in validation and test sets they are truncated",
        choices=("error", "skip", "truncate"),
    )
    empty_lines: str = option(
        "skip",
        help="what to do with training pairs that have an empty side; validation and test sets keep them",
        choices=("error", "skip"),
    )
    generation: GenerationConfig = option(
        default_factory=GenerationConfig, help="how translations are made", may_change=True
    )
    scoring: ScoringConfig = option(default_factory=ScoringConfig, help="how they are scored", may_change=True)
    metrics: tuple[str, ...] | None = option(
        None,
        help="metrics of translations, by name; default: bleu, chrf and exact_match",
        component="metric",
        may_change=True,
    )
    metric: Selection | None = option(
        None, help="one more metric of translations, with settings of its own", component="metric", may_change=True
    )
    score_validation: bool = option(
        True, help="translate the validation sets whenever they are measured, and score them", may_change=True
    )
    buffer_lines: int = option(
        256,
        help="lines that `seqtrain predict` reads before it answers, so that similar lengths go together; "
        "1 answers each line at once",
        unit="lines",
        ge=1,
        may_change=True,
    )
    prefix: str = option("", help="text that every translation begins with", may_change=True)
    references: str | None = option(
        None,
        help="for `seqtrain predict`: a file with a translation of each input line; score these, translate nothing",
        may_change=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_reader(self.reader)
        self.check_dummy_length(self.max_length, "max_length")
        if self.is_builtin and self.languages != ("en", "de"):
            raise ConfigError(
                f"The built-in corpus is English to German, not {self.languages[0]!r} to {self.languages[1]!r}. "
                "Set task.train=PREFIX to train on files of your own, or leave out the languages."
            )
        if self.train is None:
            return
        if not self.source_lang or not self.target_lang:
            raise ConfigError(
                "train is given without the languages of its files. Set task.source_lang and task.target_lang, "
                "such as en and de for PREFIX.en and PREFIX.de."
            )
        if self.source_lang == self.target_lang:
            raise ConfigError(
                f"source_lang and target_lang are both {self.source_lang!r}, so source and target would be the same "
                "file. Name the two files differently, such as PREFIX.en-old and PREFIX.en."
            )

    @property
    def columns_of_tables(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names that the columns of source and target may have."""
        source, target = self.languages
        return (
            (self.source_column,) if self.source_column else (source, "source", f"translation.{source}"),
            (self.target_column,) if self.target_column else (target, "target", f"translation.{target}"),
        )

    @property
    def languages(self) -> tuple[str, str]:
        """Return the source and the target language."""
        return self.source_lang or "en", self.target_lang or "de"
