"""
The LSTM that labels texts.

B texts, T positions, U units of the last layer, C classes. Rows are padded on the right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_recurrent.config import LSTMClassifierConfig
from seqtrain_recurrent.initialisation import initialise, token_table
from seqtrain_recurrent.stack import Encoded, LSTMStack


class LSTMClassifier(nn.Module):
    """
    Reads a text, in both directions unless told otherwise, and labels it.

    Args:
        config: sizes and options.
        spec: vocabulary, padding and the number of classes.

    Raises:
        ConfigError: the task has no classes.
    """

    def __init__(self, config: LSTMClassifierConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        if spec.num_classes is None:
            raise ConfigError(
                "The model lstm_classifier labels texts, and this task has no classes. Choose another, such as lstm_lm."
            )
        self.padding = spec.padding
        self.tokens = token_table(spec.vocab_size, config.embed_dim, spec.padding)
        self.dropout = nn.Dropout(config.dropout)
        self.stack = LSTMStack(
            config.embed_dim,
            config.hidden_dim,
            config.layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        self.pooling = config.pooling
        self.output = nn.Linear(self.stack.units, spec.num_classes)
        initialise(self)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {"tokens": "target", "output": "classes"}

    def forward(self, tokens: Tensor, features_only: bool = False) -> Tensor:
        """
        Label each text.

        Args:
            tokens: (B, T) int64.
            features_only: leave out the output layer.

        Returns:
            (B, C) logits, or (B, U) features.
        """
        is_real = tokens != self.padding
        encoded: Encoded = self.stack(self.dropout(self.tokens(tokens)), is_real)
        features: Tensor = self.dropout(self._pool(encoded, is_real))
        return features if features_only else self.output_projection(features)

    def _pool(self, encoded: Encoded, is_real: Tensor) -> Tensor:
        """Return one vector (B, U) for each text; is_real (B, T) bool is False at padding."""
        if self.pooling == "last":
            return encoded.hidden[-1]
        is_padding = ~is_real[:, :, None]
        if self.pooling == "max":
            return encoded.vectors.masked_fill(is_padding, -torch.inf).amax(1)
        return encoded.vectors.masked_fill(is_padding, 0).sum(1) / is_real.sum(1, keepdim=True)
