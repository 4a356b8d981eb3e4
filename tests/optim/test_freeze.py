"""Frozen parameters: which are, that they stay as they are, and what a run makes of the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqtrain.errors import ConfigError
from seqtrain.protocols import ModelParameters
from seqtrain.run.compare import differing
from seqtrain_optim.freeze import Freeze
from seqtrain_optim.freeze_config import FreezeConfig
from seqtrain_testing.runs import RunMaker, saved_state


def make_model() -> nn.Module:
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "decoder": nn.Linear(2, 3), "output": nn.Linear(3, 3)})
    model["output"].weight = nn.Parameter(model["output"].weight.detach())
    return model


def frozen(model: nn.Module, *patterns: str) -> list[str]:
    """Return the names of what the patterns freeze."""
    Freeze(FreezeConfig(parameters=patterns)).seqtrain_model_built(model)
    return [name for name, each in model.named_parameters() if not each.requires_grad]


def test_a_star_stands_for_anything_dots_included():
    """Names in full, beginnings, ends, and several patterns at once."""
    assert frozen(make_model(), "encoder.*") == ["encoder.weight", "encoder.bias"]
    assert frozen(make_model(), "*.bias", "decoder.weight") == [
        "encoder.bias", "decoder.weight", "decoder.bias", "output.bias",
    ]  # fmt: skip
    assert frozen(nn.Sequential(make_model()), "*encoder*") == ["0.encoder.weight", "0.encoder.bias"]


def test_case_and_the_whole_name_count():
    """As they do in the model."""
    for pattern in ("Encoder.*", "encoder", "ncoder.*"):
        with pytest.raises(ConfigError, match="matches no parameter"):
            frozen(make_model(), pattern)


def test_a_pattern_that_matches_nothing_is_refused_with_what_is_near():
    """Or with the parts that there are."""
    with pytest.raises(ConfigError, match=r"'encodr\.\*' matches no parameter\. Did you mean encoder\.\*"):
        frozen(make_model(), "decoder.*", "encodr.*")
    with pytest.raises(ConfigError, match=r"The model has encoder\.\*, decoder\.\*, output\.\*\."):
        frozen(make_model(), "zzz")


def test_no_pattern_at_all_is_refused():
    """That would be a callback that does nothing."""
    with pytest.raises(ConfigError, match="empty"):
        FreezeConfig(parameters=())


def test_a_tied_parameter_goes_by_any_of_its_names():
    """And is frozen under all of them."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight

    assert frozen(model, "1.weight") == ["0.weight"]


def test_the_optimizer_is_not_given_what_is_frozen():
    """So it keeps no state for it."""
    model = make_model()
    frozen(model, "encoder.*", "decoder.*")

    assert sum(each.numel() for each in ModelParameters(model)) == 12


@pytest.mark.parametrize("optimizer", ["toy/toy", "adamw", "adafactor", "muon", "schedule_free"])
def test_frozen_weights_do_not_change_by_a_bit_and_the_others_do(make_run: RunMaker, optimizer: str):
    """Whatever the optimizer, with weight decay, clipping and an average of the weights."""
    decay = [] if optimizer in ("toy/toy", "adafactor") else ["optimizer.weight_decay=0.1"]
    common = [f"optimizer.name={optimizer}", *decay, "trainer.clip_norm=0.5", "callbacks.ema.decay=0.5"]
    before = make_run(*common, "callbacks.freeze.parameters=[embedding.*]", steps=1, stop_at=1, name="begun").model
    trainer = make_run(*common, "callbacks.freeze.parameters=[embedding.*]", steps=5)
    start, end = before.state_dict(), trainer.model.state_dict()
    averages = next(part for name, part in trainer.state.items() if name == "callbacks.ema").state_dict()["average"]

    assert torch.equal(start["embedding.weight"], end["embedding.weight"])
    assert not torch.equal(start["output.weight"], end["output.weight"])
    assert list(averages) == ["output.weight", "output.bias"]
    assert len(trainer.optimizer.parameters) == 2


def test_a_frozen_run_goes_on_to_the_bit_and_can_be_loaded(make_run: RunMaker):
    """Its checkpoint has all weights, frozen or not."""
    settings = ["callbacks.freeze.parameters=['output.*']", "callbacks.ema.decay=0.9", "optimizer.name=adamw"]
    whole = make_run(*settings, steps=6, name="whole")
    make_run(*settings, steps=6, stop_at=3, name="interrupted")
    resumed = make_run(*settings, steps=6, name="interrupted")
    loaded = make_run.load(*settings, name="whole").models[0].state_dict()

    assert differing(saved_state(whole), saved_state(resumed)) == []
    assert torch.equal(loaded["output.weight"], whole.model.state_dict()["output.weight"])
    assert not torch.equal(loaded["embedding.weight"], whole.model.state_dict()["embedding.weight"])  # the average


def test_nothing_left_to_train_is_an_error(make_run: RunMaker):
    """Before the first step, and it says what to do."""
    with pytest.raises(ConfigError, match="nothing to train"):
        make_run("callbacks.freeze.parameters=['*']")
