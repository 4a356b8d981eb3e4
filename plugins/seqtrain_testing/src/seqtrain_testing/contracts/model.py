"""What holds for every model."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.config.option import Selection
from seqtrain.protocols import DescribesRows, IncrementalModel, ModelSpec, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing, leaves
from seqtrain_testing import samples
from seqtrain_testing.contracts.training import BatchContract

_TOLERANCE = 1e-5  # in logits; float32 sums in another order


class ModelContract(BatchContract):
    """A model reads a batch's net_input and gives logits, whatever stands beside a sentence in the batch."""

    kind = "model"

    @pytest.fixture
    def model(self, registry: Registry, selection: Selection, spec: ModelSpec) -> nn.Module:
        """The model with initial weights, in evaluation mode."""
        return self._make(registry, selection, spec).eval()

    def _make(self, registry: Registry, selection: Selection, spec: ModelSpec, seed: int = 1) -> nn.Module:
        torch.manual_seed(seed)
        model = self.build(registry, selection, spec=spec)
        assert isinstance(model, nn.Module)
        return model

    def test_it_gives_logits_for_every_target(self, model: nn.Module, batch: Batch, spec: ModelSpec) -> None:
        """Logits are finite floats of shape (B, T, V), or (B, C) for labels."""
        logits = model(**batch.net_input)

        assert logits.is_floating_point()
        assert (*batch.target.shape, spec.num_classes or spec.vocab_size) == logits.shape
        assert bool(torch.isfinite(logits).all())

    def test_every_trainable_parameter_gets_a_finite_gradient(
        self, registry: Registry, selection: Selection, spec: ModelSpec, batch: Batch
    ) -> None:
        """Nothing is left out of the forward pass, and nothing overflows."""
        model = self._make(registry, selection, spec).train()
        logits = model(**batch.net_input)
        logits.float().log_softmax(-1)[..., 0].sum().backward()
        trained = [(name, each) for name, each in model.named_parameters() if each.requires_grad]

        assert trained != []
        assert [name for name, each in trained if each.grad is None] == []
        assert [name for name, each in trained if not bool(torch.isfinite(cast("Tensor", each.grad)).all())] == []

    def test_padding_changes_nothing(
        self, model: nn.Module, data_form: samples.Form, examples: list[samples.Example]
    ) -> None:
        """Three more positions of padding leave the logits of the real ones as they are."""
        narrow, wide = (samples.make_batch(data_form, examples, extra_padding=extra) for extra in (0, 3))

        _assert_close(_real_logits(model, data_form, narrow), _real_logits(model, data_form, wide))

    def test_other_sentences_of_a_batch_change_nothing(
        self, model: nn.Module, data_form: samples.Form, examples: list[samples.Example]
    ) -> None:
        """A sentence has the same logits alone and among others."""
        together = _real_logits(model, data_form, samples.make_batch(data_form, examples))
        alone = [_real_logits(model, data_form, samples.make_batch(data_form, [each])) for each in examples]

        _assert_close(torch.cat(alone), together)

    def test_no_position_sees_what_follows_it(
        self, model: nn.Module, data_form: samples.Form, batch: Batch, spec: ModelSpec
    ) -> None:
        """Another last token leaves the logits of the positions before it as they are."""
        if data_form in ("classify", "masked_lm"):
            pytest.skip("it reads the whole text")
        key = "prev_output_tokens" if data_form == "translation" else "tokens"
        read = batch.net_input[key]
        other = read.clone()
        other[:, -1] = (read[:, -1] + 1) % spec.vocab_size

        with torch.no_grad():
            before, after = (model(**{**batch.net_input, key: tokens})[:, :-1] for tokens in (read, other))
        real = samples.is_real(data_form, batch)[:, :-1]
        _assert_close(before[real], after[real])

    def test_its_state_survives_saving_and_loading(
        self, registry: Registry, selection: Selection, spec: ModelSpec, batch: Batch
    ) -> None:
        """Loaded into a model with other weights, the state gives the same logits to the bit."""
        first, second = (self._make(registry, selection, spec, seed).eval() for seed in (1, 2))
        second.load_state_dict(first.state_dict())

        assert differing(leaves(first.state_dict()), leaves(second.state_dict())) == []
        with torch.no_grad():
            assert torch.equal(first(**batch.net_input), second(**batch.net_input))

    def test_the_same_seed_gives_the_same_result(
        self, registry: Registry, selection: Selection, spec: ModelSpec, batch: Batch
    ) -> None:
        """Initial weights and dropout depend on torch's seed alone."""
        models = [self._make(registry, selection, spec).train() for _ in range(2)]
        logits = []
        for model in models:
            torch.manual_seed(7)
            logits.append(model(**batch.net_input))

        assert differing(*(leaves(model.state_dict()) for model in models)) == []
        assert torch.equal(*logits)

    def test_features_and_projection_give_the_logits(self, model: nn.Module, batch: Batch) -> None:
        """A model that offers its features has an output projection that turns them into its logits."""
        if not isinstance(model, OffersFeatures):
            pytest.skip("it does not offer features")
        with torch.no_grad():
            features = cast("nn.Module", model)(**batch.net_input, features_only=True)

            _assert_close(cast("nn.Module", model)(**batch.net_input), model.output_projection(features))

    def test_features_and_adaptive_softmax_give_the_log_probabilities(self, model: nn.Module, batch: Batch) -> None:
        """A model that offers an adaptive softmax gives that layer's log-probabilities of its features."""
        if not isinstance(model, OffersAdaptiveSoftmax):
            pytest.skip("it does not offer an adaptive softmax")
        with torch.no_grad():
            features = cast("nn.Module", model)(**batch.net_input, features_only=True)
            log_probs = model.adaptive_softmax.log_prob(features.flatten(0, -2)).view(*features.shape[:-1], -1)

            _assert_close(cast("nn.Module", model)(**batch.net_input), log_probs)

    def test_it_has_the_rows_that_it_describes(self, model: nn.Module, spec: ModelSpec) -> None:
        """A module with rows for ids is there, and has one for each, or belongs to all of them at once."""
        if not isinstance(model, DescribesRows):
            pytest.skip("it does not describe its rows")
        sizes = {"target": spec.vocab_size, "source": spec.source_vocab_size, "classes": spec.num_classes}
        for name, meaning in model.row_meanings.items():
            rows = {each.shape[0] for each in cast("nn.Module", model).get_submodule(name).parameters()}

            assert rows != set()
            assert rows == {sizes.get(meaning)} or sizes.get(meaning, 0) not in rows

    @pytest.mark.parametrize("beam", [1, 3])
    def test_incremental_decoding_equals_full_decoding(
        self, model: nn.Module, data_form: samples.Form, batch: Batch, beam: int
    ) -> None:
        """Token by token, with rows reordered and sentences dropped, the logits are those of the whole prefix."""
        if not isinstance(model, IncrementalModel):
            pytest.skip("it does not decode incrementally")
        for prompt_length in (0, 2) if data_form == "lm" else (0,):
            decode_and_compare(model, data_form, batch, beam, prompt_length)


