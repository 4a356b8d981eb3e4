"""
Small batches of known content, in the forms that tasks hand to models.

B sentences, S source positions, T target positions. A form is what a task of that name gives:

- "translation": net_input `source_tokens` (B, S) and `prev_output_tokens` (B, T); target (B, T)
- "lm": net_input `tokens` (B, T); target (B, T), each position's next token
- "masked_lm": net_input `tokens` (B, T), one of each row masked; target (B, T), what it was, padding elsewhere
- "classify": net_input `tokens` (B, T); target (B,), a label
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from seqtrain.batch import Batch
from seqtrain.protocols import ModelSpec

Form: TypeAlias = Literal["translation", "lm", "masked_lm", "classify"]

BOS, PADDING, EOS, MASK = 0, 1, 2, 3
"""Padding is not 0, so that whoever takes 0 for padding is found out."""

VOCABULARY, CLASSES, MAX_POSITIONS = 24, 3, 32
_FIRST_WORD = 4


@dataclass(frozen=True)
class Example:
    """
    One example.

    Args:
        text: token ids read by the model; ends with EOS.
        target: token ids expected of it, ended by EOS; or as many as the text has, PADDING where nothing is masked; or
            one label.
    """

    text: tuple[int, ...]
    target: tuple[int, ...]


def model_spec(form: Form) -> ModelSpec:
    """Return what a model is told of these examples."""
    return ModelSpec(
        vocab_size=VOCABULARY,
        source_vocab_size=VOCABULARY if form == "translation" else None,
        shared_vocabulary=form == "translation",
        padding=PADDING,
        num_classes=CLASSES if form == "classify" else None,
        max_positions=MAX_POSITIONS,
        max_source_positions=MAX_POSITIONS if form == "translation" else None,
    )


def make_examples(form: Form, count: int, *, seed: int = 1, longest: int = 7) -> list[Example]:
    """
    Make examples of 1 to `longest` words.

    The target can be learned from the text: its reverse ("translation"), each next or the masked token of a text in
    which words follow each other in order ("lm", "masked_lm"), or the class of the first word ("classify").
    """
    rng = np.random.default_rng(seed)
    return [_make_example(form, rng, int(rng.integers(1, longest + 1))) for _ in range(count)]


def _make_example(form: Form, rng: np.random.Generator, length: int) -> Example:
    words = rng.integers(_FIRST_WORD, VOCABULARY, length).tolist()
    if form in ("lm", "masked_lm"):
        span = VOCABULARY - _FIRST_WORD
        words = [_FIRST_WORD + (words[0] - _FIRST_WORD + index) % span for index in range(length)]
    if form == "lm":
        return Example((BOS, *words), (*words, EOS))
    if form == "masked_lm":
        hidden = int(rng.integers(length))
        masked = [MASK if place == hidden else word for place, word in enumerate(words)]
        target = [word if place == hidden else PADDING for place, word in enumerate(words)]
        return Example((*masked, EOS), (*target, PADDING))
    text = (*words, EOS)
    return Example(text, (words[0] % CLASSES,) if form == "classify" else (*words[::-1], EOS))


def make_batch(form: Form, examples: Sequence[Example], *, extra_padding: int = 0) -> Batch:
    """
    Put examples side by side.

    Args:
        form: what the model is given.
        examples: B of them.
        extra_padding: positions of padding added to every row beyond what the longest one needs.
    """
    text = _pad([each.text for each in examples], extra_padding)
    target = _pad([each.target for each in examples], 0 if form == "classify" else extra_padding)
    if form == "translation":
        shifted = _pad([(BOS, *each.target[:-1]) for each in examples], extra_padding)
        net_input = {"source_tokens": text, "prev_output_tokens": shifted}
    else:
        net_input = {"tokens": text}
    longer = max(text, target, key=lambda side: side.shape[1])
    return Batch(
        ids=torch.arange(len(examples)),
        net_input=net_input,
        target=target[:, 0] if form == "classify" else target,
        num_targets=len(examples) if form == "masked_lm" else sum(len(each.target) for each in examples),
        num_tokens=sum(len(each.text if longer is text else each.target) for each in examples),
        num_positions=longer.numel(),
        num_source_tokens=sum(len(each.text) for each in examples) if form == "translation" else None,
    )


def is_real(form: Form, batch: Batch) -> Tensor:
    """Return where the model's output means something: (B, T) bool, True = not padding; (B,), all True, for labels."""
    if form == "classify":
        return torch.ones_like(batch.target, dtype=torch.bool)
    return (batch.net_input["tokens"] if form == "masked_lm" else batch.target) != PADDING


def _pad(rows: Sequence[Sequence[int]], extra: int) -> Tensor:
    width = max(map(len, rows)) + extra
    return torch.tensor([[*row, *[PADDING] * (width - len(row))] for row in rows])
