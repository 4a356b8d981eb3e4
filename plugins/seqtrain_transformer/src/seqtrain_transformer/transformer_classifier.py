"""
The Transformer that labels texts, or fills in masked tokens.

B texts, T positions, D model size, C classes, V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqtrain.api import ModelSpec
from seqtrain_transformer.config import TransformerClassifierConfig
from seqtrain_transformer.embedding import make_embedding, token_table
from seqtrain_transformer.heads import ClassificationHead, MaskedLMHead
from seqtrain_transformer.initialisation import embedding_std, initialise_linear
from seqtrain_transformer.layers import EncoderLayer
from seqtrain_transformer.layout import whole_rows
from seqtrain_transformer.norm import make_norm
from seqtrain_transformer.stack import Stack


class TransformerClassifier(nn.Module):
    """
    Reads a text in both directions, and labels it if the task has classes; else it guesses what each token should be.

    The weights of `encoder` have the same names in both cases, those of the two heads have not: so weights that have
    learned to fill in masked tokens can be carried over by name.

    Args:
        config: sizes and options.
        spec: vocabulary, padding, longest text, and the number of classes, or None to guess tokens.

    Source:
        Liu et al. 2019, arXiv:1907.11692, and fairseq's `roberta`: embeddings are normalised where layers are
        post-norm. Initial weights as BERT's, normal with standard deviation 0.02 (with sinusoidal positions,
        embeddings have that of the first Transformer, 1/sqrt(D), and are scaled).
    """

    def __init__(self, config: TransformerClassifierConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        self.padding = spec.padding
        std = embedding_std(config)
        table = token_table(spec.vocab_size, config.embed_dim, spec.padding, std)
        norm = None if config.pre_norm else make_norm(config)
        embedding = make_embedding(config, table, spec.max_positions, std=std, norm=norm)
        self.encoder = Stack(config, embedding, (EncoderLayer(config) for _ in range(config.layers)))
        initialise_linear(self.encoder)
        self.classification_head = ClassificationHead(config, spec.num_classes) if spec.num_classes else None
        self.lm_head = None if spec.num_classes else MaskedLMHead(config, table)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits, of classes or of tokens."""
        return self._head.output

    @property
    def _head(self) -> ClassificationHead | MaskedLMHead:
        head = self.classification_head or self.lm_head
        assert head is not None
        return head

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        head = {"classification_head.output": "classes"} if self.lm_head is None else {"lm_head.output": "target"}
        return {**self.encoder.row_meanings("encoder", "target"), **head}

    def forward(self, tokens: Tensor, documents: Tensor | None = None, features_only: bool = False) -> Tensor:
        """
        Label each text, or guess each token.

        Args:
            tokens: (B, T) int64.
            documents: (B, T) int64, which document a token is of: none reads another's. None: a row is one document.
            features_only: leave out the output projection.

        Returns:
            (B, C) or (B, T, V) logits; or (B, D) or (B, T, D) features.

        Raises:
            DataError: T is beyond the longest text, and the config does not ask for more.
        """
        vectors = self.encoder(tokens, whole_rows(tokens, self.padding, documents))  # (B, T, D)
        features: Tensor = self._head(vectors, tokens != self.padding)
        return features if features_only else self.output_projection(features)
