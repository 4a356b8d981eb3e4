"""The settings of generation, and the limits of length they stand for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from seqtrain.config.option import option_of
from seqtrain_translation.generation_config import GenerationConfig
from seqtrain_translation.length_limits import length_limits
from seqtrain_translation.scoring_config import ScoringConfig


@pytest.mark.parametrize("config_type", [GenerationConfig, ScoringConfig])
def test_every_setting_is_described_and_may_change(config_type: type) -> None:
    """Generation and scoring leave the training as it is, so a resumed run may change them."""
    for field in fields(config_type):
        described = option_of(config_type, field.name)
        assert described.help
        assert described.may_change


def test_more_results_than_hypotheses_are_refused() -> None:
    """nbest above beam names the beam to set; sampling has no beam."""
    with pytest.raises(ValueError, match="set beam=6"):
        GenerationConfig(beam=5, nbest=6)
    assert GenerationConfig(beam=5, nbest=6, sampling=True).nbest == 6


@pytest.mark.parametrize("setting", [{"top_k": 5}, {"top_p": 0.9}])
def test_limits_on_drawing_need_sampling(setting: dict[str, float]) -> None:
    """top_k and top_p without sampling would do nothing, so they are refused."""
    with pytest.raises(ValueError, match="sampling=true"):
        GenerationConfig(**setting)
    assert GenerationConfig(sampling=True, **setting)


def test_limits_grow_with_each_source() -> None:
    """a * S + b rounded down, for each sentence by itself."""
    config = GenerationConfig(max_len_a=1.1, max_len_b=3)

    assert [3, 4, 14] == length_limits(torch.tensor([0, 1, 10]), config, max_positions=100).tolist()


def test_limits_leave_the_model_a_position_for_the_end() -> None:
    """A model of 8 positions gets at most 7 tokens and the end."""
    config = GenerationConfig(max_len_a=2, max_len_b=0)

    assert [6, 7] == length_limits(torch.tensor([3, 400]), config, max_positions=8).tolist()


@pytest.mark.runs
def test_settings_load_without_torch() -> None:
    """Help and config errors must not wait for torch."""
    code = (
        "import sys, seqtrain_translation.generation_config, seqtrain_translation.scoring_config;"
        "print([name for name in ('torch', 'numpy', 'omegaconf', 'sacrebleu') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
