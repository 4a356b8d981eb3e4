"""Runs whose training text is split anew every epoch: they resume bit-exactly, and only training is touched."""

from __future__ import annotations

import pytest

from seqtrain_text.store import TokenStore

DRAWN = {
    "task__tokenizer__name": "bpe",
    "task__tokenizer__vocab_size": 80,
    "task__tokenizer__dropout": 0.3,
    "task__max_length": 64,
    "model__dropout": 0.3,
    "data__max_sentences": "null",
    "data__max_tokens": 60,
    "data__prefetch": 2,
}
STEPS = 90


def epochs_of(workshop, run=None):
    """Return the epochs of the training steps that were logged."""
    return [line["epoch"] for line in workshop.metrics(run) if line["split"] == "train"]


@pytest.mark.parametrize("stop", [40, 41, 60])
def test_a_run_that_goes_on_in_mid_epoch_ends_with_the_bits_of_one_that_was_left_alone(workshop, cli_process, stop):
    """In another process the epoch is split as it was, though nothing is left of it in the cache."""
    undisturbed = workshop.folder / "undisturbed"
    limits = {"trainer__validate": "{steps: 30}", "checkpoint__save": "{steps: 100}"}
    assert workshop.train(run=undisturbed, **DRAWN, **limits, trainer__max_steps=STEPS).code == 0
    epochs = epochs_of(workshop, undisturbed)
    assert len(set(epochs)) >= 3
    assert any(epochs[each - 1] == epochs[each] for each in (40, 41))  # in mid-epoch

    assert workshop.train(**DRAWN, **limits, trainer__max_steps=stop).code == 0
    workshop.cache = workshop.folder / "another-cache"
    settings = workshop.settings(**DRAWN, **limits, trainer__max_steps=STEPS)
    process = cli_process("train", *settings, "--run-dir", workshop.run)
    err = process.communicate(timeout=300)[1].decode()

    assert process.returncode == 0, err
    assert "Resuming from" in err
    assert f"anew for epoch {epochs[stop]}" in err
    assert workshop.weights(STEPS) == workshop.weights(STEPS, undisturbed)
    train, other = ([line for line in workshop.metrics(run) if line["split"] == "train"] for run in (None, undisturbed))
    assert train == other
    assert [path.name for path in workshop.cache.iterdir() if not path.name.startswith("text-")] == []


def test_epochs_differ_and_no_batch_is_over_the_limit(workshop, monkeypatch):
    """What is read in an epoch is not what was read in the one before; seeds decide."""
    lengths = []
    gather = TokenStore.gather

    def noted(self, indices):
        tokens, sizes = gather(self, indices)
        lengths.append((len(sizes), int(sizes.max())))
        return tokens, sizes

    monkeypatch.setattr(TokenStore, "gather", noted)
    other = workshop.folder / "other-seed"
    changed = {**DRAWN, "trainer__max_steps": 40, "data__prefetch": 0}
    assert workshop.train(**changed).code == 0
    assert workshop.train(run=other, **changed, data__seed=2).code == 0

    assert max(rows * longest for rows, longest in lengths) <= 60
    assert workshop.weights(40) != workshop.weights(40, other)


def test_a_dropout_of_0_is_no_dropout(workshop):
    """Weights, and so batches and their order, are those of a run that does not mention it; with some they differ."""
    settings = {**DRAWN, "trainer__max_steps": 40}
    without, some = workshop.folder / "without", workshop.folder / "some"
    outcome = workshop.train(**{**settings, "task__tokenizer__dropout": 0})
    assert outcome.code == 0, outcome.err
    assert workshop.train(run=without, **{**settings, "task__tokenizer__dropout": None}).code == 0
    assert workshop.train(run=some, **settings).code == 0

    assert workshop.weights(40) == workshop.weights(40, without) != workshop.weights(40, some)
    assert "anew" not in outcome.err


def test_training_needs_the_text_and_nothing_else_does(workshop, cli):
    """Evaluation and prediction split text without chance, and do without the corpus."""
    workshop.copy_corpus()
    assert workshop.train(**DRAWN, trainer__max_steps=12).code == 0
    for path in workshop.corpus.glob("train*"):
        path.unlink()
    (workshop.folder / "input").write_text("one two\nred dog\n")

    outputs = [workshop.folder / name for name in ("one", "two")]
    given = ("--input", workshop.folder / "input")
    answers = [cli("predict", workshop.run, *given, "--output", output) for output in outputs]
    measured = [cli("evaluate", workshop.run, "--split", "valid") for _ in range(2)]

    assert [each.code for each in (*answers, *measured)] == [0] * 4
    assert outputs[0].read_text() == outputs[1].read_text()
    assert outputs[0].read_text().count("\n") == 2
    assert measured[0].out == measured[1].out
    assert workshop.train(**DRAWN, trainer__max_steps=30).code == 5


def test_another_share_of_merges_is_another_run(workshop):
    """Going on with it is refused, and so is a share that is none."""
    assert workshop.train(**DRAWN, trainer__max_steps=12).code == 0

    changed = workshop.train(**{**DRAWN, "task__tokenizer__dropout": 0.2}, trainer__max_steps=30)
    beyond = workshop.train(run=workshop.folder / "beyond", **{**DRAWN, "task__tokenizer__dropout": 1})
    nowhere = workshop.train(run=workshop.folder / "nowhere", task__tokenizer__dropout=0.1)

    assert (changed.code, beyond.code, nowhere.code) == (3, 3, 3)
    assert "task.tokenizer.dropout: 0.3 in the run, 0.2 now" in changed.err
    assert "task.tokenizer.dropout" in beyond.err
    assert "[0, 1)" in beyond.err
    assert "dropout" in nowhere.err  # `word` has no such setting
