"""Mistakes that the contracts of models, criteria, optimizers, schedulers, callbacks and trackers must catch."""

from __future__ import annotations

import pytest

MODEL = """
import torch
from torch import nn
from seqtrain.testing.toy import ToyModel
from seqtrain.testing.toy_config import ToyModelConfig
"""
CRITERION = """
import torch
from torch.nn.functional import cross_entropy
from seqtrain.testing.toy import ToyCriterion
"""
OPTIMIZER = """
import torch
"""
CONFIG = """
'Settings.'
from dataclasses import dataclass
from seqtrain.plugin import option
"""

MUTANTS = {
    # --- models
    "model: attends to padding": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Averages over padding too.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
    def _mean(self, tokens):
        return self.embedding(tokens).mean(1)
""",
        "caught_by": {"test_padding_changes_nothing", "test_other_sentences_of_a_batch_change_nothing"},
    },
    "model: normalises over the batch": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Centres each feature over all sentences.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
    def _mean(self, tokens):
        features = super()._mean(tokens)
        return features - features.mean(0)
""",
        "caught_by": {"test_other_sentences_of_a_batch_change_nothing"},
    },
    "model: sees the next token": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(nn.Module):
    '''Mixes in the position to the right.'''
    def __init__(self, config, *, spec):
        super().__init__()
        self.embedding = nn.Embedding(spec.vocab_size, 8)
        self.output = nn.Linear(8, spec.vocab_size)
    def forward(self, source_tokens, prev_output_tokens):
        '''Return logits.'''
        features = self.embedding(prev_output_tokens)
        following = torch.cat([features[:, 1:], torch.zeros_like(features[:, :1])], 1)
        real = (torch.cat([prev_output_tokens[:, 1:], torch.ones_like(prev_output_tokens[:, :1])], 1) != 1)[..., None]
        return self.output(features + following * real)
""",
        "caught_by": {"test_no_position_sees_what_follows_it"},
    },
    "model: describes the rows of what it has not": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Calls its table by another name.'''
    row_meanings = {"tokens": "target"}
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
""",
        "caught_by": {"test_it_has_the_rows_that_it_describes"},
    },
    "model: a parameter that is never used": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Has a weight too many.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
        self.forgotten = nn.Parameter(torch.zeros(3))
