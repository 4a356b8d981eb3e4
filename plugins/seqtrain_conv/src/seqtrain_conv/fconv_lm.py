"""
The convolutional language model.

B sequences, W rows of each when decoding with a beam, R = B or B*W rows, T positions, C channels of the last layer,
D size of embeddings, V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec, apply_to_documents
from seqtrain_conv.config import FConvLanguageModelConfig
from seqtrain_conv.decoding_state import ConvolutionState
from seqtrain_conv.embedding import token_table
from seqtrain_conv.gated_convolution import SQRT_HALF, as_blocks, make_blocks, no_buffers
from seqtrain_conv.layer_sizes import read_layers
from seqtrain_conv.weight_norm import make_linear

EMBEDDING_STD = 0.1


def fconv_lm(config: FConvLanguageModelConfig, *, spec: ModelSpec) -> ConvolutionalLM:
    """Make the language model, with or without an adaptive softmax."""
    return PlainLM(config, spec) if config.adaptive_softmax is None else AdaptiveLM(config, spec)


class ConvolutionalLM(nn.Module):
    """
    Predicts each token from so many before it as its layers see; it knows no positions, and so has no longest sequence.

    Args:
        config: sizes and options.
        spec: vocabulary and padding.

    Source:
        Dauphin et al. 2017, arXiv:1612.08083, as fairseq's `fconv_lm`.
    """

    def __init__(self, config: FConvLanguageModelConfig, spec: ModelSpec) -> None:
        super().__init__()
        blocks = read_layers(config.layers, "layers")
        first = blocks[0][0].channels
        self.padding = spec.padding
        self.num_convolutions = sum(map(len, blocks))
        self.channels = blocks[-1][-1].channels
        self.tokens = token_table(spec.vocab_size, config.embed_dim, spec.padding, std=EMBEDDING_STD)
        self.dropout = nn.Dropout(config.dropout)
        self.expand = make_linear(config.embed_dim, first, dropout=config.dropout)
        self.blocks = make_blocks(first, blocks, config.dropout, causal=True)

    @abstractmethod
    def _features(self, x: Tensor) -> Tensor:
        """Turn the last layer's output (R, T, C) into what the output layer reads."""

    @abstractmethod
    def _logits(self, features: Tensor) -> Tensor:
        """Return logits (R, T, V)."""

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {"tokens": "target", "output": "target"}

    def forward(self, tokens: Tensor, documents: Tensor | None = None, features_only: bool = False) -> Tensor:
        """
        Predict what follows each token.

        Args:
            tokens: (B, T) int64.
            documents: (B, T) int64, which document a token is of: none reads another's. None: a row is one document.
            features_only: leave out the output layer.

        Returns:
            (B, T, V) logits, or features.
        """
        if documents is None:
            features = self._features(self._read(tokens))
        else:
            features = self._features(apply_to_documents(self._read, tokens, documents, self.padding))
        return features if features_only else self._logits(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> ConvolutionState:
        """
        Read the prompts and return a state with `beam` rows for each.

        Args:
            net_input: `tokens` (B, P) int64, prompts of equal length without their last token; P may be 0.
            beam: W.
        """
        prompts = net_input["tokens"]
        state = ConvolutionState(self.num_convolutions, len(prompts), prompts.device)
        if prompts.shape[1]:
            self._read(prompts, state)  # once a prompt, not once a row
        return state.widen(beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: ConvolutionState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        return self._logits(self._features(self._read(tokens, state)))

    def _read(self, tokens: Tensor, state: ConvolutionState | None = None) -> Tensor:
        """Return the last layer's output (R, T, C) for tokens (R, T), which are added to the state if there is one."""
        buffers = no_buffers() if state is None else iter(state.buffers)
        x: Tensor = self.expand(self.dropout(self.tokens(tokens)))
        for block in as_blocks(self.blocks):
            x = (block(x, None, buffers) + block.project(x)) * SQRT_HALF
        return x


class PlainLM(ConvolutionalLM):
    """With a softmax over the whole vocabulary, from features of the embeddings' size D."""

    def __init__(self, config: FConvLanguageModelConfig, spec: ModelSpec) -> None:
        super().__init__(config, spec)
        self.contract = make_linear(self.channels, config.embed_dim)
        if config.tie_embeddings:
            self.output = nn.Linear(config.embed_dim, spec.vocab_size)
            self.output.weight = self.tokens.weight
            nn.init.zeros_(self.output.bias)
        else:
            self.output = make_linear(config.embed_dim, spec.vocab_size, dropout=config.dropout)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    def _features(self, x: Tensor) -> Tensor:
        features: Tensor = self.dropout(self.contract(x))
        return features

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.output_projection(features)
        return logits


class AdaptiveLM(ConvolutionalLM):
    """With an adaptive softmax, from the last layer's output."""

    def __init__(self, config: FConvLanguageModelConfig, spec: ModelSpec) -> None:
        super().__init__(config, spec)
        cutoffs = list(config.adaptive_softmax or ())
        if cutoffs[-1] >= spec.vocab_size:
            raise ConfigError(
                f"model.adaptive_softmax={cutoffs} splits after {cutoffs[-1]:,} entries, but the vocabulary has "
                f"{spec.vocab_size:,}. Leave out what is not below that."
            )
        self.output = nn.AdaptiveLogSoftmaxWithLoss(self.channels, spec.vocab_size, cutoffs)

    @property
    def adaptive_softmax(self) -> nn.AdaptiveLogSoftmaxWithLoss:
        """The layer that turns features into log-probabilities."""
        return self.output

    def _features(self, x: Tensor) -> Tensor:
        return x

    def _logits(self, features: Tensor) -> Tensor:
        """Return log-probabilities, which are logits too."""
        return self.adaptive_softmax.log_prob(features.flatten(0, 1)).view(*features.shape[:2], -1)
