"""
The Transformer that continues text.

B sequences, W rows of each when decoding with a beam, T positions, D model size, V vocabulary. Rows are padded on the
right.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_transformer.config import TransformerLMConfig
from seqtrain_transformer.decoding_state import TransformerState
from seqtrain_transformer.embedding import make_embedding, token_table
from seqtrain_transformer.initialisation import STD, embedding_std, initialise_linear, shrink_residual_outputs
from seqtrain_transformer.layers import EncoderLayer
from seqtrain_transformer.layout import left_to_right
from seqtrain_transformer.stack import Stack


def transformer_lm(config: TransformerLMConfig, *, spec: ModelSpec) -> CausalTransformer:
    """Make the language model, with or without an adaptive softmax."""
    kind = TransformerLM if config.adaptive_softmax is None else AdaptiveTransformerLM
    return kind(config, spec=spec)


class CausalTransformer(nn.Module):
    """
    Predicts each token from those before it; what turns features into logits is a matter of the two kinds.

    Args:
        config: sizes and options.
        spec: vocabulary, padding and longest sequence.

    Source:
        Radford et al. 2019, "Language models are unsupervised multitask learners", sections 2.2 and 2.3: architecture
        and initial weights. These are normal with standard deviation 0.02 (with sinusoidal positions, embeddings have
        that of the first Transformer, 1/sqrt(D), and are scaled), those into the residual stream smaller.
    """

    def __init__(self, config: TransformerLMConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        std = embedding_std(config)
        table = token_table(spec.vocab_size, config.embed_dim, spec.padding, std)
        embedding = make_embedding(config, table, spec.max_positions, std=std)
        self.decoder = Stack(config, embedding, (EncoderLayer(config) for _ in range(config.layers)))
        initialise_linear(self.decoder)
        shrink_residual_outputs(self.decoder, 2 * config.layers)

    @abstractmethod
    def _logits(self, features: Tensor) -> Tensor:
        """Return logits (R, T, V) of features (R, T, D)."""

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {**self.decoder.row_meanings("decoder", "target"), "output": "target"}

    def forward(self, tokens: Tensor, documents: Tensor | None = None, features_only: bool = False) -> Tensor:
        """
        Predict what follows each token.

        Args:
            tokens: (B, T) int64.
            documents: (B, T) int64, which document a token is of: none reads another's. None: a row is one document.
            features_only: leave out the output layer.

        Returns:
            (B, T, V) logits, or (B, T, D) features.

        Raises:
            DataError: T is beyond the longest sequence, and the config does not ask for more.
        """
        features: Tensor = self.decoder(tokens, left_to_right(documents))
        return features if features_only else self._logits(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> TransformerState:
        """
        Read the prompts and return a state with `beam` rows for each.

        Args:
            net_input: `tokens` (B, P) int64, prompts of equal length without their last token; P may be 0.
            beam: W.
        """
        prompts = net_input["tokens"]
        is_empty = prompts.shape[1] == 0
        state = TransformerState(
            num_layers=len(self.decoder.layers),
            num_sentences=len(prompts),
            beam=beam if is_empty else 1,
            device=prompts.device,
        )
        if not is_empty:
            self.decoder.step(prompts, state)  # once a prompt, not once a row
            state.widen(beam)
        return state

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        return self._logits(self.decoder.step(tokens, state))


class TransformerLM(CausalTransformer):
    """With a softmax over the whole vocabulary."""

    def __init__(self, config: TransformerLMConfig, *, spec: ModelSpec) -> None:
        super().__init__(config, spec=spec)
        self.output = nn.Linear(config.embed_dim, spec.vocab_size, bias=False)
        if config.tie_embeddings:
            self.output.weight = self.decoder.embedding.tokens.weight
        else:
            nn.init.normal_(self.output.weight, std=STD)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.output_projection(features)
        return logits


class AdaptiveTransformerLM(CausalTransformer):
    """
    With an adaptive softmax: frequent tokens first, and groups of rarer ones, each behind an entry for the group.

    Raises:
        ConfigError: the vocabulary is not so large.

    Source:
        Grave et al. 2016, arXiv:1609.04309.
    """

    def __init__(self, config: TransformerLMConfig, *, spec: ModelSpec) -> None:
        super().__init__(config, spec=spec)
        cutoffs = list(config.adaptive_softmax or ())
        if cutoffs[-1] >= spec.vocab_size:
            raise ConfigError(
                f"model.adaptive_softmax={cutoffs} splits after {cutoffs[-1]:,} entries, but the vocabulary has "
                f"{spec.vocab_size:,}. Leave out what is not below that."
            )
        self.output = nn.AdaptiveLogSoftmaxWithLoss(config.embed_dim, spec.vocab_size, cutoffs)
        initialise_linear(self.output)

    @property
    def adaptive_softmax(self) -> nn.AdaptiveLogSoftmaxWithLoss:
        """The layer that turns features into log-probabilities."""
        return self.output

    def _logits(self, features: Tensor) -> Tensor:
        """Return log-probabilities, which are logits too."""
        return self.adaptive_softmax.log_prob(features.flatten(0, 1)).view(*features.shape[:2], -1)