""",
        "caught_by": {"test_every_trainable_parameter_gets_a_finite_gradient"},
    },
    "model: what matters is not in the state_dict": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Scales by a tensor that is no buffer.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
        self.scale = torch.rand(spec.vocab_size)
    def forward(self, **net_input):
        '''Return logits.'''
        return super().forward(**net_input) * self.scale
    @property
    def output_projection(self):
        '''None, in truth.'''
        raise AttributeError
""",
        "caught_by": {"test_its_state_survives_saving_and_loading"},
    },
    "model: draws its dropout from a generator of its own": {
        "contract": "ModelContract",
        "code": MODEL
        + """
import random
class Mutant(ToyModel):
    '''Uses Python's random numbers.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(dropout=0.0), spec=spec)
    def _mean(self, tokens):
        return super()._mean(tokens) * (1 + 0.1 * random.random() * self.training)
""",
        "caught_by": {
            "test_the_same_seed_gives_the_same_result",
            "test_the_same_run_ends_the_same",
            "test_an_interrupted_run_goes_on_to_the_bit",
        },
    },
    "model: the cache disagrees with full decoding": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class State:
    '''Remembers nothing, and need not.'''
    def __init__(self, mean):
        self.mean = mean
    def reorder(self, rows):
        '''Do nothing.'''
    def keep(self, sentences):
        '''Forget to drop the others' rows in the right places.'''
        self.mean = self.mean[: len(sentences) * (len(self.mean) // 5)]
class Mutant(ToyModel):
    '''Decodes with the encoder's output of another sentence once one was dropped.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
    def start_decoding(self, net_input, *, beam):
        '''Read the source.'''
        return State(self._mean(net_input["source_tokens"]).repeat_interleave(beam, 0))
    def decode_step(self, tokens, state, /):
        '''Return logits.'''
        return self.output(self.embedding(tokens) + state.mean[:, None])
""",
        "caught_by": {
            "test_incremental_decoding_equals_full_decoding",
            "test_sentences_may_be_dropped_before_the_first_step",
            "test_any_history_of_decoding_equals_full_decoding",
        },
    },
    "model: forgets the prompt": {
        "contract": "ModelContract",
        "members": "form = 'lm'",
        "code": MODEL
        + """
class State:
    '''The sum of what was read, (B, W, D).'''
    def __init__(self, total):
        self.total = total
    def reorder(self, rows):
        '''Move rows.'''
        self.total = self.total.flatten(0, 1)[rows].view_as(self.total)
    def keep(self, sentences):
        '''Keep these.'''
        self.total = self.total[sentences]
class Mutant(ToyModel):
    '''MetricSums what it has read, and when it decodes, leaves out what it was to read first.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
    def forward(self, tokens, features_only=False):
        '''Return logits.'''
        features = self.embedding(tokens).cumsum(1)
        return features if features_only else self.output(features)
    def start_decoding(self, net_input, *, beam):
        '''Start with nothing.'''
        return State(torch.zeros(len(net_input["tokens"]), beam, self.embedding.embedding_dim))
    def decode_step(self, tokens, state, /):
        '''Return logits.'''
        state.total = state.total + self.embedding(tokens).view_as(state.total)
        return self.output(state.total.flatten(0, 1)[:, None])
""",
        "caught_by": {
            "test_incremental_decoding_equals_full_decoding",
            "test_several_tokens_may_be_appended_at_once",
            "test_sentences_may_be_dropped_before_the_first_step",
            "test_any_history_of_decoding_equals_full_decoding",
        },
    },
    "model: features that are not those of the logits": {
        "contract": "ModelContract",
        "code": MODEL
        + """
class Mutant(ToyModel):
    '''Projects something else.'''
    def __init__(self, config, *, spec):
        super().__init__(ToyModelConfig(), spec=spec)
    def forward(self, source_tokens, prev_output_tokens, features_only=False):
        '''Return logits, or features before they are squashed.'''
        features = super().forward(None, source_tokens, prev_output_tokens, True)
        return features if features_only else self.output(features.tanh())
""",
        "caught_by": {"test_features_and_projection_give_the_logits"},
    },
    # --- criteria
    "criterion: a mean instead of a sum": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Divides by the count.'''
    def __call__(self, model, sample, /):
        loss, size, logged = super().__call__(model, sample)
        return loss / size, size, {**logged, "loss": (loss / size).detach()}
""",
        "caught_by": {"test_the_loss_is_a_sum_with_a_count"},
    },
    "criterion: counts padding": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Ignores nothing.'''
    def __init__(self, config, *, spec):
        self._ignored = -100
""",
        "caught_by": {
            "test_the_loss_is_a_sum_with_a_count",
            "test_padding_changes_nothing",
            "test_padding_changes_no_gradient",
        },
    },
    "criterion: its count includes padding": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Counts positions.'''
    def __call__(self, model, sample, /):
        loss, _, logged = super().__call__(model, sample)
        return loss, sample.target.numel(), logged
""",
        "caught_by": {"test_the_loss_is_a_sum_with_a_count", "test_padding_changes_nothing"},
    },
    "criterion: a gradient that is not the loss's": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Doubled(torch.autograd.Function):
    '''A gradient twice too long.'''
    @staticmethod
    def forward(ctx, loss):
        '''Do nothing.'''
        return loss.clone()
    @staticmethod
    def backward(ctx, grad_output):
        '''Double it.'''
        return 2 * grad_output
class Mutant(ToyCriterion):
    '''Returns a loss with a wrong gradient.'''
    def __call__(self, model, sample, /):
        loss, size, logged = super().__call__(model, sample)
        return Doubled.apply(loss), size, logged
""",
        "caught_by": {"test_the_gradient_is_that_of_the_loss"},
    },
    "criterion: a gradient that ignores its scale": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Unscaled(torch.autograd.Function):
    '''A gradient that does not care what the loss was multiplied by.'''
    @staticmethod
    def forward(ctx, loss):
        '''Do nothing.'''
        return loss.clone()
    @staticmethod
    def backward(ctx, grad_output):
        '''Forget the factor.'''
        return torch.ones_like(grad_output)
class Mutant(ToyCriterion):
    '''Returns a loss that cannot be scaled.'''
    def __call__(self, model, sample, /):
        loss, size, logged = super().__call__(model, sample)
        return Unscaled.apply(loss), size, logged
""",
        "caught_by": {"test_scaling_the_loss_scales_the_gradient"},
    },
    "criterion: logs tensors that hold on to the graph": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Forgets to detach.'''
    def __call__(self, model, sample, /):
        loss, size, logged = super().__call__(model, sample)
        return loss, size, {**logged, "loss": loss}
""",
        "caught_by": {"test_it_returns_a_loss_a_count_and_sums"},
    },
    "criterion: takes a label for padding": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
RECORD = {"for_tasks": ("classify",)}
class Mutant(ToyCriterion):
    '''Ignores the label that has the number of the padding id.'''
    def __init__(self, config, *, spec):
        self._ignored = spec.padding
""",
        "caught_by": {"test_every_real_target_counts"},
    },
    # --- optimizers
    "optimizer: state that is not in the state_dict": {
        "contract": "OptimizerContract",
        "code": OPTIMIZER
        + """
