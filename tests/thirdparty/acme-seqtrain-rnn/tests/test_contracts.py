"""What seqtrain asks of components of these kinds."""

from __future__ import annotations

from seqtrain.testing.contracts import CallbackContract, CommandContract, CriterionContract, ModelContract


class TestRNN(ModelContract):
    """The model, in one layer."""

    name = "rnn"
    settings = {"hidden": 16, "dropout": 0.2}


class TestDeepRNN(ModelContract):
    """The model, in three layers."""

    name = "acme-seqtrain-rnn/rnn"
    settings = {"hidden": 12, "layers": 3}


class TestFocal(CriterionContract):
    """The criterion on sentences."""

    name = "focal"


class TestFocalOfLabels(CriterionContract):
    """The criterion on labels."""

    name = "focal"
    form = "classify"
    settings = {"focus": 1.0}


class TestWeightGrowth(CallbackContract):
    """The callback, looking after each step."""

    name = "weight_growth"
    settings = {"every": {"steps": 1}}


class TestCurve(CommandContract):
    """The command."""

    name = "curve"
