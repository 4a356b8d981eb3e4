"""The language-modelling task: text in; continuations, scores and perplexities out."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from seqtrain.api import (
    BackwardOptimizer,
    Batch,
    ConfigError,
    Criterion,
    DataError,
    LoggingOutput,
    ModelSpec,
    NamedIds,
    Reader,
    Task,
)
from seqtrain_lm.blocks import BlockRules, make_blocks
from seqtrain_lm.config import LMConfig
from seqtrain_lm.corpus import TextCorpus
from seqtrain_lm.dataset import BlockDataset, BlockFile
from seqtrain_lm.generation import Continuer
from seqtrain_lm.masking import MaskedBatches
from seqtrain_lm.model_check import check_model
from seqtrain_lm.objectives import make_batches, make_spec
from seqtrain_lm.scoring import ReadTokens, TextSize, TokenScorer, Window, measures_of
from seqtrain_lm.spans import line_spans, spans, text_size
from seqtrain_text.corpus import CorpusFile
from seqtrain_text.line_buffers import line_buffers
from seqtrain_text.mixing import report_mixture
from seqtrain_text.readers import as_text_reader
from seqtrain_text.store import Column, LinePolicy, TokenStore
from seqtrain_text.subword_sampling import SubwordSamplingDataset, TextRules, make_dataset, undrawn
from seqtrain_text.tokenizer_io import MakeTokenizer, has_tokenizers, load_tokenizers, save_tokenizers

logger = logging.getLogger(__name__)

WHOLE_LINES = LinePolicy(empty="allow", too_long="truncate", max_length=1 << 62)  # what is too long, blocks decide


class LMTask(Task):
    """
    Learn to predict text.

    Args:
        config: see `LMConfig`.
        tokenizer: makes a tokenizer of the kind and with the settings that the config selects.
        reader: likewise a reader.
    """

    def __init__(self, config: LMConfig, *, tokenizer: MakeTokenizer, reader: Callable[[], Reader]) -> None:
        self._config = config
        self._tokenizer = tokenizer()
        self._reader = as_text_reader(reader(), config.reader.name)
        self._batches = make_batches(config, self._tokenizer)
        self._cache = Path()
        self._corpus = TextCorpus(config, self._reader, self._cache)
        self._datasets: dict[str, BlockDataset | SubwordSamplingDataset[BlockDataset]] = {}
        self._sizes: dict[str, TextSize] = {}

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Train the tokenizer, or load that of the run, and binarise all splits."""
        self._use_cache(cache)
        for split in self.splits():
            self._corpus.files(split)  # a missing file should be known before any work is done
        is_new = not has_tokenizers(artifacts)
        if is_new:
            self._learn_vocabulary()
        else:
            load_tokenizers({"text": self._tokenizer}, artifacts)
        for split in self.splits():
            self.dataset(split)
        if is_new:  # saved last: had the files turned out unusable, a vocabulary from them should not stay
            save_tokenizers({"text": self._tokenizer}, artifacts)

    def _learn_vocabulary(self) -> None:
        names = ", ".join(map(str, self._corpus.files("train")))
        if not any(self._corpus.lines("train")):
            raise DataError(f"{names}: there is no text, or every line is empty. Check task.train.")
        logger.info("Learning the vocabulary of %s", names)
        self._tokenizer.train(self._corpus.lines("train"))

    def load(self, artifacts: Path, cache: Path) -> None:
        """Load the tokenizer of a run."""
        self._use_cache(cache)
        load_tokenizers({"text": self._tokenizer}, artifacts)

    def _use_cache(self, cache: Path) -> None:
        self._cache = cache
        self._corpus = TextCorpus(self._config, self._reader, cache)

    @property
    def model_spec(self) -> ModelSpec:
        """The size of the vocabulary, ids for hidden text included, and the longest block."""
        return make_spec(self._config, self._batches)

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the tokens, and what stands for hidden text; a model with a source has the same on both sides."""
        names = self._batches.vocabulary.names()
        return {"source": names, "target": names} if self._config.objective == "span" else {"target": names}

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return self._corpus.splits()

    def dataset(self, split: str) -> BlockDataset | SubwordSamplingDataset[BlockDataset]:
        """Return a split's blocks, binarised when first asked for; those to train on may vary by epoch."""
        if split not in self._datasets:
            self._datasets[split] = self._new_dataset(split)
        return self._datasets[split]

    def _new_dataset(self, split: str) -> BlockDataset | SubwordSamplingDataset[BlockDataset]:
        files = self._corpus.files(split)
        columns = [[Column(file.path, self._tokenizer, split, self._reader, draws=split == "train")] for file in files]
        rules = TextRules(cache=self._cache, policy=WHOLE_LINES, rows_are_examples=False)
        dataset = make_dataset(columns, partial(self._cut, split, files), rules)
        report_mixture(files, dataset.parts)
        return dataset

    def _cut(self, split: str, files: Sequence[CorpusFile], stores: Sequence[Sequence[TokenStore]]) -> BlockDataset:
        """Cut text into blocks."""
        rules = self._rules(split)
        blocks = [self._blocks(file, store, rules) for file, (store,) in zip(files, stores, strict=True)]
        if split == "train":
            self._refuse_too_little(files, blocks)
        return self._joined(blocks, rules, self._config.temperature(split))

    def _files(self, split: str) -> Sequence[BlockFile]:
        """Return the blocks of each file, split into tokens without chance."""
        return undrawn(self.dataset(split)).files

    def _joined(self, files: Sequence[BlockFile], rules: BlockRules, temperature: float = 1.0) -> BlockDataset:
        return BlockDataset(files, self._batches, eos=self._tokenizer.eos, rules=rules, temperature=temperature)

    def _rules(self, split: str) -> BlockRules:
        """Return how text becomes blocks: only training may leave any out, or draw them at random."""
        config, is_training = self._config, split == "train"
        return BlockRules(
            size=config.tokens_per_sample,
            break_mode=config.break_mode,
            too_long=config.too_long if is_training else "split",
            random=config.random_blocks and is_training,
            packed=config.pack_documents,
        )

    def _blocks(self, file: CorpusFile, store: TokenStore, rules: BlockRules) -> BlockFile:
        blocks = make_blocks(store, rules, file.path)
        # Of the blocks that begin anywhere, an epoch draws as many as would fill the file.
        share = max(1, store.num_tokens // rules.size) / len(blocks) if rules.random else 1.0
        goes_on = rules.break_mode == "none"
        return BlockFile(store=store, blocks=blocks, goes_on=goes_on, weight=file.weight, share=share)

    def _refuse_too_little(self, files: Sequence[CorpusFile], blocks: Sequence[BlockFile]) -> None:
        num_tokens, size = sum(each.store.num_tokens for each in blocks), self._config.tokens_per_sample
        if self._config.break_mode == "none" and num_tokens < size:
            raise DataError(
                f"{', '.join(map(str, files))}: {num_tokens} tokens are fewer than one block has, "
                f"task.tokens_per_sample={size}. Set task.tokens_per_sample={num_tokens} or less, or add text."
            )

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
        """Score every token of a split once, and relate that to how much text it is."""
        is_validation = split.partition("/")[0] == "valid"
        if self._config.objective != "causal" or (is_validation and not self._config.score_validation):
            return {}
        scorer = self._scorer(models)

        def summed(read: ReadTokens, together: Sequence[Window]) -> tuple[float, int]:
            log_probs = list(chain.from_iterable(scorer(read, together)))
            return -math.fsum(log_probs), len(log_probs)

        nats, num_tokens = 0.0, 0
        for file in self._files(split):
            batches = scorer.batches(spans(file.store, self._config.break_mode))
            for some_nats, some_tokens in self.workers.map(partial(summed, file.store.read), batches):
                nats += some_nats
                num_tokens += some_tokens
        return measures_of(nats, num_tokens, self._size(split))

    def describe_data(self, split: str) -> Sequence[Mapping[str, Any]]:
        """Say what became of the lines of each file."""
        return [each.found for each in self._files(split) if each.found]

    def describe_measures(self, split: str) -> Mapping[str, str]:
        """Say what was counted, once the split was measured."""
        if split not in self._sizes:
            return {}
        size = self._sizes[split]
        return {
            "nats_per_token": f"{self._config.context} tokens read at a time, {self._config.stride} of them scored",
            "bits_per_char": f"{size.chars} characters",
            "bits_per_byte": f"{size.num_bytes} bytes",
            "ppl_per_word": f"{size.words} words and line ends",
        }

    def _size(self, split: str) -> TextSize:
        """Return how much text a split is, as far as it is scored; counted when first asked for."""
        if split not in self._sizes:
            files = zip(self._corpus.files(split), self._files(split), strict=True)
            sizes = [
                text_size(self._reader(file.path), blocks.store, self._config.break_mode) for file, blocks in files
            ]
            self._sizes[split] = sum(sizes, TextSize())
        return self._sizes[split]

    def _scorer(self, models: Sequence[nn.Module]) -> TokenScorer:
        return TokenScorer(
            models=models,
            padding=self._tokenizer.padding,
            eos=self._tokenizer.eos,
            context=self._config.context,
            stride=self._config.stride,
            max_tokens=self._config.evaluation.max_tokens,
        )

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """
        Continue lines, or score them.

        With `generation.nbest` above 1 each continuation is a line of its own: number of the input line, score and
        text, with tabs between. With `predict=score` each line is a JSON object: the line's negative log-probability
        in nats, its tokens, the end included, and the log-probability of each.

        Raises:
            ConfigError: the model was trained to restore hidden text, not to go on.
        """
        if self._config.objective != "causal":
            raise ConfigError(
                f"This run was trained with task.objective={self._config.objective}: its model restores hidden text, "
                "and neither continues nor scores lines. Use it to start another run from, or train one with "
                "task.objective=causal."
            )
        if self._config.predict == "score":
            yield from self._score(models, lines)
            return
        continuer = Continuer(models, self._tokenizer, self._config, self.workers)
        number = 1
        for prompts in line_buffers(lines, self._config.buffer_lines, self.workers):
            for number, best in enumerate(continuer(prompts, number), start=number):  # noqa: B020 - it goes on
                if self._config.generation.nbest == 1:
                    yield best[0].text
                else:
                    yield from (f"{number}\t{each.score:.4f}\t{each.text}" for each in best)
            number += 1

    def _score(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Score the tokens of each line by itself."""
        scorer = self._scorer(models)
        for buffer in line_buffers(lines, self._config.buffer_lines, self.workers):
            text = line_spans(self._tokenizer, buffer)
            batches = list(scorer.batches(text.spans))
            found = self.workers.map(partial(scorer, text.read), batches)
            log_probs = np.empty(len(text.tokens))
            for window, of_window in zip(chain.from_iterable(batches), chain.from_iterable(found), strict=True):
                log_probs[window.scored : window.stop] = of_window
            for start, stop in text.spans:
                yield json.dumps(
                    {
                        "nats": -round(math.fsum(log_probs[start:stop]), 4),
                        "tokens": self._tokenizer.tokens(text.tokens[start:stop].tolist()),
                        "log_probs": [round(each, 4) for each in log_probs[start:stop].tolist()],
                    },
                    ensure_ascii=False,
                )
