"""Every option decodes step by step as it reads at once, and nothing is read once a row that is the sentence's."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from seqtrain_recurrent.config import LSTMConfig, LSTMLanguageModelConfig
from seqtrain_recurrent.lstm import LSTMEncoderDecoder
from seqtrain_recurrent.lstm_lm import LSTMLanguageModel
from seqtrain_testing import samples
from seqtrain_testing.decoding import follow_random_histories

STRICT = {"rtol": 1e-5, "atol": 2e-6}
TRANSLATORS = [
    {"layers": layers, "bidirectional": bidirectional, "share_embeddings": share, "hidden_dim": hidden}
    for layers, bidirectional, share, hidden in product((1, 2), (True, False), ("all", "none"), (8, 10))
]
CONTINUERS = [
    {"layers": layers, "tie_embeddings": tied, "locked_dropout": locked, "weight_dropout": 0.5}
    for layers, tied, locked in product((1, 3), (True, False), (True, False))
]


def translator(**options: Any) -> LSTMEncoderDecoder:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    config = LSTMConfig(**{"embed_dim": 8, "hidden_dim": 10, **options})
    return LSTMEncoderDecoder(config, spec=samples.model_spec("translation")).eval()


def continuer(**options: Any) -> LSTMLanguageModel:
    """Return a small language model in evaluation mode."""
    torch.manual_seed(0)
    config = LSTMLanguageModelConfig(**{"embed_dim": 8, "hidden_dim": 10, **options})
    return LSTMLanguageModel(config, spec=samples.model_spec("lm")).eval()


@pytest.mark.parametrize("options", TRANSLATORS, ids=str)
def test_translating_step_by_step_equals_at_once(options: dict[str, Any]) -> None:
    """Whatever beams do."""
    follow_random_histories(translator(**options), "translation", tolerance=STRICT)


@pytest.mark.parametrize("options", CONTINUERS, ids=str)
def test_continuing_equals_reading_from_the_start(options: dict[str, Any]) -> None:
    """After prompts of any length, none included, and whatever beams do."""
    follow_random_histories(continuer(**options), "lm", tolerance=STRICT)


def test_source_and_prompts_are_read_once_whatever_the_beam() -> None:
    """Keys are held for each sentence, prompts run for each prompt, and no gradient is kept."""
    source = torch.randint(4, samples.VOCABULARY, (3, 6))
    state = translator().start_decoding({"source_tokens": source}, beam=5)
    model = continuer()
    seen = []
    model.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(len(output[0])))
    model.start_decoding({"tokens": torch.randint(4, samples.VOCABULARY, (2, 5))}, beam=4)

    assert state.source.keys.shape == (3, 6, 10)
    assert not any(each.requires_grad for each in (state.source.keys, state.fed, *state.hidden, *state.cell))
    assert seen == [2]
