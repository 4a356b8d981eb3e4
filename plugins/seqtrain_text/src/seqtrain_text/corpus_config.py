"""
The settings that name a task's data, the same in every task on text.

Light, because the configs of tasks import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seqtrain.plugin import ConfigError, Selection, option
from seqtrain_text.corpus_parts import CorpusPart, read_parts, read_sets
from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.table_options import TableOptions


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Which files are trained, validated and tested on."""

    path_is: ClassVar[str] = "file"
    """What a path in `train`, `valid` and `test` is, for messages."""

    train: Any = option(
        None,
        help="text file, plain or .gz, or a list of files or of {path: FILE, weight: W}; default: the built-in corpus",
        is_path=True,
    )
    train_temperature: float = option(
        1.0,
        help="T evens out training data of several sizes: of an epoch, data of n examples are a share in proportion "
        "to weight * n^(1/T); 1 leaves sizes as they are",
        ge=1,
        allow_inf=True,
    )
    valid: Any = option(
        None,
        help="validation file, a list of files, or a map of names to these; the first one decides what is best",
        may_change=True,
        is_path=True,
    )
    test: Any = option(None, help="likewise for `seqtrain evaluate`", may_change=True, is_path=True)
    dummy: DummyConfig = option(
        default_factory=DummyConfig, help="made-up data instead of files, for benchmarks and dry runs"
    )

    def __post_init__(self) -> None:
        if self.is_dummy:
            self._check_dummy()
        elif self.train is None:
            self._check_builtin()
        self.parts()
        for split in ("valid", "test"):
            self.sets(split)

    @property
    def is_dummy(self) -> bool:
        """The data is made up."""
        return self.dummy.examples is not None

    @property
    def is_builtin(self) -> bool:
        """The data is the built-in corpus."""
        return self.train is None and not self.is_dummy

    def parts(self) -> tuple[CorpusPart, ...]:
        """Return the training data; none where it is built in or made up."""
        return () if self.train is None else read_parts(self.train, "train", weighted=True, what=self.path_is)

    def sets(self, split: str) -> dict[str, tuple[CorpusPart, ...]]:
        """
        Return the validation or test sets by the names they have among the task's splits.

        Args:
            split: "valid" or "test".
        """
        return read_sets(self.valid if split == "valid" else self.test, split, what=self.path_is)

    def temperature(self, split: str) -> float:
        """Return what evens out the sizes of a split's data; sets to validate and test on are taken as they are."""
        return self.train_temperature if split == "train" else 1.0

    def check_reader(self, reader: Selection | None) -> None:
        """Refuse another reader than `auto` and `lines` where there are no files to read."""
        if (
            self.train is None
            and isinstance(reader, Selection)
            and reader.name.removeprefix("text/") not in ("auto", "lines")
        ):
            raise ConfigError(
                f"The built-in corpus is lines of text, and made-up data no text at all, so they are not for the "
                f"reader {reader.name!r}. Set task.train={self._word} to use your own files, or leave out task.reader."
            )

    def check_dummy_length(self, limit: int, setting: str) -> None:
        """Refuse made-up examples that are longer than the model reads."""
        if self.is_dummy and self.dummy.length > limit:
            raise ConfigError(
                f"dummy.length={self.dummy.length} is above {setting}={limit}, the most that the model reads at once. "
                f"Lower task.dummy.length, or raise task.{setting}."
            )

    @property
    def _word(self) -> str:
        return self.path_is.split(maxsplit=1)[0].upper()

    def _given(self) -> list[str]:
        return [key for key, value in (("valid", self.valid), ("test", self.test)) if value is not None]

    def _check_dummy(self) -> None:
        given = [*(["train"] if self.train is not None else []), *self._given()]
        if given:
            raise ConfigError(
                f"{given[0]} is given together with dummy.examples={self.dummy.examples}, which stands for made-up "
                f"data with sets of its own. Leave out task.{given[0]}, or task.dummy."
            )

    def _check_builtin(self) -> None:
        for key in self._given():
            raise ConfigError(
                f"{key} is given without train, which stands for the built-in corpus with sets of its own. "
                f"Set task.train={self._word} too, or leave out task.{key}."
            )


@dataclass(frozen=True, kw_only=True)
class TextTaskConfig(CorpusConfig):
    """What every task on text is set by; the config of a `TextTask` is derived from it."""

    columns: tuple[str, ...] | None = option(
        None, help="names of the columns of TSV and CSV files that have no header; default: their first line has them"
    )
    separator: str | None = option(
        None, help="what is between the cells of CSV files, such as ';' or tab; default: as their first lines tell"
    )
    metrics: tuple[str, ...] | None = option(
        None, help="metrics to measure by, by name; default: the task's own", component="metric", may_change=True
    )
    metric: Selection | None = option(
        None, help="one more metric, with settings of its own", component="metric", may_change=True
    )
    score_validation: bool = option(
        True, help="take these measures of the validation sets too, not the loss alone", may_change=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        twice = sorted({name for name in self.metrics or () if (self.metrics or ()).count(name) > 1})
        if twice:
            raise ConfigError(f"metrics names {twice[0]!r} twice. Leave it out once.")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ConfigError(f"columns={list(self.columns)} has a name twice. Name each column differently.")
        if self.separator is not None and (len(self._separator(self.separator)) != 1 or self.separator in '"\r\n'):
            raise ConfigError(
                f"separator={self.separator!r} must be a single character, but no quote and no line end, such as ';'; "
                "for a tab write task.separator=tab."
            )

    @property
    def tables(self) -> TableOptions:
        """What is said of tables."""
        separator = None if self.separator is None else self._separator(self.separator)
        return TableOptions(columns=self.columns, separator=separator)

    @staticmethod
    def _separator(text: str) -> str:
        return "\t" if text in ("tab", "\\t") else text
