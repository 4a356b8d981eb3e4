"""The settings of the language-modelling task."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import ConfigError, Selection, option
from seqtrain_lm.evaluation_config import EvaluationConfig
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_text.corpus_config import TextTaskConfig


@dataclass(frozen=True, kw_only=True)
class LMConfig(TextTaskConfig):
    """Text, how it becomes blocks of tokens, what is predicted of them, and how text is scored and continued."""

    reader: Selection = option(
        "auto",
        help="how records are taken out of the files of train, valid and test; the text of each stands for a line",
        component="reader",
    )
    text_column: str = option("text", help="column of the text, where the files are tables")
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
    metrics: tuple[str, ...] | None = option(
        None,
        help="metrics of text, by name; default: nats_per_token, bits_per_char, bits_per_byte and ppl_per_word",
        component="metric",
        may_change=True,
    )
    metric: Selection | None = option(
        None, help="one more metric of text, with settings of its own", component="metric", may_change=True
    )
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
        super().__post_init__()
        self.check_reader(self.reader)
        self.check_dummy_length(self.tokens_per_sample, "tokens_per_sample")
        self._check_blocks()
        self._check_evaluation()
        if self.objective != "causal" and (self.metrics or self.metric is not None):
            raise ConfigError(
                f"metrics are for objective=causal: a model that was trained with objective={self.objective} gives "
                "text no probability. Leave out task.metrics and task.metric."
            )

    @property
    def context(self) -> int:
        """Tokens in a window of evaluation."""
        return self.evaluation.context or self.tokens_per_sample

    @property
    def stride(self) -> int:
        """Tokens scored in a window of evaluation."""
        return self.evaluation.stride or self.context

    def _check_blocks(self) -> None:
        """Refuse ways of making blocks that do not go together."""
        if self.random_blocks and self.break_mode != "none":
            raise ConfigError(
                f"random_blocks=true begins blocks anywhere, which break_mode={self.break_mode} forbids. "
                "Set break_mode=none, or leave out random_blocks."
            )
        if self.random_blocks and self.is_dummy:
            raise ConfigError(
                "random_blocks=true begins blocks anywhere in text, and with dummy.examples each made-up line is a "
                "block. Leave out one of them."
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
                f"tokens_per_sample={self.tokens_per_sample}. Lower it, or leave it out. For `seqtrain evaluate` with "
                "more than in training raise task.tokens_per_sample too, unless the model's positions are learned."
            )
        if self.stride > self.context:
            raise ConfigError(
                f"evaluation.stride={self.stride} is above the window's {self.context} tokens, so some tokens would "
                f"never be scored. Set it to {self.context} or less."
            )
