"""
The encoder-decoder with lightweight or dynamic convolutions: a Transformer without self-attention.

B sentences, W rows of each when decoding with a beam, R = B or B*W rows, S source positions, T target positions,
D model size, V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from seqtrain.api import ModelSpec
from seqtrain_conv.config import LightConvConfig
from seqtrain_conv.decoding_state import ConvolutionState, Source
from seqtrain_conv.embedding import add_sinusoids, source_and_target_tables
from seqtrain_conv.gated_convolution import no_buffers
from seqtrain_conv.lightconv_layers import DecoderLayer, EncoderLayer
from seqtrain_conv.shared_convolution import DynamicConvolution, LightweightConvolution, SharedConvolution

MakeConvolution: TypeAlias = Callable[..., SharedConvolution]


def lightconv(config: LightConvConfig, *, spec: ModelSpec) -> LightConvEncoderDecoder:
    """Make the model whose filters are learned, and the same at all positions."""
    return LightConvEncoderDecoder(config, LightweightConvolution, spec)


def dynamicconv(config: LightConvConfig, *, spec: ModelSpec) -> LightConvEncoderDecoder:
    """Make the model in which each position makes its own filters."""
    return LightConvEncoderDecoder(config, DynamicConvolution, spec)


class LightConvEncoderDecoder(nn.Module):
    """
    Reads a source sentence and predicts the target token by token.

    Args:
        config: sizes and options.
        make_convolution: the kind of convolution.
        spec: vocabularies and padding.

    Raises:
        ConfigError: the vocabularies do not allow what the config asks for.

    Source:
        Wu et al. 2019, arXiv:1901.10430, section 5; as fairseq's `lightconv`.
    """

    def __init__(self, config: LightConvConfig, make_convolution: MakeConvolution, spec: ModelSpec) -> None:
        super().__init__()
        self.padding = spec.padding
        dim = config.embed_dim
        source, target = source_and_target_tables(config, spec, std=dim**-0.5)
        self.encoder = Encoder(config, make_convolution, source)
        self.decoder = Decoder(config, make_convolution, target)
        self.output = nn.Linear(dim, spec.vocab_size, bias=False)
        if config.share_embeddings == "none":
            nn.init.normal_(self.output.weight, std=dim**-0.5)
        else:
            self.output.weight = target.weight

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {"encoder.tokens": "source", "decoder.tokens": "target", "output": "target"}

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
        features: Tensor = self.decoder(prev_output_tokens, self._encode(source_tokens))
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> ConvolutionState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        tokens = net_input["source_tokens"]
        source = self._encode(tokens)
        return ConvolutionState(len(self.decoder.layers), len(tokens), tokens.device, source).widen(beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: ConvolutionState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self.decoder(tokens, state.source, state))
        return logits

    def _encode(self, source_tokens: Tensor) -> list[Source]:
        """Return what each of the decoder's layers reads."""
        is_padding = (source_tokens == self.padding)[:, :, None]
        return self.decoder.read_source(self.encoder(source_tokens, is_padding), is_padding)


class Encoder(nn.Module):
    """
    Embeds the source and runs its layers.

    Args:
        config: sizes and options.
        make_convolution: the kind of convolution.
        tokens: the source's table (V, D).
    """

    def __init__(self, config: LightConvConfig, make_convolution: MakeConvolution, tokens: nn.Embedding) -> None:
        super().__init__()
        self.tokens = tokens
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(config, _convolution(config, make_convolution, width, causal=False))
            for width in config.encoder_widths
        )
        self.final_norm = nn.LayerNorm(config.embed_dim) if config.pre_norm else nn.Identity()

    def forward(self, tokens: Tensor, is_padding: Tensor) -> Tensor:
        """Return vectors (B, S, D) of source tokens (B, S); is_padding (B, S, 1) bool."""
        x = self.dropout(add_sinusoids(self.tokens(tokens), 0))
        for layer in self.layers:
            x = layer(x, is_padding)
        out: Tensor = self.final_norm(x)
        return out


class Decoder(nn.Module):
    """
    Embeds the target and runs its layers.

    Args:
        config: sizes and options.
        make_convolution: the kind of convolution.
        tokens: the target's table (V, D).
    """

    def __init__(self, config: LightConvConfig, make_convolution: MakeConvolution, tokens: nn.Embedding) -> None:
        super().__init__()
        self.tokens = tokens
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(config, _convolution(config, make_convolution, width, causal=True))
            for width in config.decoder_widths
        )
        self.final_norm = nn.LayerNorm(config.embed_dim) if config.pre_norm else nn.Identity()

    def read_source(self, encoded: Tensor, is_padding: Tensor) -> list[Source]:
        """Prepare the encoder's vectors (B, S, D) for each layer; is_padding (B, S, 1) bool."""
        return [cast("DecoderLayer", layer).attention.read(encoded, is_padding) for layer in self.layers]

    def forward(self, tokens: Tensor, source: list[Source], state: ConvolutionState | None = None) -> Tensor:
        """Return features (R, T, D) of tokens (R, T), which are added to the state if there is one."""
        start, buffers = (0, no_buffers()) if state is None else (state.length, iter(state.buffers))
        if state is not None:
            state.length += tokens.shape[1]
        x = self.dropout(add_sinusoids(self.tokens(tokens), start))
        for layer, read in zip(self.layers, source, strict=True):
            x = layer(x, read, buffers)
        out: Tensor = self.final_norm(x)
        return out


def _convolution(config: LightConvConfig, make: MakeConvolution, width: int, *, causal: bool) -> SharedConvolution:
    return make(config.embed_dim, config.attention_heads, width, config.weight_dropout, causal=causal)
