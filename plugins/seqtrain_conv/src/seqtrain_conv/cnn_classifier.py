"""
The convolutional classifier.

B texts, T positions, D size of embeddings, K width of a filter, C channels, N classes. Rows are padded on the right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_conv.config import CNNClassifierConfig
from seqtrain_conv.embedding import token_table


class CNNClassifier(nn.Module):
    """
    Looks for each filter's pattern anywhere in a text, and labels it by how well they are found.

    Args:
        config: sizes and options.
        spec: vocabulary, padding and the number of classes.

    Raises:
        ConfigError: the task has no classes.

    Source:
        Kim 2014, arXiv:1408.5882, section 2, with embeddings learned from nothing ("CNN-rand"). A filter may lie half
        outside the text, as in his code; so a text may be shorter than a filter.
    """

    def __init__(self, config: CNNClassifierConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        if spec.num_classes is None:
            raise ConfigError(
                "The model cnn_classifier labels texts, and this task has no classes. Choose another, such as fconv_lm."
            )
        self.padding = spec.padding
        self.tokens = token_table(spec.vocab_size, config.embed_dim, spec.padding, std=0.1)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embed_dim, config.channels, width, padding=width - 1) for width in config.widths
        )
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.channels * len(config.widths), spec.num_classes)

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
            (B, N) logits, or (B, C * number of widths) features.
        """
        is_padding = tokens == self.padding
        x = self.embedding_dropout(self.tokens(tokens)).masked_fill(is_padding[:, :, None], 0).transpose(1, 2)
        maxima = [max_over_time(convolution(x), is_padding) for convolution in self.convolutions]
        features: Tensor = self.dropout(torch.cat(maxima, dim=1).relu())
        return features if features_only else self.output_projection(features)


def max_over_time(found: Tensor, is_padding: Tensor) -> Tensor:
    """
    Return each channel's maximum where its filter touches the text, (B, C).

    Args:
        found: (B, C, T + K - 1), of filters that begin K - 1 positions before the text and end as far behind it.
        is_padding: (B, T) bool, True behind the end of a text.
    """
    # A filter touches the text unless its first position is behind the end already.
    before = is_padding.new_zeros(len(found), found.shape[2] - is_padding.shape[1])
    touches_nothing = torch.cat((before, is_padding), dim=1)  # (B, T + K - 1)
    return found.masked_fill(touches_nothing[:, None], -torch.inf).amax(2)
