"""The language-modelling task: text in; continuations, scores and perplexities out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from seqtrain.api import BackwardOptimizer, Batch, Criterion, LoggingOutput, ModelSpec, NamedIds, Reader
from seqtrain_lm.blocks import BlockRules
from seqtrain_lm.builtin import SPLITS, write_builtin_corpus
from seqtrain_lm.config import LMConfig
from seqtrain_lm.dataset import BlockDataset, BlockFile, block_rules, make_block_file, refuse_too_little
from seqtrain_lm.likelihood import TextLikelihood, TextSummary
from seqtrain_lm.masking import MaskedBatches
from seqtrain_lm.model_check import check_model
from seqtrain_lm.objectives import make_batches, make_spec
from seqtrain_lm.prediction import continue_lines, refuse_other_objectives, score_lines
from seqtrain_lm.spans import sum_log_probs, summarise
from seqtrain_text.corpus import BuiltinCorpus, CorpusFile
from seqtrain_text.metric import MakeMetric, MakeNamedMetric, OwnMetrics
from seqtrain_text.records import Field
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.text_task import TextTask
from seqtrain_text.tokenizer_io import MakeTokenizer

METRICS = ("lm/nats_per_token", "lm/bits_per_char", "lm/bits_per_byte", "lm/ppl_per_word")
WHOLE_LINES = LinePolicy(empty="allow", too_long="truncate", max_length=1 << 62)  # what is too long, blocks decide


class LMTask(TextTask[BlockDataset]):
    """
    Learn to predict text.

    Args:
        config: see `LMConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        reader: likewise a reader.
        metrics: makes a metric by its name.
        metric: makes the metric that `task.metric` selects, if one is.
    """

    builtin = BuiltinCorpus(SPLITS, write_builtin_corpus)
    rows_are_examples = False

    def __init__(
        self,
        config: LMConfig,
        *,
        tokenizer: MakeTokenizer,
        reader: Callable[[], Reader],
        metrics: MakeNamedMetric,
        metric: MakeMetric | None = None,
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer()
        self._batches = make_batches(config, self._tokenizer)
        self._summaries: dict[str, TextSummary] = {}
        super().__init__(
            config,
            tokenizers={"text": self._tokenizer},
            metrics=metrics,
            metric=metric,
            reader=(reader(), config.reader.name),
            field=Field((config.text_column,), advice=" To read the file by lines, set task.reader.name=lines."),
        )

    def own_metrics(self) -> OwnMetrics:
        """Measure the log-probability of text by tokens, characters, bytes and words."""
        return OwnMetrics(names=METRICS, measured_types=(TextLikelihood,))

    @property
    def model_spec(self) -> ModelSpec:
        """The size of the vocabulary, ids for hidden text included, and the longest block."""
        return make_spec(self._config, self._batches)

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the tokens, and what stands for hidden text; a model with a source has the same on both sides."""
        names = self._batches.vocabulary.names()
        return {"source": names, "target": names} if self._config.objective == "span" else {"target": names}

    def columns(self, split: str, files: Sequence[CorpusFile]) -> list[list[Column]]:
        """Return the one column of each file."""
        readers = [self.reader.at(file.path) for file in files]
        return [
            [Column(file.path, self._tokenizer, split, reader, samples=split == "train", is_written=True)]
            for file, reader in zip(files, readers, strict=True)
        ]

    def policy(self, split: str) -> LinePolicy:
        """Keep all lines as they are: what is too long, blocks decide."""
        return WHOLE_LINES

    def join(self, split: str, files: Sequence[CorpusFile], stores: Sequence[Sequence[TokenStore]]) -> BlockDataset:
        """Cut text into blocks."""
        rules = block_rules(self._config, is_training=split == "train")
        blocks = [make_block_file(file, store, rules) for file, (store,) in zip(files, stores, strict=True)]
        if split == "train":
            refuse_too_little(blocks, ", ".join(map(str, files)), self._config)
        return self.join_blocks(blocks, rules, self._config.temperature(split))

    def join_blocks(self, files: Sequence[BlockFile], rules: BlockRules, temperature: float = 1.0) -> BlockDataset:
        """Make a dataset of the blocks of all files."""
        return BlockDataset(files, self._batches, eos=self._tokenizer.eos, rules=rules, temperature=temperature)

    def check_model(self, model: nn.Module) -> None:
        """Refuse a model that sees what it should predict, or cannot read what the batches hold."""
        check_model(model, self._config, self._batches.vocabulary)

    def train_step(
        self,
        sample: Batch,
        model: nn.Module,
        criterion: Criterion,
        optimizer: BackwardOptimizer,
        update_num: int,
        *,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, LoggingOutput]:
        """Compute loss and gradient of one micro-batch; with objective=masked, other tokens are masked each time."""
        if isinstance(self._batches, MaskedBatches):
            # The trainer has seeded torch for this micro-batch, so this can be repeated and resumed, as dropout can.
            sample = self._batches.masked_anew(sample)
        return super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad=ignore_grad)

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """
        Score every token of a split once, unless the model has learned to restore hidden text.

        The share of unknown tokens stands beside the measures: nobody asks a model which word one of them is.
        """
        measures = super().measure(split, models) if self._config.objective == "causal" else {}
        return measures and {**measures, "unk_share": self._summaries[split].unk_share}

    def results(self, split: str, models: Sequence[nn.Module]) -> list[TextLikelihood]:
        """Return the log-probability of a split, and what text it is, which is looked at once."""
        files = self.plain_dataset(split).files
        nats, num_tokens = sum_log_probs(models, files, self._tokenizer, self._config, self.workers)
        if split not in self._summaries:
            self._summaries[split] = TextSummary.sum(
                summarise(self.reader.at(text.path)(text.path), file.store, self._tokenizer, self._config.break_mode)
                for text, file in zip(self.corpus.files(split), files, strict=True)
            )
        known = self._summaries[split]
        return [
            TextLikelihood(
                nats=nats,
                num_tokens=num_tokens,
                size=known.size,
                context=self._config.context,
                stride=self._config.stride,
                corrections=known.corrections,
            )
        ]

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the lines of each file."""
        return [each.found for each in self.plain_dataset(split).files if each.found]

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Continue lines, or score them with `predict=score`; see `prediction`."""
        refuse_other_objectives(self._config)
        answer = score_lines if self._config.predict == "score" else continue_lines
        return answer(models, self._tokenizer, lines, self._config, self.workers)
