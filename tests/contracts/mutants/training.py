"""Parts of training with one mistake each; most differ from the toy parts in one respect."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mutants.mutant import Mutants
from seqtrain.api import ModelSpec
from seqtrain.plugin import hookimpl
from seqtrain_testing import contracts
from seqtrain_testing.toy import ToyCriterion, ToyModel
from seqtrain_testing.toy_config import ToyModelConfig

models = Mutants(contracts.ModelContract)


class DefaultToyModel(ToyModel):
    """The toy model, which has no mistake, with its default settings."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__(ToyModelConfig(), spec=spec)


@models.caught_by("test_padding_changes_nothing", "test_other_sentences_of_a_batch_change_nothing")
class AttendsToPadding(DefaultToyModel):
    """Averages over padding too."""

    def _mean(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens).mean(1)


@models.caught_by("test_other_sentences_of_a_batch_change_nothing")
class NormalisesOverTheBatch(DefaultToyModel):
    """Centres each feature over all sentences."""

    def _mean(self, tokens: Tensor) -> Tensor:
        features = super()._mean(tokens)
        return features - features.mean(0)


@models.caught_by("test_no_position_sees_what_follows_it")
class SeesTheNextToken(nn.Module):
    """Mixes in the position to the right."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.vocab_size, 8)
        self.output = nn.Linear(8, spec.vocab_size)

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor) -> Tensor:
        """Return logits."""
        features = self.embedding(prev_output_tokens)
        following = torch.cat([features[:, 1:], torch.zeros_like(features[:, :1])], 1)
        real = (torch.cat([prev_output_tokens[:, 1:], torch.ones_like(prev_output_tokens[:, :1])], 1) != 1)[..., None]
        return self.output(features + following * real)


@models.caught_by("test_it_has_the_rows_that_it_describes")
class DescribesTheRowsOfWhatItHasNot(DefaultToyModel):
    """Calls its table by another name."""

    row_meanings = {"tokens": "target"}


@models.caught_by("test_every_trainable_parameter_gets_a_finite_gradient")
class AParameterThatIsNeverUsed(DefaultToyModel):
    """Has a weight too many."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__(config, spec=spec)
        self.forgotten = nn.Parameter(torch.zeros(3))


@models.caught_by("test_its_state_survives_saving_and_loading")
class WhatMattersIsNotInTheStateDict(DefaultToyModel):
    """Scales by a tensor that is no buffer."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__(config, spec=spec)
        self.scale = torch.rand(spec.vocab_size)

    def forward(self, **net_input: Any) -> Tensor:
        """Return logits."""
        return super().forward(**net_input) * self.scale

    @property
    def output_projection(self) -> nn.Linear:
        """None, in truth."""
        raise AttributeError


@models.caught_by(
    "test_the_same_seed_gives_the_same_result",
    "test_the_same_run_ends_the_same",
    "test_an_interrupted_run_goes_on_to_the_bit",
)
class DrawsDropoutFromAGeneratorOfItsOwn(ToyModel):
    """Uses Python's random numbers."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__(ToyModelConfig(dropout=0.0), spec=spec)

    def _mean(self, tokens: Tensor) -> Tensor:
        return super()._mean(tokens) * (1 + 0.1 * random.random() * self.training)


