"""The ids that a model knows: the tokenizer's and, behind them, those that stand for hidden text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqtrain.api import NamedIds, Tokenizer
from seqtrain_lm.mapped_array import IntArray


@dataclass(frozen=True)
class Vocabulary:
    """
    A tokenizer's ids and `num_hidden` more.

    Args:
        tokenizer: trained or loaded.
        num_hidden: ids for hidden text: 1 for the mask, or 1 for each span of a block.
    """

    tokenizer: Tokenizer
    num_hidden: int

    def __len__(self) -> int:
        return self.first_hidden + self.num_hidden

    @property
    def first_hidden(self) -> int:
        """The first id for hidden text."""
        return self.tokenizer.vocab_size

    @property
    def padding(self) -> int:
        """The id that fills up rows."""
        return self.tokenizer.padding

    def names(self) -> NamedIds:
        """Return what each id stands for."""
        known = NamedIds.of(self.tokenizer)
        roles = ["mask"] if self.num_hidden == 1 else [f"span_{number}" for number in range(self.num_hidden)]
        hidden = {role: self.first_hidden + number for number, role in enumerate(roles)}
        return NamedIds(names=[*known.names, *(f"<{role}>" for role in roles)], roles={**known.roles, **hidden})

    def ordinary(self) -> IntArray:
        """Return the ids that stand for text."""
        tokenizer = self.tokenizer
        special = [tokenizer.padding, tokenizer.bos, tokenizer.eos, tokenizer.unknown]
        return np.setdiff1d(np.arange(tokenizer.vocab_size), special)
