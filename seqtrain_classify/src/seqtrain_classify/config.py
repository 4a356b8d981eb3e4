"""The settings of the classification task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, Selection, option
from seqtrain_classify.prediction_config import PredictionConfig
from seqtrain_text.corpus_config import TextTaskConfig
from seqtrain_text.dummy_config import DummyConfig

FORMATS = ("tsv", "csv", "json", "jsonl", "parquet", "arrow")


@dataclass(frozen=True, kw_only=True)
class LabelledDummyConfig(DummyConfig):
    """Made-up rows with made-up labels, or numbers, instead of tables: for benchmarks and dry runs."""

    classes: int = option(2, help="labels there are, unless kind=regression", unit="labels", ge=2)


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(TextTaskConfig):
    """Tables of labelled texts, how texts become tokens, and how a trained model is asked."""

    train: Any = option(
        None,
        help="table, or a list of tables or of {path: FILE, weight: W}; default: the built-in corpus",
        is_path=True,
    )
    valid: Any = option(
        None,
        help="validation table, a list of tables, or a map of names to these; the first one decides what is best",
        may_change=True,
        is_path=True,
    )
    dummy: LabelledDummyConfig = option(
        default_factory=LabelledDummyConfig, help="made-up data instead of tables, for benchmarks and dry runs"
    )
    reader: Selection = option(
        "auto", help="how records are taken out of the files of train, valid and test", component="reader"
    )
    format: str = option(
        "auto",
        help="the same for readers of seqtrain-text, by name alone",
        choices=("auto", *FORMATS),
    )
    text_column: str = option("text", help="column of the text")
    text_pair_column: str | None = option(None, help="column of a second text, where the label is of a pair")
    label_column: str = option("label", help="column of the label, of the labels, or of the number")
    kind: str = option(
        "single",
        help="what a text has: a single label, several labels or none (multi), or a number (regression)",
        choices=("single", "multi", "regression"),
    )
    label_separator: str = option(
        ",", help="kind=multi: what is between labels, in tables and in what `seqtrain predict` writes"
    )
    tokenizer: Selection = option("bpe", help="how text becomes tokens", component="tokenizer")
    max_length: int = option(512, help="longest text or pair, its end included", unit="tokens", ge=4)
    too_long: str = option(
        "truncate",
        help="what to do with longer training texts: cut off the end (of a pair, the end of the longer text), leave "
        "them out, or refuse them; validation and test sets are cut",
        choices=("error", "skip", "truncate"),
    )
    empty_lines: str = option(
        "skip",
        help="what to do with training rows that have an empty text; validation and test sets keep them",
        choices=("error", "skip"),
    )
    prepend_bos: bool = option(
        False, help="begin each row with bos, for a model that reads its answer off the first token"
    )
    metrics: tuple[str, ...] | None = option(
        None,
        help="metrics of answers, by name; default: accuracy, macro_f1, micro_f1 and, with a single label, mcc; or "
        "pearson and spearman",
        component="metric",
        may_change=True,
    )
    metric: Selection | None = option(
        None,
        help="one more metric of answers, with settings of its own; one of texts is given them as `seqtrain predict` "
        "writes them",
        component="metric",
        may_change=True,
    )
    prediction: PredictionConfig = option(
        default_factory=PredictionConfig, help="how a trained model is asked", may_change=True
    )
    score_validation: bool = option(
        True, help="measure accuracy and the like on the validation sets, not the loss alone", may_change=True
    )
    buffer_lines: int = option(
        256,
        help="lines that `seqtrain predict` reads before it answers, so that similar lengths go together; "
        "1 answers each line at once",
        unit="lines",
        ge=1,
        may_change=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_reader(self.reader)
        if self.is_builtin:
            self._check_builtin_table()
        self.check_dummy_length(self.max_length, "max_length")
        self._check_columns()
        if not self.label_separator or set(self.label_separator) & set("\t\r\n"):
            raise ConfigError(
                f"label_separator={self.label_separator!r} must have at least one character, and no tab or line end. "
                "Set it to what is between labels, such as ',' or ' '."
            )

    @property
    def wanted(self) -> dict[str, str]:
        """Return the names of the columns that are read, by the setting that names each: text, label, second text."""
        names = {"text_column": self.text_column, "label_column": self.label_column}
        return names if self.text_pair_column is None else {**names, "text_pair_column": self.text_pair_column}

    @property
    def is_pair(self) -> bool:
        """An example has two texts."""
        return self.text_pair_column is not None

    def _check_builtin_table(self) -> None:
        """Refuse settings that the built-in corpus cannot follow."""
        changed = [
            name
            for name, is_changed in {
                "kind": self.kind != "single",
                "format": self.format != "auto",
                "columns": self.columns is not None,
                "separator": self.separator is not None,
                "text_column": self.text_column != "text",
                "text_pair_column": self.is_pair,
                "label_column": self.label_column != "label",
            }.items()
            if is_changed
        ]
        if changed:
            raise ConfigError(
                f"{changed[0]} is given without train, which stands for the built-in corpus: a label and a line of "
                f"text a row, with sets of its own. Set task.train=FILE too, or leave out task.{changed[0]}."
            )

    def _check_columns(self) -> None:
        """Refuse columns that cannot be told apart, or are not among those named."""
        wanted = self.wanted
        for key, name in wanted.items():
            others = [other for other, its_name in wanted.items() if its_name == name and other != key]
            if others:
                raise ConfigError(f"{key} and {others[0]} are both {name!r}. Name two different columns.")
            if self.columns is not None and name not in self.columns:
                raise ConfigError(
                    f"columns names no {name!r}, which {key} asks for, only {', '.join(self.columns)}. "
                    f"Set task.{key} to one of these, or add {name!r} to task.columns."
                )
        if self.format != "auto" and isinstance(self.reader, Selection) and self.reader.name != "auto":
            raise ConfigError(
                f"format={self.format} and reader.name={self.reader.name} both say how the files are read. Leave out "
                "task.format."
            )