class ForgetsToDrop:
    """Remembers nothing of the target, and need not."""

    def __init__(self, mean: Tensor) -> None:
        self.mean = mean

    def reorder(self, rows: Tensor) -> None:
        """Do nothing."""

    def keep(self, sentences: Tensor) -> None:
        """Forget to drop the others' rows in the right places."""
        self.mean = self.mean[: len(sentences) * (len(self.mean) // 5)]


@models.caught_by(
    "test_incremental_decoding_equals_full_decoding",
    "test_sentences_may_be_dropped_before_the_first_step",
    "test_any_history_of_decoding_equals_full_decoding",
)
class TheCacheDisagreesWithFullDecoding(DefaultToyModel):
    """Decodes with the encoder's output of another sentence once one was dropped."""

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> ForgetsToDrop:
        """Read the source."""
        return ForgetsToDrop(self._mean(net_input["source_tokens"]).repeat_interleave(beam, 0))

    def decode_step(self, tokens: Tensor, state: ForgetsToDrop, /) -> Tensor:
        """Return logits."""
        return self.output(self.embedding(tokens) + state.mean[:, None])


class Total:
    """The sum of what was read, (B, W, D)."""

    def __init__(self, total: Tensor) -> None:
        self.total = total

    def reorder(self, rows: Tensor) -> None:
        """Move rows."""
        self.total = self.total.flatten(0, 1)[rows].view_as(self.total)

    def keep(self, sentences: Tensor) -> None:
        """Keep these."""
        self.total = self.total[sentences]


class SumsWhatItReads(DefaultToyModel):
    """Has no mistake in what it reads at once."""

    def forward(self, tokens: Tensor, features_only: bool = False) -> Tensor:
        """Return logits."""
        features = self.embedding(tokens).cumsum(1)
        return features if features_only else self.output(features)

    def decode_step(self, tokens: Tensor, state: Total, /) -> Tensor:
        """Return logits."""
        read = self.embedding(tokens).view(*state.total.shape[:2], tokens.shape[1], -1).cumsum(2)  # (B, W, T, D)
        read = read + state.total[:, :, None]
        state.total = read[:, :, -1]
        return self.output(read.flatten(0, 1))


@models.caught_by(form="lm")
class KeepsTheTotal(SumsWhatItReads):
    """Has no mistake."""

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> Total:
        """Start with the prompt."""
        return Total(self.embedding(net_input["tokens"]).sum(1, keepdim=True).repeat(1, beam, 1))


@models.caught_by(
    "test_incremental_decoding_equals_full_decoding",
    "test_several_tokens_may_be_appended_at_once",
    "test_sentences_may_be_dropped_before_the_first_step",
    "test_any_history_of_decoding_equals_full_decoding",
    form="lm",
)
class ForgetsThePrompt(SumsWhatItReads):
    """Leaves out what it was to read first."""

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> Total:
        """Start with nothing."""
        return Total(torch.zeros(len(net_input["tokens"]), beam, self.embedding.embedding_dim))


@models.caught_by(
    "test_several_tokens_may_be_appended_at_once", "test_any_history_of_decoding_equals_full_decoding", form="lm"
)
class TakesOneTokenAtATime(KeepsTheTotal):
    """Of several it forgets all but the last."""

    def decode_step(self, tokens: Tensor, state: Total, /) -> Tensor:
        """Return logits."""
        state.total = state.total + self.embedding(tokens[:, -1]).view_as(state.total)
        return self.output(state.total.flatten(0, 1)[:, None]).repeat(1, tokens.shape[1], 1)


@models.caught_by("test_features_and_projection_give_the_logits")
class FeaturesThatAreNotThoseOfTheLogits(DefaultToyModel):
    """Projects something else."""

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor, features_only: bool = False) -> Tensor:
        """Return logits, or features before they are squashed."""
        features = super().forward(None, source_tokens, prev_output_tokens, True)
        return features if features_only else self.output(features.tanh())


criteria = Mutants(contracts.CriterionContract)


@criteria.caught_by("test_the_loss_is_a_sum_with_a_count")
class AMeanInsteadOfASum(ToyCriterion):
    """Divides by the count."""

    def __call__(self, model: Any, sample: Any, /) -> tuple[Any, Any, Any]:
        loss, size, logged = super().__call__(model, sample)
        return loss / size, size, {**logged, "loss": (loss / size).detach()}


@criteria.caught_by(
    "test_the_loss_is_a_sum_with_a_count", "test_padding_changes_nothing", "test_padding_changes_no_gradient"
)
class CountsPadding(ToyCriterion):
    """Ignores nothing."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        self._ignored = -100


@criteria.caught_by("test_the_loss_is_a_sum_with_a_count", "test_padding_changes_nothing")
class ItsCountIncludesPadding(ToyCriterion):
    """Counts positions."""

    def __call__(self, model: Any, sample: Any, /) -> tuple[Any, Any, Any]:
        loss, _, logged = super().__call__(model, sample)
        return loss, sample.target.numel(), logged


class Doubled(torch.autograd.Function):
    """A gradient twice too long."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor) -> Tensor:
        """Do nothing."""
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        """Double it."""
        return 2 * grad_output


@criteria.caught_by("test_the_gradient_is_that_of_the_loss")
class AGradientThatIsNotTheLosss(ToyCriterion):
    """Returns a loss with a wrong gradient."""

    def __call__(self, model: Any, sample: Any, /) -> tuple[Any, Any, Any]:
        loss, size, logged = super().__call__(model, sample)
        return Doubled.apply(loss), size, logged


class Unscaled(torch.autograd.Function):
    """A gradient that does not care what the loss was multiplied by."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor) -> Tensor:
        """Do nothing."""
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        """Forget the factor."""
        return torch.ones_like(grad_output)


@criteria.caught_by("test_scaling_the_loss_scales_the_gradient")
class AGradientThatIgnoresItsScale(ToyCriterion):
    """Returns a loss that cannot be scaled."""

    def __call__(self, model: Any, sample: Any, /) -> tuple[Any, Any, Any]:
        loss, size, logged = super().__call__(model, sample)
        return Unscaled.apply(loss), size, logged


@criteria.caught_by("test_it_returns_a_loss_a_count_and_sums")
class LogsTensorsThatHoldOnToTheGraph(ToyCriterion):
    """Forgets to detach."""

    def __call__(self, model: Any, sample: Any, /) -> tuple[Any, Any, Any]:
        loss, size, logged = super().__call__(model, sample)
        return loss, size, {**logged, "loss": loss}


@criteria.caught_by("test_every_real_target_counts", record={"for_tasks": ("classify",)})
class TakesALabelForPadding(ToyCriterion):
    """Ignores the label that has the number of the padding id."""

    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        self._ignored = spec.padding


optimizers = Mutants(contracts.OptimizerContract)


class PlainSGD(torch.optim.SGD):
    """Has no mistake."""

    def __init__(self, config: object, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, lr=0.01)

    def trained(self) -> Iterator[tuple[dict[str, Any], nn.Parameter]]:
        """Yield parameters that have a gradient, each with its group."""
        return ((group, each) for group in self.param_groups for each in group["params"] if each.grad is not None)


@optimizers.caught_by("test_its_state_survives_saving_and_loading", "test_an_interrupted_run_goes_on_to_the_bit")
class StateThatIsNotInTheStateDict(PlainSGD):
    """Keeps its momentum to itself."""

    def __init__(self, config: object, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(config, parameters=parameters)
        self.velocity: dict[nn.Parameter, Any] = {}

    def step(self, closure: None = None) -> None:
        """Update with momentum."""
        for group, each in self.trained():
            self.velocity[each] = 0.9 * self.velocity.get(each, 0) + each.grad
            each.data -= group["lr"] * self.velocity[each]


@optimizers.caught_by("test_the_learning_rate_is_obeyed")
class ALearningRateOfItsOwn(PlainSGD):
    """Decays weights whatever the rate."""

    def step(self, closure: None = None) -> None:
        """Update and decay."""
        super().step()
        for _, each in self.trained():
            each.data *= 0.999


@optimizers.caught_by("test_its_groups_hold_every_parameter_once", "test_it_takes_parameters_from_a_generator")
class ForgetsAParameter(PlainSGD):
    """Takes the matrices only."""

    def __init__(self, config: object, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(config, parameters=[each for each in parameters if each.dim() > 1])


@optimizers.caught_by("test_it_lowers_a_loss")
class Climbs(torch.optim.SGD):
    """Has the sign wrong."""

    def __init__(self, config: object, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, lr=0.01, maximize=True)


schedulers = Mutants(contracts.LRSchedulerContract)


class Scheduler:
    """Knows how long the run is."""

    def __init__(self, config: object, *, total_steps: int | None) -> None:
        self.total: Any = total_steps


@schedulers.caught_by("test_the_factor_depends_on_the_step_alone", "test_an_interrupted_run_goes_on_to_the_bit")
class CountsItsCalls:
    """Trusts that it is called once a step."""

    def __init__(self, config: object, *, total_steps: int | None) -> None:
        self.calls = 0

    def __call__(self, step: int, /) -> float:
        self.calls += 1
        return self.calls**-0.5


@schedulers.caught_by("test_the_first_update_moves_something")
class BeginsAtZero(Scheduler):
    """Warms up from step 0."""

    def __call__(self, step: int, /) -> float:
        return min(1.0, (step - 1) / 10)


@schedulers.caught_by("test_it_reaches_the_learning_rate_that_was_set")
class ReturnsALearningRate(Scheduler):
    """Gives a rate where a factor is wanted."""

    def __call__(self, step: int, /) -> float:
        return 5e-4


@schedulers.caught_by("test_a_run_without_limit_is_served_or_refused")
class DividesByALimitThatMayBeMissing(Scheduler):
    """Falls in a straight line."""

    def __call__(self, step: int, /) -> float:
        return max(0.0, 1 - (step - 1) / self.total)


callbacks = Mutants(contracts.CallbackContract)


class Callback:
    """Has no settings."""

    def __init__(self, config: object) -> None:
        self.steps = 0


@callbacks.caught_by("test_its_state_survives_saving_and_loading", "test_an_interrupted_run_goes_on_to_the_bit")
class StateThatDoesNotComeBack(Callback):
    """Counts steps and forgets them."""

    @hookimpl
    def seqtrain_step_end(self) -> None:
        """Count."""
        self.steps += 1

    def state_dict(self) -> dict[str, int]:
        """Return the count."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Forget to take it over."""


@callbacks.caught_by("test_an_interrupted_run_goes_on_to_the_bit")
class ChangesTrainingByWhatItDoesNotSave(Callback):
    """Shrinks the weights at its own third step."""

    @hookimpl
    def seqtrain_step_end(self, trainer: Any) -> None:
        """Count, and act."""
        self.steps += 1
        if self.steps > 3:
            with torch.no_grad():
                next(trainer.model.parameters()).mul_(0.5)


@callbacks.caught_by(
    "test_its_hooks_can_be_called",
    "test_the_same_run_ends_the_same",
    "test_an_interrupted_run_goes_on_to_the_bit",
    "test_its_state_survives_saving_and_loading",
    "test_what_it_does_to_the_model_is_done_to_a_loaded_one",
)
class AMisspelledHook(Callback):
    """Would watch, if the hook existed."""

    @hookimpl
    def seqtrain_step_ended(self, trainer: Any) -> None:
        """Never be called."""


@callbacks.caught_by(
    "test_what_it_does_to_the_model_is_done_to_a_loaded_one", "test_an_interrupted_run_goes_on_to_the_bit"
)
class ChangesTheModelOnlyWhenTrainingStarts(Callback):
    """Puts something in the model's way."""

    @hookimpl
    def seqtrain_run_start(self, trainer: Any) -> None:
        """Add a layer."""
        trainer.model.register_buffer("scale", torch.ones(1))


trackers = Mutants(contracts.TrackerContract)


class Tracker:
    """Tracks nothing."""

    def __init__(self, config: object, *, folder: Path) -> None:
        pass

    @hookimpl
    def seqtrain_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""


@trackers.caught_by("test_the_run_is_what_it_is_without", "test_an_interrupted_run_goes_on_to_the_bit")
class ChangesTheRun(Tracker):
    """Rounds the weights."""

    @hookimpl
    def seqtrain_run_start(self, trainer: Any) -> None:
        """Meddle."""
        trainer.model.half().float()


@trackers.caught_by("test_making_it_writes_nothing")
class OpensItsFileWhenItIsMade(Tracker):
    """Leaves an empty file behind on every rank."""

    def __init__(self, config: object, *, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.csv").touch()


@trackers.caught_by("test_it_takes_any_metrics")
class ExpectsAFixedSetOfNames:
    """Wants a training loss in every line."""

    def __init__(self, config: object, *, folder: Path) -> None:
        self.losses: list[float] = []

    @hookimpl
    def seqtrain_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Collect."""
        self.losses.append(metrics["train/loss"])


# --- records and settings of components that are all right themselves


@criteria.caught_by("test_every_setting_has_a_help_text", record={"config": "mutants.configs:NoHelp"})
class ASettingWithoutHelp(ToyCriterion):
    """Is all right itself."""


@criteria.caught_by("test_its_config_is_a_frozen_dataclass", record={"config": "mutants.configs:NotFrozen"})
class SettingsThatCanBeChanged(ToyCriterion):
    """Is all right itself."""


@criteria.caught_by(
    "test_its_defaults_are_valid", record={"config": "mutants.configs:DefaultOutOfRange"}, settings={"weight": 1.0}
)
class ADefaultOutsideItsOwnRange(ToyCriterion):
    """Is all right itself."""


@criteria.caught_by("test_its_record_is_valid", record={"summary": "very " * 20})
class ASummaryThatFillsTheScreen(ToyCriterion):
    """Is all right itself."""


@criteria.caught_by("test_what_it_exports_is_documented")
class APublicMethodWithoutADocstring(ToyCriterion):
    """Is all right itself."""

    def temperature(self) -> float:
        return 1.0


MUTANTS = [*models, *criteria, *optimizers, *schedulers, *callbacks, *trackers]
