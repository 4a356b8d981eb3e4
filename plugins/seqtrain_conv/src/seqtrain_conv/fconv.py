"""
The convolutional encoder-decoder.

B sentences, W rows of each when decoding with a beam, R = B or B*W rows, S source positions, T target positions,
D size of embeddings, V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqtrain.api import ModelSpec
from seqtrain_conv.config import FConvConfig
from seqtrain_conv.decoding_state import ConvolutionState, Source
from seqtrain_conv.embedding import PositionedEmbedding, source_and_target_tables
from seqtrain_conv.fconv_attention import AttentionToSource
from seqtrain_conv.gated_convolution import SQRT_HALF, as_blocks, make_blocks, no_buffers
from seqtrain_conv.layer_sizes import read_layers
from seqtrain_conv.weight_norm import make_linear

EMBEDDING_STD = 0.1


class ConvolutionalEncoderDecoder(nn.Module):
    """
    Reads a source sentence and predicts the target token by token, by convolutions with attention in each layer.

    Args:
        config: sizes and options.
        spec: vocabularies, padding and longest sequences.

    Raises:
        ConfigError: the vocabularies do not allow what the config asks for.

    Source:
        Gehring et al. 2017, arXiv:1705.03122; initial weights of section 3.5. As in fairseq's `fconv`, learned
        positions, and weights normalised in all layers but embeddings.
    """

    def __init__(self, config: FConvConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        self.padding = spec.padding
        source, target = source_and_target_tables(config, spec, std=EMBEDDING_STD)
        self.encoder = Encoder(config, source, spec.max_source_positions or spec.max_positions)
        self.decoder = Decoder(config, target, spec.max_positions)
        features = config.out_embed_dim or config.embed_dim
        if config.share_embeddings == "none":
            self.output = make_linear(features, spec.vocab_size, dropout=config.dropout)
        else:
            self.output = nn.Linear(features, spec.vocab_size)
            self.output.weight = target.weight
            nn.init.zeros_(self.output.bias)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {
            "encoder.embedding.tokens": "source",
            "encoder.embedding.positions": "positions",
            "decoder.embedding.tokens": "target",
            "decoder.embedding.positions": "positions",
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
            (B, T, V) logits, or (B, T, out_embed_dim) features.

        Raises:
            DataError: a row is longer than any that the model has learned positions of.
        """
        features: Tensor = self.decoder(prev_output_tokens, self._encode(source_tokens))
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> ConvolutionState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        tokens = net_input["source_tokens"]
        source = self._encode(tokens)
        return ConvolutionState(self.decoder.num_convolutions, len(tokens), tokens.device, [source]).widen(beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: ConvolutionState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self.decoder(tokens, state.source[0], state))
        return logits

    def _encode(self, source_tokens: Tensor) -> Source:
        is_padding = source_tokens == self.padding
        vectors, embedded = self.encoder(source_tokens, is_padding)
        if vectors.requires_grad:  # the encoder gets a gradient from each layer's attention, and would learn too fast
            share = 1 / (2 * len(self.decoder.attention))
            vectors.register_hook(lambda gradient: gradient * share)
        return self.decoder.read_source(vectors, embedded, is_padding)


class Encoder(nn.Module):
    """
    Embeds the source and runs its convolutions.

    Args:
        config: sizes and options.
        tokens: the source's table (V, D).
        max_positions: the longest source, in tokens.
    """

    def __init__(self, config: FConvConfig, tokens: nn.Embedding, max_positions: int) -> None:
        super().__init__()
        blocks = read_layers(config.encoder_layers, "encoder_layers")
        first = blocks[0][0].channels
        self.embedding = PositionedEmbedding(tokens, max_positions, config.dropout, side="source")
        self.expand = make_linear(config.embed_dim, first, dropout=config.dropout)
        self.blocks = make_blocks(first, blocks, config.dropout, causal=False)
        self.contract = make_linear(blocks[-1][-1].channels, config.embed_dim)

    def forward(self, tokens: Tensor, is_padding: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors and embeddings, (B, S, D) each, of source tokens (B, S); is_padding (B, S) bool."""
        embedded = self.embedding(tokens)
        x = self.expand(embedded)
        for block in as_blocks(self.blocks):
            x = (block(x, is_padding[:, :, None], no_buffers()) + block.project(x)) * SQRT_HALF
        return self.contract(x), embedded


class Decoder(nn.Module):
    """
    Embeds the target and runs its convolutions, with attention to the source after each block of them.

    Args:
        config: sizes and options.
        tokens: the target's table (V, D).
        max_positions: the longest target, in tokens.
    """

    def __init__(self, config: FConvConfig, tokens: nn.Embedding, max_positions: int) -> None:
        super().__init__()
        blocks = read_layers(config.decoder_layers, "decoder_layers")
        first = blocks[0][0].channels
        self.num_convolutions = sum(map(len, blocks))
        self.embedding = PositionedEmbedding(tokens, max_positions, config.dropout, side="target")
        self.expand = make_linear(config.embed_dim, first, dropout=config.dropout)
        self.blocks = make_blocks(first, blocks, config.dropout, causal=True)
        self.attention = nn.ModuleList(AttentionToSource(block[-1].channels, config.embed_dim) for block in blocks)
        self.contract = make_linear(blocks[-1][-1].channels, config.out_embed_dim or config.embed_dim)
        self.dropout = nn.Dropout(config.dropout)

    def read_source(self, vectors: Tensor, embedded: Tensor, is_padding: Tensor) -> Source:
        """
        Prepare what all layers' attention reads.

        Args:
            vectors: (B, S, D) from the encoder.
            embedded: (B, S, D).
            is_padding: (B, S) bool.
        """
        # A mean of m vectors has a variance smaller by m; their root makes up for it, were weights alike.
        root = (~is_padding).sum(1).to(vectors.dtype).sqrt()[:, None, None]
        return Source(vectors, (vectors + embedded) * SQRT_HALF * root, is_padding[:, None])

    def forward(self, tokens: Tensor, source: Source, state: ConvolutionState | None = None) -> Tensor:
        """Return features (R, T, out_embed_dim) of tokens (R, T), which are added to the state if there is one."""
        start, buffers = (0, no_buffers()) if state is None else (state.length, iter(state.buffers))
        embedded = self.embedding(tokens, start)
        if state is not None:
            state.length += tokens.shape[1]
        x = self.expand(embedded)
        for block, attention in zip(as_blocks(self.blocks), self.attention, strict=True):
            mixed = attention(block(x, None, buffers), embedded, source)
            x = (mixed + block.project(x)) * SQRT_HALF
        out: Tensor = self.dropout(self.contract(x))
        return out
