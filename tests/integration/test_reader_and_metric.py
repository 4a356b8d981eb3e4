"""A reader and a metric of another plugin, in whole runs."""

from __future__ import annotations

import json

import pytest

PARTS = """
from __future__ import annotations

import json
from dataclasses import dataclass

from seqtrain.plugin import Component, hookimpl, option


@hookimpl
def seqtrain_components():
    for kind, name, ref, config in (
        ("reader", "objects", "jsonl", "JSONLConfig"),
        ("metric", "length", "Length", "LengthConfig"),
    ):
        yield Component(
            kind=kind, name=name, ref=f"acme_plugin:{ref}", config=f"acme_plugin:{config}", summary="For tests"
        )


@dataclass(frozen=True, kw_only=True)
class JSONLConfig:
    field: str = option("text", help="which field of an object is the text")


def jsonl(config):
    def read(path):
        from seqtrain.api import DataError

        with path.open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield json.loads(line)[config.field]
                except (KeyError, ValueError) as error:
                    raise DataError(f"{path}:{number}: {error!r}") from error

    return read


@dataclass(frozen=True, kw_only=True)
class LengthConfig:
    result: str = option("", help="what to return instead, as JSON")
    higher: bool = option(True, help="longer is better")


class Length:
    def __init__(self, config):
        self.config = config
        self.higher_is_better = frozenset({"length"} if config.higher else ())

    def __call__(self, predictions, references):
        if self.config.result:
            return json.loads(self.config.result)
        return {"length": sum(map(len, predictions)) / sum(map(len, references))}
"""


@pytest.fixture
def workshop(workshop, plugin_folder, monkeypatch):
    """The workshop, with reader and metric installed."""
    monkeypatch.syspath_prepend(plugin_folder("acme", PARTS))
    return workshop


def as_jsonl(workshop) -> dict[str, object]:
    """Write the corpus again, each line as an object, and return the settings that read it."""
    folder = workshop.folder / "jsonl"
    folder.mkdir()
    for path in workshop.corpus.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        texts = "".join(json.dumps({"id": number, "text": line}) + "\n" for number, line in enumerate(lines))
        (folder / path.name).write_text(texts)
    splits = {f"task__{split}": folder / split for split in ("train", "valid", "test")}
    return {"task__reader__name": "objects", **splits}


def test_a_corpus_in_another_format_trains_the_same_model(workshop, cli, tmp_path):
    """The weights are those of the same texts in lines, and so are the measures."""
    described = as_jsonl(workshop)

    outcome = workshop.train(**described)
    plain = workshop.train(run=tmp_path / "plain")

    assert outcome.code == 0, outcome.err
    assert workshop.weights(6) == workshop.weights(6, tmp_path / "plain")
    assert outcome.out.splitlines()[0] == plain.out.splitlines()[0]
    measured = cli("evaluate", workshop.run, "--split", "test")
    assert measured.out == cli("evaluate", tmp_path / "plain", "--split", "test").out
    again = workshop.train(**described)
    assert again.code == 0, again.err


def test_a_run_is_not_resumed_with_another_reader(workshop):
    """Other texts are another run."""
    assert workshop.train(trainer__max_steps=3).code == 0

    outcome = workshop.train(**as_jsonl(workshop))

    assert outcome.code == 3
    assert "task.reader.name: auto in the run, objects now" in outcome.err


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"task__reader__field": "words"}, 5, "train.de:1: KeyError('words')"),
        ({"task__reader__name": "object"}, 4, "No reader is named 'object'. Did you mean 'objects'?"),
        ({"task__reader": "null"}, 3, "task.reader"),
        ({"task__train": None, "task__valid": None, "task__test": None}, 3, "not for the reader 'objects'"),
    ],
)
def test_a_reader_that_does_not_suit_is_refused(workshop, changed, code, said):
    """In its own words, where it has any."""
    outcome = workshop.train(**{**as_jsonl(workshop), **changed})

    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("higher", ["true", "false"])
def test_a_metric_is_reported_and_may_decide_what_is_best(workshop, cli, higher):
    """In validations, at the end and by `evaluate`, and it knows its direction."""
    outcome = workshop.train(
        task__metric__name="length",
        task__metric__higher=higher,
        trainer__best_metric="length",
        trainer__validate="{steps: 2}",
        checkpoint__save="{steps: 2}",
        checkpoint__keep_last=9,
    )

    assert outcome.code == 0, outcome.err
    lengths = {line["step"]: line["valid/length"] for line in workshop.metrics() if line["split"] == "valid"}
    best = (max if higher == "true" else min)(
        lengths, key=lambda step: (lengths[step], -step if higher == "true" else step)
    )
    assert (workshop.run / "checkpoints" / "best").read_text() == f"step-{best:08d}\n"
    assert " length " in outcome.out.splitlines()[0]
    measures = json.loads(cli("evaluate", workshop.run, "--json").out)["measures"]
    assert {"loss", "bleu", "chrf", "exact_match", "length"} <= measures.keys()


def test_a_finished_run_may_be_measured_by_a_metric_that_is_new_to_it(finished, workshop, cli):
    """Nor does a resumed run mind."""
    outcome = cli("evaluate", finished[0].run, "task.metric.name=length", "--json")

    assert outcome.code == 0, outcome.err
    assert "length" in json.loads(outcome.out)["measures"]
    assert workshop.train(trainer__max_steps=3).code == 0
    assert workshop.train(task__metric__name="length").code == 0


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ('{"length": NaN}', "The metric 'length' measured length as nan, which is no finite number"),
        ('{"bleu": 1}', "The metric 'length' calls a measure 'bleu'"),
        ("[1]", "The metric 'length' returned [1], where numbers by name are expected"),
    ],
)
def test_a_metric_that_goes_wrong_is_named(finished, workshop, cli, result, said):
    """Exit code 4, whichever command asked."""
    outcome = cli("evaluate", finished[0].run, "task.metric.name=length", f"task.metric.result='{result}'")

    assert outcome.code == 4, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_a_best_metric_that_nobody_measures_is_refused(workshop):
    """As without a metric."""
    outcome = workshop.train(task__metric__name="length", trainer__best_metric="width")

    assert outcome.code == 3
    assert "width" in outcome.err
