"""
The encoder-decoder Transformer.

B sentences, W rows of each when decoding with a beam, S source positions, T target positions, D model size,
V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.decoding_state import TransformerState
from seqtrain_transformer.embedding import make_embedding, token_table
from seqtrain_transformer.layers import DecoderLayer, Encoded, EncoderLayer
from seqtrain_transformer.layout import left_to_right, whole_rows
from seqtrain_transformer.stack import Stack


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
        self.padding = spec.padding
        tokens = _token_tables(config, spec)
        longest = (spec.max_source_positions or spec.max_positions, spec.max_positions)
        source, target = (
            make_embedding(config, table, length, side=side)
            for table, length, side in zip(tokens, longest, ("source", "target"), strict=True)
        )
        self.encoder = Stack(config, source, (EncoderLayer(config) for _ in range(config.encoder_layers)))
        self.decoder = Stack(config, target, (DecoderLayer(config) for _ in range(config.decoder_layers)))
        self.output = nn.Linear(config.embed_dim, spec.vocab_size, bias=False)
        if config.share_embeddings == "none":
            nn.init.normal_(self.output.weight, std=config.embed_dim**-0.5)
        else:
            self.output.weight = target.tokens.weight

    @property
    def output_projection(self) -> nn.Linear:
        """
        The layer that turns features into logits, for criteria that form the loss piece by piece.

        A property, as Python 3.12 looks up the members of a protocol on the class, where submodules are not found.
        """
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {
            **self.encoder.row_meanings("encoder", "source"),
            **self.decoder.row_meanings("decoder", "target"),
            "output": "target",
        }

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
        features: Tensor = self.decoder(prev_output_tokens, left_to_right(), self._encode(source_tokens))
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> TransformerState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        source_tokens = net_input["source_tokens"]
        encoded = self._encode(source_tokens)
        layers = [cast("DecoderLayer", layer) for layer in self.decoder.layers]  # ModuleList does not say what it holds
        return TransformerState(
            num_layers=len(layers),
            num_sentences=len(source_tokens),
            beam=beam,
            device=source_tokens.device,
            source=[layer.read_source(encoded) for layer in layers],
        )

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self.decoder.step(tokens, state))
        return logits

    def _encode(self, source_tokens: Tensor) -> Encoded:
        layout = whole_rows(source_tokens, self.padding)
        return Encoded(self.encoder(source_tokens, layout), layout.keep)


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
