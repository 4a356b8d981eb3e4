"""
The encoder-decoder Transformer.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T target positions, D model size,
V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.decoding_state import TransformerState
from seqtrain_transformer.embedding import Embedding, token_table
from seqtrain_transformer.layers import DecoderLayer, Encoded, EncoderLayer
from seqtrain_transformer.positions import LearnedPositions, SinusoidalPositions


class Transformer(nn.Module):
    """
    Reads a source sentence and predicts the target token by token.

    Args:
        config: sizes and options.
        spec: vocabularies, padding and longest sequences.

    Raises:
        ConfigError: the vocabularies do not allow what the config asks for.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762. Initial weights after fairseq, except that all biases start at zero
        and the feed-forward weights are Xavier-uniform.
    """

    def __init__(self, config: TransformerConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        source_tokens, target_tokens = _token_tables(config, spec)
        source_positions = _positions(config, spec.max_source_positions or spec.max_positions, side="source")
        target_positions = _positions(config, spec.max_positions, side="target")
        self.encoder = Encoder(config, Embedding(source_tokens, source_positions, config.dropout), spec.padding)
        self.decoder = Decoder(config, Embedding(target_tokens, target_positions, config.dropout))
        self.output = nn.Linear(config.embed_dim, spec.vocab_size, bias=False)
        if config.share_embeddings == "none":
            nn.init.normal_(self.output.weight, std=config.embed_dim**-0.5)
        else:
            self.output.weight = target_tokens.weight

    @property
    def output_projection(self) -> nn.Linear:
        """
        The layer that turns features into logits, for criteria that form the loss piece by piece.

        A property, as Python 3.12 looks up the members of a protocol on the class, where submodules are not found.
        """
        return self.output

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor, features_only: bool = False) -> Tensor:
        """
        Predict each target token from the source and the target tokens before it.

        Args:
            source_tokens: (B, S) int64.
            prev_output_tokens: (B, T) int64: the target shifted right by one.
            features_only: leave out the output projection.

        Returns:
            (B, T, V) logits, or (B, T, D) features.
        """
        features: Tensor = self.decoder(prev_output_tokens, self.encoder(source_tokens))
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> TransformerState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        encoded = self.encoder(net_input["source_tokens"])
        return TransformerState([layer.read_source(encoded) for layer in self.decoder.layers], beam=beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self.decoder.step(tokens, state))
        return logits


class Encoder(nn.Module):
    """A stack of encoder layers; with pre-norm, normalised at the end."""

    def __init__(self, config: TransformerConfig, embedding: Embedding, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.embedding = embedding
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.final_norm = nn.LayerNorm(config.embed_dim) if config.pre_norm else nn.Identity()

    def forward(self, tokens: Tensor) -> Encoded:
        """Encode tokens (B, S) int64."""
        keep = _real_tokens(tokens, self.padding)
        x = self.embedding(tokens)  # (B, S, D)
        for layer in self.layers:
            x = layer(x, keep)
        return Encoded(self.final_norm(x), keep)


class Decoder(nn.Module):
    """A stack of decoder layers; with pre-norm, normalised at the end."""

    def __init__(self, config: TransformerConfig, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.layers = cast("Iterable[DecoderLayer]", layers)  # ModuleList does not say what it holds
        self.final_norm = nn.LayerNorm(config.embed_dim) if config.pre_norm else nn.Identity()

    def forward(self, tokens: Tensor, encoded: Encoded) -> Tensor:
        """Return features (B, T, D) of whole targets, tokens (B, T)."""
        x = self.embedding(tokens)  # (B, T, D)
        for layer in self.layers:
            x = layer(x, encoded)
        out: Tensor = self.final_norm(x)
        return out

    def step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Return features (R, T, D) of tokens (R, T) that go on from those in the state; they are added to it."""
        x = self.embedding(tokens, start=state.length)  # (R, T, D)
        keep = state.extend(tokens.shape[1])
        for layer, source, cache in zip(self.layers, state.source, state.target, strict=True):
            x = layer.step(x, source, cache, keep)
        out: Tensor = self.final_norm(x)
        return out


def _real_tokens(tokens: Tensor, padding: int) -> Tensor | None:
    """Return (B, 1, 1, S), True at real tokens; None if all are, where finding that out does not wait for a device."""
    keep = tokens != padding
    if tokens.device.type == "cpu" and keep.all():
        return None
    return keep[:, None, None, :]


def _positions(config: TransformerConfig, max_positions: int, *, side: str) -> nn.Module:
    if config.positions == "learned":
        return LearnedPositions(max_positions, config.embed_dim, side=side)
    return SinusoidalPositions()


def _token_tables(config: TransformerConfig, spec: ModelSpec) -> tuple[nn.Embedding, nn.Embedding]:
    """Return the tables of source and target, which may be one and the same."""
    if spec.source_vocab_size is None:
        raise ConfigError("The transformer translates from a source, and this task has none. Choose another model.")
    target = token_table(spec.vocab_size, config.embed_dim, spec.padding)
    if config.share_embeddings != "all":
        return token_table(spec.source_vocab_size, config.embed_dim, spec.padding), target
    if not spec.shared_vocabulary:
        raise ConfigError(
            "model.share_embeddings=all needs one vocabulary for source and target, but the task made two, of "
            f"{spec.source_vocab_size:,} and {spec.vocab_size:,} entries. "
            "Set model.share_embeddings=decoder, or give the task a shared vocabulary."
        )
    return target, target