class Mutant(torch.optim.SGD):
    '''Keeps its momentum to itself.'''
    def __init__(self, config, *, parameters):
        super().__init__(parameters, lr=0.01)
        self.velocity = {}
    def step(self, closure=None):
        '''Update with momentum.'''
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    self.velocity[each] = 0.9 * self.velocity.get(each, 0) + each.grad
                    each.data -= group["lr"] * self.velocity[each]
""",
        "caught_by": {"test_its_state_survives_saving_and_loading", "test_an_interrupted_run_goes_on_to_the_bit"},
    },
    "optimizer: a learning rate of its own": {
        "contract": "OptimizerContract",
        "code": OPTIMIZER
        + """
class Mutant(torch.optim.SGD):
    '''Decays weights whatever the rate.'''
    def __init__(self, config, *, parameters):
        super().__init__(parameters, lr=0.01)
    def step(self, closure=None):
        '''Update and decay.'''
        super().step()
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    each.data *= 0.999
""",
        "caught_by": {"test_the_learning_rate_is_obeyed"},
    },
    "optimizer: forgets a parameter": {
        "contract": "OptimizerContract",
        "code": OPTIMIZER
        + """
class Mutant(torch.optim.SGD):
    '''Takes the matrices only.'''
    def __init__(self, config, *, parameters):
        super().__init__([each for each in parameters if each.dim() > 1], lr=0.01)
""",
        "caught_by": {"test_its_groups_hold_every_parameter_once", "test_it_takes_parameters_from_a_generator"},
    },
    "optimizer: climbs": {
        "contract": "OptimizerContract",
        "code": OPTIMIZER
        + """
class Mutant(torch.optim.SGD):
    '''Has the sign wrong.'''
    def __init__(self, config, *, parameters):
        super().__init__(parameters, lr=0.01, maximize=True)
""",
        "caught_by": {"test_it_lowers_a_loss"},
    },
    # --- schedulers
    "lr_scheduler: counts its calls": {
        "contract": "LRSchedulerContract",
        "code": """
class Mutant:
    '''Trusts that it is called once a step.'''
    def __init__(self, config, *, total_steps):
        self.calls = 0
    def __call__(self, step, /):
        self.calls += 1
        return self.calls ** -0.5
""",
        "caught_by": {"test_the_factor_depends_on_the_step_alone", "test_an_interrupted_run_goes_on_to_the_bit"},
    },
    "lr_scheduler: begins at zero": {
        "contract": "LRSchedulerContract",
        "code": """
class Mutant:
    '''Warms up from step 0.'''
    def __init__(self, config, *, total_steps):
        pass
    def __call__(self, step, /):
        return min(1.0, (step - 1) / 10)
""",
        "caught_by": {"test_the_first_update_moves_something"},
    },
    "lr_scheduler: returns a learning rate": {
        "contract": "LRSchedulerContract",
        "code": """
class Mutant:
    '''Gives a rate where a factor is wanted.'''
    def __init__(self, config, *, total_steps):
        pass
    def __call__(self, step, /):
        return 5e-4
""",
        "caught_by": {"test_it_reaches_the_learning_rate_that_was_set"},
    },
    "lr_scheduler: divides by a limit that may be missing": {
        "contract": "LRSchedulerContract",
        "code": """
class Mutant:
    '''Falls in a straight line.'''
    def __init__(self, config, *, total_steps):
        self.total = total_steps
    def __call__(self, step, /):
        return max(0.0, 1 - (step - 1) / self.total)
""",
        "caught_by": {"test_a_run_without_limit_is_served_or_refused"},
    },
    # --- callbacks and trackers
    "callback: state that does not come back": {
        "contract": "CallbackContract",
        "code": """
from seqtrain.plugin import hookimpl
class Mutant:
    '''Counts steps and forgets them.'''
    def __init__(self, config):
        self.steps = 0
    @hookimpl
    def seqtrain_step_end(self):
        '''Count.'''
        self.steps += 1
    def state_dict(self):
        '''Return the count.'''
        return {"steps": self.steps}
    def load_state_dict(self, state):
        '''Forget to take it over.'''
""",
        "caught_by": {"test_its_state_survives_saving_and_loading", "test_an_interrupted_run_goes_on_to_the_bit"},
    },
    "callback: changes training by what it does not save": {
        "contract": "CallbackContract",
        "code": """
import torch
from seqtrain.plugin import hookimpl
class Mutant:
    '''Shrinks the weights at its own third step.'''
    def __init__(self, config):
        self.steps = 0
    @hookimpl
    def seqtrain_step_end(self, trainer):
        '''Count, and act.'''
        self.steps += 1
        if self.steps > 3:
            with torch.no_grad():
                next(trainer.model.parameters()).mul_(0.5)
""",
        "caught_by": {"test_an_interrupted_run_goes_on_to_the_bit"},
    },
    "callback: a misspelled hook": {
        "contract": "CallbackContract",
        "code": """
