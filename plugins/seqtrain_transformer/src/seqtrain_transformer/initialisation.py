"""Initial weights of language models and classifiers, after GPT-2 and BERT."""

from __future__ import annotations

from torch import nn

from seqtrain_transformer.attention import MultiHeadAttention
from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.feed_forward import FeedForward, GatedFeedForward

STD = 0.02


def embedding_std(config: LayerConfig) -> float | None:
    """
    Return what `token_table` and `make_embedding` are to be given.

    Sinusoids are of order one, and tokens of 0.02 would drown in them: these keep the sizes of the first Transformer.
    """
    return None if config.positions == "sinusoidal" else STD


def initialise_linear(module: nn.Module) -> None:
    """
    Draw the weights of all linear layers in a module from a normal distribution; biases are zero.

    Source:
        Devlin et al. 2019, arXiv:1810.04805, in their code (initializer_range); as in fairseq, not truncated.
    """
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.normal_(each.weight, std=STD)
            if each.bias is not None:
                nn.init.zeros_(each.bias)


def shrink_residual_outputs(module: nn.Module, num_sublayers: int) -> None:
    """
    Draw the weights that are added to the residual stream smaller, by the root of how many there are.

    Source:
        Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3.
    """
    for each in module.modules():
        if isinstance(each, MultiHeadAttention):
            nn.init.normal_(each.output.weight, std=STD * num_sublayers**-0.5)
        elif isinstance(each, (FeedForward, GatedFeedForward)):
            nn.init.normal_(each.contract.weight, std=STD * num_sublayers**-0.5)
