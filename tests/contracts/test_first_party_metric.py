"""Our own metrics keep the contract that everybody's do, whether they measure texts or other results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from seqtrain.registry.discovery import discover
from seqtrain_classify.results import LabelResults, NumberResults
from seqtrain_classify.tallies import LabelSetTally, join_label_sets
from seqtrain_lm.likelihood import TextLikelihood, TextSize
from seqtrain_testing.contracts import MetricContract


class OnTexts(MetricContract):
    """Texts as they are."""


class OnLikelihoods(MetricContract):
    """A text is improbable as far as it differs from its reference."""

    def results_of(self, predictions: Sequence[str], references: Sequence[str]) -> object:
        nats = [len(theirs) + 3.0 * (ours != theirs) for ours, theirs in zip(predictions, references, strict=True)]
        chars = sum(len(each) + 1 for each in references)
        size = TextSize(chars=chars, num_bytes=chars, words=sum(len(each.split()) + 1 for each in references))
        return TextLikelihood(nats=math.fsum(nats), num_tokens=chars, size=size, context=8, stride=4)


class OnLabels(MetricContract):
    """A text is a label; there is another one besides, as a task has two at least."""

    def results_of(self, predictions: Sequence[str], references: Sequence[str]) -> object:
        labels = sorted({*predictions, *references, "another label"})
        return LabelResults(
            *(np.array([labels.index(each) for each in side]) for side in (predictions, references)), labels
        )


class OnLabelSets(MetricContract):
    """A text's words are its labels."""

    def results_of(self, predictions: Sequence[str], references: Sequence[str]) -> object:
        labels = sorted({word for each in (*predictions, *references) for word in each.split()} | {"a", "b"})
        answers, expected = (
            np.array([[label in each.split() for label in labels] for each in side])
            for side in (predictions, references)
        )
        tally = LabelSetTally(len(labels))
        tally.add(np.arange(len(answers)), answers, expected)
        return join_label_sets([tally.told()], labels)


class OnNumbers(MetricContract):
    """A text is a number: how long it is."""

    def results_of(self, predictions: Sequence[str], references: Sequence[str]) -> object:
        return NumberResults(*(np.float32([len(each) ** 2 for each in side]) for side in (predictions, references)))


FORMS: dict[str, tuple[type[MetricContract], ...]] = {
    "translation": (OnTexts,),
    "lm": (OnLikelihoods,),
    "classify/accuracy": (OnLabels, OnLabelSets),
    "classify/macro_f1": (OnLabels, OnLabelSets),
    "classify/micro_f1": (OnLabels, OnLabelSets),
    "classify/mcc": (OnLabels,),
    "classify/pearson": (OnNumbers,),
    "classify/spearman": (OnNumbers,),
}
for _form in (OnTexts, OnLikelihoods, OnLabels, OnLabelSets, OnNumbers):
    _form.__test__ = False  # by itself it names no metric

_METRICS = [each for each in discover().components("metric") if each.plugin.id in ("translation", "lm", "classify")]
for _each in _METRICS:
    for _form in FORMS.get(_each.qualified_name) or FORMS[_each.plugin.id]:
        _name = f"Test_{_each.component.name}_{_form.__name__}"
        _members: dict[str, Any] = {"name": _each.qualified_name, "__test__": True}
        globals()[_name] = type(_name, (_form,), _members)


@pytest.mark.parametrize("plugin", ["translation", "lm", "classify"])
def test_every_task_package_brings_metrics(plugin: str) -> None:
    """So that the classes above are not none by mistake."""
    assert len([each for each in _METRICS if each.plugin.id == plugin]) >= 3
