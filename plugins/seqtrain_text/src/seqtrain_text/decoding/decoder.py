"""The way from what models read to text, which validation, `evaluate` and `predict` share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from seqtrain_text.decoding.beam_search import beam_search
from seqtrain_text.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_text.decoding.sampling import sample
from seqtrain_text.search_config import SearchConfig


class Decoder:
    """
    Models and settings, ready to decode one batch after another.

    Args:
        models: one, or several whose probabilities are averaged; on their device, in evaluation mode.
        config: the settings; they also tell beam search from sampling.
        special: ids with a meaning of their own.
    """

    def __init__(self, models: Sequence[nn.Module], config: SearchConfig, special: SpecialTokens) -> None:
        self._models = models
        self._config = config
        self._special = special
        self._device = next(models[0].parameters()).device
        self._generator = torch.Generator(self._device)

    def __call__(self, sources: Sources, number: int) -> list[list[Hypothesis]]:
        """
        Decode B sentences or prompts: for each, `nbest` hypotheses, best first.

        Args:
            sources: the sentences or prompts.
            number: of this batch among those decoded one after the other, by whichever worker: samples depend on it,
                and not on what this worker has drawn before.

        Raises:
            TrainingError: the models' output is NaN.
            ConfigError: the settings rule out every result.
        """
        if self._config.sampling:
            self._generator.manual_seed(_seed_of(self._config.seed, number))
            return sample(self._models, sources, self._config, self._special, self._generator)
        return beam_search(self._models, sources, self._config, self._special)


def _seed_of(seed: int, number: int) -> int:
    """Return a seed for a batch, unlike that of the next one, or of the same one under another seed."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])
