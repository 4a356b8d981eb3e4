"""What holds for every model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

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
from seqtrain_testing.decoding import TOLERANCE, Decoding, follow_random_histories


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
        """Loaded into a model with other weights, the state gives the same logits bit for bit."""
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

    @pytest.fixture
    def decodings(self, model: nn.Module, data_form: samples.Form, batch: Batch) -> Callable[[int], Iterator[Decoding]]:
        """Start decoding with a beam; a language model with nothing, and with prompts."""
        if not isinstance(model, IncrementalModel):
            pytest.skip("it does not decode incrementally")

        def start(beam: int) -> Iterator[Decoding]:
            if data_form == "lm":
                for length in (0, 2):
                    yield Decoding(model, {"tokens": batch.net_input["tokens"][:, :length]}, beam)
            else:
                yield Decoding(model, {"source_tokens": batch.net_input["source_tokens"]}, beam)

        return start

    @pytest.mark.parametrize("beam", [1, 3])
    def test_incremental_decoding_equals_full_decoding(
        self, decodings: Callable[[int], Iterator[Decoding]], beam: int
    ) -> None:
        """Token by token, with rows reordered and sentences dropped, the logits are those of the whole prefix."""
        for decoding in decodings(beam):
            for step in range(6):
                decoding.append(1)
                if step == 2:
                    decoding.reorder()
                if step == 3:
                    decoding.keep(range(1, decoding.sentences))

    @pytest.mark.parametrize("beam", [1, 3])
    def test_several_tokens_may_be_appended_at_once(
        self, decodings: Callable[[int], Iterator[Decoding]], beam: int
    ) -> None:
        """At first or later; each has the logits that it has when appended alone."""
        for decoding in decodings(beam):
            for count in (3, 1, 5):
                decoding.append(count)

    def test_sentences_may_be_dropped_before_the_first_step(
        self, decodings: Callable[[int], Iterator[Decoding]]
    ) -> None:
        """The others keep what was read of their source or prompt."""
        for decoding in decodings(2):
            decoding.keep(range(0, decoding.sentences, 2))
            decoding.append(1)

    def test_any_history_of_decoding_equals_full_decoding(self, model: nn.Module, data_form: samples.Form) -> None:
        """Whichever rows continue which, and whichever sentences end when, the logits are those of the prefixes."""
        if not isinstance(model, IncrementalModel):
            pytest.skip("it does not decode incrementally")
        follow_random_histories(model, data_form)


@torch.no_grad()
def _real_logits(model: nn.Module, form: samples.Form, batch: Batch) -> Tensor:
    logits: Tensor = model(**batch.net_input)
    return logits[samples.is_real(form, batch)]


def _assert_close(expected: Tensor, actual: Tensor) -> None:
    torch.testing.assert_close(actual.float(), expected.float(), **TOLERANCE)
