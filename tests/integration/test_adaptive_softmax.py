"""A language model with an adaptive softmax, from training to continuations."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    "words",
    [("--criterion", "adaptive_loss"), ("--criterion", "label_smoothed_cross_entropy", "trainer.precision=bf16")],
    ids=["adaptive_loss", "label_smoothed_in_bf16"],
)
def test_it_trains_measures_continues_and_scores(workshop: Any, cli: Any, words: tuple[str, ...]) -> None:
    """The loss of validation is the one that `evaluate` finds token by token; a line's scores add up."""
    text, run = workshop.corpus / "train.en", workshop.run
    outcome = cli(
        "train", "--task", "lm", "--model", "transformer_lm", *words, f"task.train={text}", f"task.valid={text}",
        "task.tokenizer.name=word", "task.tokens_per_sample=16", "task.break_mode=eos",
        "model.adaptive_softmax=[5, 10]", "model.tie_embeddings=false", "model.layers=1", "model.embed_dim=16",
        "model.ffn_dim=32", "model.attention_heads=2", "data.max_sentences=8", f"data.cache_dir={workshop.cache}",
        "trainer.max_epochs=null", "trainer.max_steps=20", "trainer.patience=null", "trackers.tensorboard=null",
        "trainer.best_metric=nll_loss", "lr_scheduler.name=fixed", "optimizer.lr=0.01", "--run-dir", run,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    measures = json.loads(cli("evaluate", run, "--json").out)["measures"]

    assert measures["nats_per_token"] == pytest.approx(measures["nll_loss"], rel=1e-2 if "bf16" in words[-1] else 1e-5)
    assert measures["nats_per_token"] < 2.9
    source, target = workshop.folder / "in", workshop.folder / "out"
    source.write_text("one two\n\nred dog\n")
    for settings in ([], ["task.generation.beam=3"], ["task.generation.sampling=true"]):
        found = cli("predict", run, *settings, "--input", source, "--output", target)
        assert found.code == 0, found.err
        assert target.read_text().startswith("one two")
    assert cli("predict", run, "task.predict=score", "--input", source, "--output", target).code == 0
    for line in target.read_text().splitlines():
        scored = json.loads(line)
        assert scored["nats"] == pytest.approx(-sum(scored["log_probs"]), abs=1e-3)
