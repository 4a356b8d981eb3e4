"""The settings of the language-modelling task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, Selection, option
from seqtrain_lm.evaluation_config import EvaluationConfig
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_text.corpus_parts import CorpusPart, read_parts, read_sets


@dataclass(frozen=True, kw_only=True)
class LMConfig:
    """Text, how it becomes blocks of tokens, what is predicted of them, and how text is scored and continued."""

    train: Any = option(
        None,
        help="text file, plain or .gz, or a list of files or of {path: FILE, weight: W}; default: the built-in corpus",
    )
    valid: Any = option(None, help="validation file, a list of files, or a map of names to these", may_change=True)
    test: Any = option(None, help="likewise for `seqtrain evaluate`", may_change=True)
    tokenizer: Selection = option("bpe", help="how text becomes tokens", component="tokenizer")
    tokens_per_sample: int = option(
        512, help="longest block of text that is one example: what the model reads at once", unit="tokens", ge=2
    )
    break_mode: str = option(
        "none",
        help="what a block is: none cuts the text wherever a block is full; complete takes whole lines; complete_doc "
        "the same, but no block goes beyond an empty line; eos takes one line",
        choices=("none", "complete", "complete_doc", "eos"),
    )
    random_blocks: bool = option(
        False, help="break_mode=none: an epoch draws blocks that begin anywhere, as many as the text has room for"
    )
    too_long: str = option(
        "split",
        help="what to do with training lines longer than a block; validation and test sets split them",
        choices=("error", "skip", "split", "truncate"),
    )
    pack_documents: bool = option(
        False,
        help="break_mode=complete_doc or eos: put several blocks into one example, best fit, and tell the model which "
        "token is whose",
    )
    objective: str = option(
        "causal",
        help="what is predicted: each next token, masked tokens (BERT), or hidden spans (T5)",
        choices=("causal", "masked", "span"),
    )
    noise: NoiseConfig = option(default_factory=NoiseConfig, help="what is hidden, unless objective=causal")
    evaluation: EvaluationConfig = option(default_factory=EvaluationConfig, help="how text is scored", may_change=True)
    score_validation: bool = option(
        True,
        help="score the validation sets whenever they are measured, and report bits per byte and the like",
        may_change=True,
    )
    generation: GenerationConfig = option(
        default_factory=GenerationConfig, help="how prompts are continued", may_change=True
    )
    predict: str = option(
        "continue",
        help="what `seqtrain predict` does with a line: continue it, or score it, token by token, as JSON",
        choices=("continue", "score"),
        may_change=True,
    )
    buffer_lines: int = option(
        256,
        help="lines that `seqtrain predict` reads before it answers, so that similar ones go together; "
        "1 answers each line at once",
        unit="lines",
        ge=1,
        may_change=True,
    )

    def __post_init__(self) -> None:
        if self.train is None:
            self._check_builtin()
        self._check_blocks()
        self._check_evaluation()
        self.parts()
        for split in ("valid", "test"):
            self.sets(split)

    @property
    def context(self) -> int:
        """Tokens in a window of evaluation."""
        return self.evaluation.context or self.tokens_per_sample

    @property
    def stride(self) -> int:
        """Tokens scored in a window of evaluation."""
        return self.evaluation.stride or self.context

    def parts(self) -> tuple[CorpusPart, ...]:
        """Return the training files; none for the built-in corpus."""
        return () if self.train is None else read_parts(self.train, "train", weighted=True)

    def sets(self, split: str) -> dict[str, tuple[CorpusPart, ...]]:
        """
        Return the files of the validation or test sets by the names the sets have among the task's splits.

        Args:
            split: "valid" or "test".
        """
        return read_sets(self.valid if split == "valid" else self.test, split)

    def _check_builtin(self) -> None:
        """Refuse settings that the built-in corpus cannot follow."""
        for key, value in (("valid", self.valid), ("test", self.test)):
            if value is not None:
                raise ConfigError(
                    f"{key} is given without train, which stands for the built-in corpus with sets of its own. "
                    f"Set task.train=FILE too, or leave out task.{key}."
                )

    def _check_blocks(self) -> None:
        """Refuse ways of making blocks that do not go together."""
        if self.random_blocks and self.break_mode != "none":
            raise ConfigError(
                f"random_blocks=true begins blocks anywhere, which break_mode={self.break_mode} forbids. "
                "Set break_mode=none, or leave out random_blocks."
            )
        if self.pack_documents and self.break_mode not in ("complete_doc", "eos"):
            raise ConfigError(
                f"pack_documents=true puts documents side by side, but break_mode={self.break_mode} knows none. "
                "Set break_mode=complete_doc or eos, or leave out pack_documents."
            )
        if self.pack_documents and self.objective != "causal":
            raise ConfigError(
                f"pack_documents=true is for objective=causal, not {self.objective}. Leave out one of them."
            )

    def _check_evaluation(self) -> None:
        """Refuse windows that the model cannot read."""
        if self.context > self.tokens_per_sample:
            raise ConfigError(
                f"evaluation.context={self.context} is more than the model reads at once, "
                f"tokens_per_sample={self.tokens_per_sample}. Lower it, or leave it out."
            )
        if self.stride > self.context:
            raise ConfigError(
                f"evaluation.stride={self.stride} is above the window's {self.context} tokens, so some tokens would "
                f"never be scored. Set it to {self.context} or less."
            )
