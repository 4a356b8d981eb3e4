"""Our own models, criteria, optimizers, schedulers, callbacks and trackers keep the contracts that everybody's do."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from seqtrain.registry.discovery import discover
from seqtrain.training.meta_model import shapes_of
from seqtrain_testing import contracts


class OwnModelContract(contracts.ModelContract):
    """Our own models can be compared with a checkpoint before there is memory for them, which others need not."""

    def test_its_shapes_are_known_without_memory(self, registry, selection, spec):
        """The same as with memory, and what is drawn at random afterwards is the same, too."""
        shapes = {name: each.shape for name, each in self._make(registry, selection, spec).state_dict().items()}
        before = torch.get_rng_state()

        found = shapes_of(lambda: self.build(registry, selection, spec=spec), len(shapes))

        assert found == shapes
        assert torch.equal(torch.get_rng_state(), before)


CONTRACTS = {
    "model": OwnModelContract,
    "criterion": contracts.CriterionContract,
    "optimizer": contracts.OptimizerContract,
    "lr_scheduler": contracts.LRSchedulerContract,
    "callback": contracts.CallbackContract,
    "tracker": contracts.TrackerContract,
}
_LIGHT = {
    "embed_dim": 16,
    "ffn_dim": 32,
    "attention_heads": 2,
    "encoder_widths": [3, 5],
    "decoder_widths": [3, 5],
}
SETTINGS = {  # where the defaults are too large for a test
    "transformer/transformer": {
        "encoder_layers": 1,
        "decoder_layers": 2,
        "embed_dim": 16,
        "ffn_dim": 32,
        "attention_heads": 2,
    },
    "transformer/transformer_lm": {"layers": 2, "embed_dim": 16, "ffn_dim": 32, "attention_heads": 2},
    "transformer/transformer_classifier": {"layers": 2, "embed_dim": 16, "ffn_dim": 32, "attention_heads": 2},
    "recurrent/lstm": {"embed_dim": 16, "hidden_dim": 16},
    "recurrent/lstm_lm": {"embed_dim": 16, "hidden_dim": 16},
    "recurrent/lstm_classifier": {"embed_dim": 16, "hidden_dim": 16},
    "conv/fconv": {"embed_dim": 16, "encoder_layers": "16x3*2", "decoder_layers": "16x3*2"},
    "conv/fconv_lm": {"embed_dim": 16, "layers": "16x3*2"},
    "conv/lightconv": _LIGHT,
    "conv/dynamicconv": _LIGHT,
    "conv/cnn_classifier": {"embed_dim": 16, "channels": 8},
    "optim/freeze": {"parameters": ["embedding.*"]},  # of the toy model
    "optim/manual": {"factors": {"100": 0.5, "5000": 0.1}},  # it has no default
}


def contract_of(registered, **attributes):
    """Make a test class of a component."""
    name = f"Test_{registered.component.kind}_{registered.component.name}"
    settings = SETTINGS.get(registered.qualified_name, {})
    return type(
        name,
        (CONTRACTS[registered.component.kind],),
        {"name": registered.qualified_name, "settings": settings, **attributes},
    )


for _each in discover().components():
    if _each.component.kind in CONTRACTS:
        globals()[f"Test_{_each.component.kind}_{_each.component.name}"] = contract_of(_each)


class TestToyModel(contracts.ModelContract):
    """The toy model, which other components are tried on."""

    name = "toy/toy"


class TestToyLanguageModel(contracts.ModelContract):
    """The same, on text that is continued."""

    name = "toy/toy"
    form = "lm"


class TestToyMaskedLanguageModel(contracts.ModelContract):
    """The same, on text with gaps."""

    name = "toy/toy"
    form = "masked_lm"


class TestTransformerMaskedLanguageModel(contracts.ModelContract):
    """The encoder that has no classes fills in masked tokens."""

    name = "transformer/transformer_classifier"
    form = "masked_lm"
    settings: ClassVar = SETTINGS["transformer/transformer_classifier"]


class TestAdaptiveTransformerLM(contracts.ModelContract):
    """A language model with an adaptive softmax."""

    name = "transformer/transformer_lm"
    settings: ClassVar = {
        **SETTINGS["transformer/transformer_lm"], "tie_embeddings": False, "adaptive_softmax": [8, 16],
    }  # fmt: skip


class TestTransformerWithLayerDrop(contracts.ModelContract):
    """A layer that is left out has no gradient; runs are repeated and resumed bit for bit all the same."""

    name = "transformer/transformer_lm"
    settings: ClassVar = {**SETTINGS["transformer/transformer_lm"], "layer_drop": 0.3}

    @pytest.fixture
    def run_settings(self, data_form):
        optimizer = ["optimizer.name=optim/adamw", "optimizer.weight_decay=0.1", "callbacks.ema.decay=0.9"]
        return [f"task.form={data_form}", *self.setting_words, *optimizer, "trainer.clip_norm=0.5"]

    @pytest.mark.skip(reason="it says so: a layer that is left out has none")
    def test_every_trainable_parameter_gets_a_finite_gradient(self):
        pass


class TestMaskedLMCriterion(contracts.CriterionContract):
    """Masked tokens alone are targets."""

    name = "criteria/masked_lm"
    form = "masked_lm"


class TestToyClassifier(contracts.ModelContract):
    """The same, on text that is labelled."""

    name = "toy/toy"
    form = "classify"


class TestToyCriterion(contracts.CriterionContract):
    """The toy criterion."""

    name = "toy/toy"


class TestToyCriterionOfLabels(contracts.CriterionContract):
    """The toy criterion, on labels."""

    name = "toy/toy"
    form = "classify"


class TestCrossEntropyOfLabels(contracts.CriterionContract):
    """Cross entropy on labels."""

    name = "criteria/cross_entropy"
    form = "classify"


class TestCrossEntropyWithZLoss(contracts.CriterionContract):
    """Cross entropy that keeps logits small."""

    name = "criteria/cross_entropy"
    settings: ClassVar = {"z_loss": 0.1}


class TestRDropOfLabels(contracts.CriterionContract):
    """R-Drop on labels."""

    name = "criteria/rdrop"
    form = "classify"


class TestSentencePredictionWithWeights(contracts.CriterionContract):
    """Labels that count unequally, smoothed."""

    name = "criteria/sentence_prediction"
    settings: ClassVar = {"class_weights": [1.0, 0.5, 3.0], "label_smoothing": 0.1}


class TestAdamWThatSparesNorms(contracts.OptimizerContract):
    """AdamW with two parameter groups."""

    name = "optim/adamw"
    settings: ClassVar = {"weight_decay": 0.5, "decay_norms_and_biases": False}


class TestToyOptimizer(contracts.OptimizerContract):
    """The toy optimizer."""

    name = "toy/toy"


class TestToyLRScheduler(contracts.LRSchedulerContract):
    """The toy scheduler."""

    name = "toy/toy"