from seqtrain.plugin import hookimpl
class Mutant:
    '''Would watch, if the hook existed.'''
    def __init__(self, config):
        pass
    @hookimpl
    def seqtrain_step_ended(self, trainer):
        '''Never be called.'''
""",
        "caught_by": {
            "test_its_hooks_can_be_called",
            "test_the_same_run_ends_the_same",
            "test_an_interrupted_run_goes_on_to_the_bit",
            "test_its_state_survives_saving_and_loading",
            "test_what_it_does_to_the_model_is_done_to_a_loaded_one",
        },
    },
    "callback: changes the model when training starts, and only then": {
        "contract": "CallbackContract",
        "code": """
import torch
from seqtrain.plugin import hookimpl
class Mutant:
    '''Puts something in the model's way.'''
    def __init__(self, config):
        pass
    @hookimpl
    def seqtrain_run_start(self, trainer):
        '''Add a layer.'''
        trainer.model.register_buffer("scale", torch.ones(1))
""",
        "caught_by": {
            "test_what_it_does_to_the_model_is_done_to_a_loaded_one",
            "test_an_interrupted_run_goes_on_to_the_bit",
        },
    },
    "tracker: changes the run": {
        "contract": "TrackerContract",
        "code": """
import torch
from seqtrain.plugin import hookimpl
class Mutant:
    '''Rounds the weights.'''
    def __init__(self, config, *, folder):
        pass
    @hookimpl
    def seqtrain_metrics(self, step, metrics):
        '''Do nothing.'''
    @hookimpl
    def seqtrain_run_start(self, trainer):
        '''Meddle.'''
        trainer.model.half().float()
""",
        "caught_by": {"test_the_run_is_what_it_is_without", "test_an_interrupted_run_goes_on_to_the_bit"},
    },
    "tracker: opens its file when it is made": {
        "contract": "TrackerContract",
        "code": """
from seqtrain.plugin import hookimpl
class Mutant:
    '''Leaves an empty file behind on every rank.'''
    def __init__(self, config, *, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.csv").touch()
    @hookimpl
    def seqtrain_metrics(self, step, metrics):
        '''Do nothing.'''
""",
        "caught_by": {"test_making_it_writes_nothing"},
    },
    "tracker: expects a fixed set of names": {
        "contract": "TrackerContract",
        "code": """
from seqtrain.plugin import hookimpl
class Mutant:
    '''Wants a training loss in every line.'''
    def __init__(self, config, *, folder):
        self.losses = []
    @hookimpl
    def seqtrain_metrics(self, step, metrics):
        '''Collect.'''
        self.losses.append(metrics["train/loss"])
""",
        "caught_by": {"test_it_takes_any_metrics"},
    },
    # --- records and settings
    "config: a setting without help": {
        "contract": "CriterionContract",
        "config": CONFIG
        + """
@dataclass(frozen=True, kw_only=True)
class MutantConfig:
    '''Settings.'''
    weight: float = 1.0
""",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Is all right itself.'''
""",
        "caught_by": {"test_every_setting_has_a_help_text"},
    },
    "config: can be changed after it was checked": {
        "contract": "CriterionContract",
        "config": CONFIG
        + """
@dataclass
class MutantConfig:
    '''Settings.'''
    weight: float = option(1.0, help="weight", ge=0)
""",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Is all right itself.'''
""",
        "caught_by": {"test_its_config_is_a_frozen_dataclass"},
    },
    "config: a default outside its own range": {
        "contract": "CriterionContract",
        "config": CONFIG
        + """
@dataclass(frozen=True, kw_only=True)
class MutantConfig:
    '''Settings.'''
    weight: float = option(-1.0, help="weight", ge=0)
""",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Is all right itself.'''
""",
        "members": "settings = {'weight': 1.0}",
        "caught_by": {"test_its_defaults_are_valid"},
    },
    "record: a summary that fills the screen": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
RECORD = {"summary": "very " * 20}
class Mutant(ToyCriterion):
    '''Is all right itself.'''
""",
        "caught_by": {"test_its_record_is_valid"},
    },
    "code: a public method without a docstring": {
        "contract": "CriterionContract",
        "code": CRITERION
        + """
class Mutant(ToyCriterion):
    '''Is all right itself.'''
    def temperature(self):
        return 1.0
""",
        "caught_by": {"test_what_it_exports_is_documented"},
    },
}


@pytest.fixture(scope="module")
def found(failing_tests) -> dict[str, set[str]]:
    """Which tests failed for each mutant."""
    return failing_tests(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mistake_is_caught(found: dict[str, set[str]], name: str) -> None:
    """The tests that are about the mistake fail, and no others."""
    assert MUTANTS[name]["caught_by"] == found[name]
