"""
What stands on an encoder: a classifier of texts, or a guesser of masked tokens.

B texts, T positions, D model size, C classes, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqtrain_transformer.config import TransformerClassifierConfig
from seqtrain_transformer.dropout import Dropout
from seqtrain_transformer.initialisation import initialise_linear
from seqtrain_transformer.norm import make_norm


class ClassificationHead(nn.Module):
    """
    Pools a text's vectors into one, and transforms it.

    Args:
        config: which way of pooling, and dropout.
        num_classes: C.

    Source:
        Liu et al. 2019, arXiv:1907.11692, as RobertaClassificationHead in fairseq; there the first token is taken.
    """

    def __init__(self, config: TransformerClassifierConfig, num_classes: int) -> None:
        super().__init__()
        self.takes_first = config.pooling == "first"
        self.dense = nn.Linear(config.embed_dim, config.embed_dim)
        self.dropout = Dropout(config.head_dropout)
        self.output = nn.Linear(config.embed_dim, num_classes)
        initialise_linear(self)

    def forward(self, vectors: Tensor, is_real: Tensor) -> Tensor:
        """Return features (B, D) of vectors (B, T, D); is_real (B, T) bool is False at padding."""
        if self.takes_first:
            pooled = vectors[:, 0]  # (B, D)
        else:
            weights = is_real.to(vectors.dtype)[:, :, None]  # (B, T, 1)
            pooled = (vectors * weights).sum(1) / weights.sum(1)  # (B, D)
        out: Tensor = self.dropout(self.dense(self.dropout(pooled)).tanh())
        return out


class MaskedLMHead(nn.Module):
    """
    Transforms each vector, then compares it with every token's.

    Args:
        config: size and norm.
        table: the encoder's tokens (V, D), used again.

    Source:
        Devlin et al. 2019, arXiv:1810.04805, in their code; RobertaLMHead in fairseq.
    """

    def __init__(self, config: TransformerClassifierConfig, table: nn.Embedding) -> None:
        super().__init__()
        self.dense = nn.Linear(config.embed_dim, config.embed_dim)
        self.activation = nn.GELU()
        self.norm = make_norm(config)
        self.output = nn.Linear(config.embed_dim, table.num_embeddings)
        initialise_linear(self)
        self.output.weight = table.weight

    def forward(self, vectors: Tensor, is_real: Tensor) -> Tensor:
        """Return features (B, T, D) of vectors (B, T, D)."""
        out: Tensor = self.norm(self.activation(self.dense(vectors)))
        return out
