"""Which models can learn what an objective asks for: they are tried, as their names say nothing of it."""

from __future__ import annotations

import inspect
import logging

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError
from seqtrain_lm.config import LMConfig
from seqtrain_lm.rows import DOCUMENTS_NAME, TOKENS_NAME
from seqtrain_lm.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

SOURCE_NAME = "source_tokens"
TRIED = 8  # tokens
ROUNDING = 1e-5  # of the largest logit


def check_model(model: nn.Module, config: LMConfig, vocabulary: Vocabulary) -> None:
    """
    Check that a model fits the objective.

    Args:
        model: on its device.
        config: names the objective, and what the batches hold.
        vocabulary: of the tokenizer, trained or loaded.

    Raises:
        ConfigError: it does not.
    """
    if config.objective == "span":
        _check_source(model)
        return
    if config.pack_documents and not _takes(model, DOCUMENTS_NAME):
        raise ConfigError(
            "task.pack_documents=true puts several documents into a row and says which token is whose, but the model "
            f"takes no `{DOCUMENTS_NAME}`, and so would mix them up. Set task.pack_documents=false, or choose a model "
            "that takes it, such as transformer_lm, lstm_lm or fconv_lm."
        )
    if not _takes(model, TOKENS_NAME) or _takes(model, SOURCE_NAME):
        return  # a model for another task, which is told so by what its forward takes
    reads_ahead = _reads_ahead(model, config, vocabulary)
    if config.objective == "causal" and reads_ahead:
        raise ConfigError(
            "The model reads the tokens that it should predict: what it says of a token "
            "changes with those after it. task.objective=causal needs a model that reads from left to right, such as "
            "transformer_lm, lstm_lm or fconv_lm; this one may learn with task.objective=masked."
        )
    if config.objective == "masked" and not reads_ahead:
        logger.warning(
            "The model reads from left to right, and must guess masked tokens without what follows them. One that "
            "reads both ways, such as transformer_classifier, learns more from task.objective=masked"
        )


def _check_source(model: nn.Module) -> None:
    if not _takes(model, SOURCE_NAME):
        raise ConfigError(
            "task.objective=span is learned as a translation is, from a source, and the model takes none. Choose an "
            "encoder-decoder, such as transformer, lstm or fconv, or set task.objective=causal."
        )


def _takes(model: nn.Module, name: str) -> bool:
    """Say whether the model can be called with an input of that name."""
    parameters = inspect.signature(model.forward).parameters
    return name in parameters or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())


@torch.no_grad()
def _reads_ahead(model: nn.Module, config: LMConfig, vocabulary: Vocabulary) -> bool:
    """Say whether another last token changes what the model says of those before it."""
    ordinary = torch.from_numpy(vocabulary.ordinary())
    length = min(TRIED, config.tokens_per_sample)
    rows = ordinary[torch.arange(length).repeat(2, 1) % len(ordinary)]  # (2, T)
    rows[1, -1] = ordinary[length % len(ordinary)]
    net_input = {TOKENS_NAME: rows.to(next(model.parameters()).device)}
    if config.pack_documents:
        net_input[DOCUMENTS_NAME] = torch.ones_like(net_input[TOKENS_NAME])
    was_training = model.training
    logits: Tensor = model.eval()(**net_input)  # (2, T, V)
    model.train(was_training)
    change = (logits[0, :-1] - logits[1, :-1]).abs().max()
    return bool(change > ROUNDING * logits.abs().max())
