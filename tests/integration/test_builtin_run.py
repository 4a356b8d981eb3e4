"""`seqtrain train --task translation` with no files given."""

from __future__ import annotations

import json

import pytest


@pytest.mark.slow
def test_the_builtin_corpus_trains_from_any_folder(cli, tmp_path, monkeypatch):
    """The run lies in the working folder, and prints its score, its place and what to type next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    outcome = cli(
        "train", "--task", "translation", "trainer.max_steps=3", "lr_scheduler.warmup_steps=1",
        "model.encoder_layers=1", "model.decoder_layers=1", "model.embed_dim=16", "model.attention_heads=2",
        "model.ffn_dim=16", "task.generation.max_len_b=2",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    run = tmp_path / "runs" / "translation"
    score, place, _, predict, evaluate = outcome.out.splitlines()
    assert score.startswith("test (step-00000003): loss")
    assert "exact_match" in score
    assert place == f"results: {run}"
    assert predict.strip() == f"seqtrain predict {run} --input FILE"
    assert evaluate.strip() == f"seqtrain evaluate {run} --split test"
    assert (tmp_path / "cache" / "seqtrain").is_dir()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cache", "runs"]
    splits = {json.loads(line)["split"] for line in (run / "metrics.jsonl").read_text().splitlines()}
    assert "test" in splits
