"""The settings that beam search and sampling share."""

from __future__ import annotations

from dataclasses import fields

import pytest

from seqtrain.config.option import option_of
from seqtrain_text.search_config import SearchConfig


def test_every_setting_is_described_and_may_change() -> None:
    """Search leaves the training as it is, so a resumed run may change it."""
    for field in fields(SearchConfig):
        described = option_of(SearchConfig, field.name)
        assert described.help
        assert described.may_change


def test_more_results_than_hypotheses_are_refused() -> None:
    """nbest above beam names the beam to set; sampling has no beam."""
    with pytest.raises(ValueError, match="set beam=6"):
        SearchConfig(beam=5, nbest=6)
    assert SearchConfig(beam=5, nbest=6, sampling=True).nbest == 6


@pytest.mark.parametrize("setting", [{"top_k": 5}, {"top_p": 0.9}])
def test_limits_on_drawing_need_sampling(setting: dict[str, float]) -> None:
    """top_k and top_p without sampling would do nothing, so they are refused."""
    with pytest.raises(ValueError, match="sampling=true"):
        SearchConfig(**setting)
    assert SearchConfig(sampling=True, **setting)
