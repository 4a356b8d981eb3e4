"""Models that cannot learn an objective are told from those that can by trying them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain.config.option import Selection
from seqtrain.config.standalone import resolve_component
from seqtrain.registry.discovery import discover
from seqtrain_lm.config import LMConfig
from seqtrain_lm.model_check import check_model
from seqtrain_lm.vocabulary import Vocabulary

SMALL = {"embed_dim": 16, "ffn_dim": 24, "attention_heads": 2}
READS_ON = {  # models that read from left to right
    "transformer_lm": {"layers": 1, **SMALL},
    "lstm_lm": {"embed_dim": 16, "hidden_dim": 16, "layers": 1},
    "fconv_lm": {"embed_dim": 16, "layers": "16x3*2"},
}
BOTH_WAYS = [
    {"layers": 1, **SMALL, "positions": positions, "pre_norm": pre_norm}
    for positions in ("learned", "sinusoidal", "rotary")
    for pre_norm in (True, False)
]
TRANSLATES = {"transformer": {"encoder_layers": 1, "decoder_layers": 1, **SMALL}}


class Tokens:
    """A tokenizer as far as it is asked: 20 ids, of which the first four are special."""

    vocab_size, padding, bos, eos, unknown = 20, 0, 1, 2, 3


VOCABULARY = Vocabulary(Tokens(), 1)  # type: ignore[arg-type]


def config(**changes: Any) -> LMConfig:
    tokenizer = Selection("tokenizer", "word", None)
    return LMConfig(train="text.txt", tokenizer=tokenizer, tokens_per_sample=16, break_mode="eos", **changes)


def model(name: str, settings: dict[str, Any]) -> nn.Module:
    registry, is_translator = discover(), name in TRANSLATES
    spec = ModelSpec(
        vocab_size=21,
        source_vocab_size=21 if is_translator else None,
        shared_vocabulary=is_translator,
        padding=0,
        max_positions=16,
    )
    torch.manual_seed(1)
    built: nn.Module = registry.build(resolve_component(registry, "model", name, settings), spec=spec)
    return built


class NoDocuments(nn.Module):
    """A language model that reads single tokens, and has not heard of documents."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(21, 21)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.table(tokens)
        return logits


@pytest.mark.parametrize("changes", [{}, {"pack_documents": True}], ids=str)
@pytest.mark.parametrize("name", READS_ON)
def test_our_language_models_are_taken(name: str, changes: dict[str, Any]) -> None:
    """With documents and without; they are left in training."""
    tried = model(name, READS_ON[name])
    check_model(tried, config(**changes), VOCABULARY)

    assert tried.training


@pytest.mark.parametrize("settings", BOTH_WAYS, ids=str)
def test_a_model_that_sees_the_answer_is_refused(settings: dict[str, Any]) -> None:
    """It would learn to copy the next token; with masked tokens it is welcome."""
    tried = model("transformer_classifier", settings)
    with pytest.raises(ConfigError, match=r"reads the tokens that it should predict.*transformer_lm"):
        check_model(tried, config(), VOCABULARY)

    check_model(tried, config(objective="masked"), VOCABULARY)


@pytest.mark.parametrize(("name", "warns"), [("transformer_lm", True), ("transformer_classifier", False)])
def test_half_a_context_for_masked_tokens_is_warned_of(name: str, warns: bool, caplog: Any) -> None:
    """It can be learned, but not well."""
    with caplog.at_level(logging.WARNING):
        check_model(model(name, {"layers": 1, **SMALL}), config(objective="masked"), VOCABULARY)

    assert ("such as transformer_classifier" in caplog.text) == warns


def test_documents_need_a_model_that_takes_them() -> None:
    """The setting, the input and the remedy are named; without the setting the model is taken."""
    with pytest.raises(ConfigError, match=r"task\.pack_documents=true .* takes no `documents`.*pack_documents=false"):
        check_model(NoDocuments(), config(pack_documents=True), VOCABULARY)

    check_model(NoDocuments(), config(), VOCABULARY)


def test_spans_need_a_model_with_a_source() -> None:
    """An encoder-decoder."""
    check_model(model("transformer", TRANSLATES["transformer"]), config(objective="span"), VOCABULARY)

    with pytest.raises(ConfigError, match=r"task\.objective=span .* such as transformer, lstm or fconv"):
        check_model(NoDocuments(), config(objective="span"), VOCABULARY)
