"""The way from what models read to text, which validation, `evaluate` and `predict` share."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._generator = torch.Generator(self._device).manual_seed(config.seed)

    def __call__(self, sources: Sources) -> list[list[Hypothesis]]:
        """
        Decode B sentences or prompts: for each, `nbest` hypotheses, best first.

        Raises:
            TrainingError: the models' output is NaN.
            ConfigError: the settings rule out every result.
        """
        if self._config.sampling:
            return sample(self._models, sources, self._config, self._special, self._generator)
        return beam_search(self._models, sources, self._config, self._special)