@torch.no_grad()
def decode_and_compare(model: Any, form: samples.Form, batch: Batch, beam: int, prompt_length: int = 0) -> None:
    """
    Follow random prefixes through a model's cache and through its forward pass.

    Half-way, rows change places within their sentences, and the first sentence is dropped. A language model has
    `prompt_length` tokens to read first.
    """
    rng = torch.Generator().manual_seed(1)
    sentences = len(batch)
    prefixes = torch.full((sentences * beam, 1), samples.BOS)
    net_input = dict(batch.net_input)
    if form == "lm":
        net_input["tokens"] = net_input["tokens"][:, :prompt_length]
        prefixes = torch.cat([net_input["tokens"].repeat_interleave(beam, dim=0), prefixes], dim=1)
    state = model.start_decoding(net_input, beam=beam)
    tokens = prefixes[:, -1:]
    for step in range(6):
        logits = model.decode_step(tokens, state)[:, -1]
        _assert_close(_full_logits(model, form, net_input, prefixes, beam), logits)
        if step == 2:
            first = torch.arange(sentences).repeat_interleave(beam) * beam
            rows = first + torch.randint(beam, (sentences * beam,), generator=rng)
            state.reorder(rows)
            prefixes = prefixes[rows]
        if step == 3:
            kept = torch.arange(1, sentences)
            state.keep(kept)
            net_input = {key: value[1:] for key, value in net_input.items()}
            prefixes, sentences = prefixes[beam:], sentences - 1
        tokens = torch.randint(4, samples.VOCABULARY, (sentences * beam, 1), generator=rng)
        prefixes = torch.cat([prefixes, tokens], dim=1)


def _full_logits(model: Any, form: samples.Form, net_input: dict[str, Tensor], prefixes: Tensor, beam: int) -> Tensor:
    key = "prev_output_tokens" if form == "translation" else "tokens"
    repeated = {name: each.repeat_interleave(beam, dim=0) for name, each in net_input.items()}
    logits: Tensor = model(**{**repeated, key: prefixes})
    return logits[:, -1]


@torch.no_grad()
def _real_logits(model: nn.Module, form: samples.Form, batch: Batch) -> Tensor:
    logits: Tensor = model(**batch.net_input)
    return logits[samples.is_real(form, batch)]


def _assert_close(expected: Tensor, actual: Tensor) -> None:
    torch.testing.assert_close(actual.float(), expected.float(), rtol=0, atol=_TOLERANCE)
