"""A run that starts from another one's weights: what it takes over, and that it stands by itself afterwards."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

WORDS = "one two three four five six seven eight nine ten red blue green dog cat house tree".split()
MODEL = {"name": "transformer_classifier", "layers": 1, "embed_dim": 16, "ffn_dim": 32, "attention_heads": 2}


def arguments(task: dict[str, Any], model: dict[str, Any], cache: Path, **trainer: Any) -> list[str]:
    """Return the words of a tiny run of a task."""
    sections = {
        "task": {"tokenizer.name": "word", **task},
        "model": model,
        "data": {"max_sentences": 8, "max_tokens": "null", "cache_dir": cache},
        "trainer": {
            "max_steps": 4, "max_epochs": "null", "patience": "null", "best_metric": "loss", "validate": "{steps: 2}",
            **trainer,
        },
        "checkpoint": {"save": "{steps: 2}"},
        "lr_scheduler": {"warmup_steps": 2},
        "trackers": {"tensorboard": "null"},
    }  # fmt: skip
    return [f"{section}.{key}={value}" for section, values in sections.items() for key, value in values.items()]


class Workshop:
    """
    Texts without labels, other texts with labels, and the runs made from them.

    Args:
        folder: for files and runs.
        cli: runs a command line.
    """

    def __init__(self, folder: Path, cli: Any) -> None:
        self.folder, self.cli = folder, cli
        self.pretrained, self.run = folder / "pretrained", folder / "run"
        draw = random.Random(1)
        for split, count in {"train": 60, "valid": 8, "test": 8}.items():
            lines = [" ".join(draw.choices(WORDS[:12], k=draw.randint(3, 7))) for _ in range(count)]
            (folder / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))
            texts = [draw.choices(WORDS[4:], k=draw.randint(3, 7)) for _ in range(count)]
            rows = [f"{'even' if len(text) % 2 == 0 else 'odd'}\t{' '.join(text)}\n" for text in texts]
            (folder / f"{split}.tsv").write_text("label\ttext\n" + "".join(rows))

    def pretrain(self, *words: str, run: Path | None = None, **model: Any) -> Any:
        """Train an encoder to fill in masked words."""
        task = {split: self.folder / f"{split}.txt" for split in ("train", "valid")}
        task |= {"objective": "masked", "tokens_per_sample": 8, "break_mode": "eos"}
        given = arguments(task, MODEL | model, self.folder / "cache")
        return self.cli("train", "--task", "lm", *given, *words, "--run-dir", run or self.pretrained)

    def classify(self, *words: str | Path, run: Path | None = None, **model: Any) -> Any:
        """Train a classifier of the other texts."""
        task = {split: self.folder / f"{split}.tsv" for split in ("train", "valid", "test")} | {"max_length": 12}
        given = arguments(task, MODEL | model, self.folder / "cache")
        return self.cli("train", "--task", "classify", *given, *words, "--run-dir", run or self.run)


def weights(run: Path, checkpoint: str = "step-00000004") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / checkpoint / "model.safetensors")


def vocabulary(run: Path) -> list[str]:
    (file,) = (run / "task" / "tokenizers" / "text").iterdir()
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cli: Any) -> Workshop:
    """A run of masked words, and a classifier that started from it and has trained its head alone."""
    workshop = Workshop(tmp_path_factory.mktemp("finished"), cli)
    outcome = workshop.pretrain()
    assert outcome.code == 0, outcome.err
    outcome = workshop.classify("--init-from", workshop.pretrained, "callbacks.freeze.parameters=[encoder.*]")
    assert outcome.code == 0, outcome.err
    workshop.said = outcome.err
    return workshop


@pytest.fixture
def workshop(finished: Workshop, tmp_path: Path, cli: Any) -> Workshop:
    """Both of these runs, for a test to change, and room for others."""
    copied = Workshop(tmp_path, cli)
    shutil.copytree(finished.pretrained, copied.pretrained)
    return copied


def test_a_classifier_starts_from_a_masked_language_model(finished):
    """Frozen, its encoder still is the other's after training: layers bit for bit, tokens by the words they stand for."""
    before, after = weights(finished.pretrained), weights(finished.run)
    layers = [name for name in after if name.startswith("encoder.layers.")]
    theirs, ours = vocabulary(finished.pretrained), vocabulary(finished.run)
    common = [word for word in ours if word in theirs]
    tables = [each["encoder.embedding.tokens.weight"] for each in (before, after)]
    rows = [table[[words.index(word) for word in common]] for table, words in zip(tables, (theirs, ours), strict=True)]

    assert len(layers) > 8
    assert [name for name in layers if not torch.equal(before[name], after[name])] == []
    assert ours != theirs
    assert 4 < len(common) < len(ours)
    assert torch.equal(*rows)
    assert torch.equal(before["encoder.embedding.positions.weight"], after["encoder.embedding.positions.weight"][:8])


def test_what_was_kept_is_told_and_written_down(finished):
    """In the log, with numbers, and for programs in the run's folder."""
    record = json.loads((finished.run / "init_from.json").read_text())
    common = sum(word in vocabulary(finished.pretrained) for word in vocabulary(finished.run))

    assert f"Starting from the weights of {finished.pretrained}, step-" in finished.said
    assert "(model transformer_classifier, task lm)" in finished.said
    assert f"encoder.embedding.tokens.weight: {common} of {len(vocabulary(finished.run))} rows" in finished.said
    assert record["run"] == str(finished.pretrained)
    assert record["kept_in_part"]["encoder.embedding.positions.weight"] == {"rows": 8, "of": 12}
    assert sorted({name.split(".")[0] for name in record["new"]}) == ["classification_head"]
    assert sorted({name.split(".")[0] for name in record["dropped"]}) == ["lm_head"]


def test_the_weights_are_those_that_validation_chose(workshop):
    """The best checkpoint's, not the last one's; and a checkpoint can be named."""
    best = (workshop.pretrained / "checkpoints" / "best").read_text().strip()
    other = ({"step-00000002", "step-00000004"} - {best}).pop()
    (workshop.pretrained / "checkpoints" / "best").write_text(f"{other}\n")
    assert workshop.classify("--init-from", workshop.pretrained).code == 0
    named = workshop.pretrained / "checkpoints" / best
    assert workshop.classify("--init-from", named, run=workshop.folder / "named").code == 0

    assert json.loads((workshop.run / "init_from.json").read_text())["checkpoint"] == other
    assert json.loads((workshop.folder / "named" / "init_from.json").read_text())["checkpoint"] == best


def test_the_weights_of_an_average_are_those_that_were_validated(workshop):
    """What `seqtrain predict` would use: the average that the other run kept."""
    source = workshop.folder / "averaged"
    assert workshop.pretrain("callbacks.ema.decay=0.9", run=source).code == 0
    outcome = workshop.classify("--init-from", source, "callbacks.freeze.parameters=[encoder.*]")
    assert outcome.code == 0, outcome.err
    checkpoint = source / "checkpoints" / json.loads((workshop.run / "init_from.json").read_text())["checkpoint"]
    averages = load_file(checkpoint / "state.safetensors")
    name = "encoder.layers.0.attention.query.weight"

    (average,) = [each for key, each in averages.items() if key.endswith(name)]
    assert torch.equal(weights(workshop.run)[name], average)


def test_the_run_stands_by_itself_once_it_has_begun(workshop):
    """With the other one gone it is evaluated, predicts, and resumes bit for bit, by itself and by its config.yaml."""
    assert workshop.classify("--init-from", workshop.pretrained, run=workshop.folder / "whole").code == 0
    assert workshop.classify("--init-from", workshop.pretrained, "trainer.max_steps=2").code == 0
    shutil.rmtree(workshop.pretrained)
    resumed = workshop.classify("--init-from", workshop.pretrained)

    assert resumed.code == 0, resumed.err
    assert "this one has begun, and goes on from a checkpoint of its own" in resumed.err
    assert "Starting from the weights" not in resumed.err
    whole, parts = weights(workshop.folder / "whole"), weights(workshop.run)
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert workshop.cli("evaluate", workshop.run).code == 0
    lines = workshop.folder / "lines.txt"
    lines.write_text("one two\n")
    assert workshop.cli("predict", workshop.run, "--input", lines, "--output", workshop.folder / "labels.txt").code == 0
    assert workshop.cli("train", "--run-dir", workshop.run, "trainer.max_steps=6").code == 0


def test_to_resume_and_to_start_from_are_two_things(workshop):
    """A run that has begun is not begun anew from elsewhere; to begin anew is to say --fresh."""
    assert workshop.classify().code == 0
    refused = workshop.classify("--init-from", workshop.pretrained)
    fresh = workshop.classify("--init-from", workshop.pretrained, "--fresh")

    assert refused.code == 3
    assert f"checkpoint.init_from: None in the run, {workshop.pretrained} now" in refused.err
    assert fresh.code == 0, fresh.err
    assert (workshop.run / "init_from.json").exists()
    assert not (workshop.folder / "run.old-1" / "init_from.json").exists()


def test_its_settings_replay_it(workshop):
    """config.yaml alone gives the same weights again, for as long as the other run is there."""
    assert workshop.classify("--init-from", workshop.pretrained).code == 0
    again = workshop.folder / "again"
    assert workshop.cli("train", workshop.run / "config.yaml", "--run-dir", again).code == 0

    first, second = weights(workshop.run), weights(again)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_an_encoder_goes_to_a_translation_model(workshop):
    """Its tokens are those of the source there; the decoder is new."""
    for split in ("train", "valid"):
        text = (workshop.folder / f"{split}.txt").read_text()
        (workshop.folder / f"{split}.en").write_text(text)
        (workshop.folder / f"{split}.de").write_text(text.upper())
    task = {split: workshop.folder / split for split in ("train", "valid")}
    task |= {"source_lang": "en", "target_lang": "de", "shared_vocabulary": "false", "max_length": 12}
    model = {key: value for key, value in MODEL.items() if key not in ("name", "layers")}
    model |= {"encoder_layers": 1, "decoder_layers": 1, "share_embeddings": "decoder"}
    model |= {"name": "transformer/tiny", "positions": "learned", "pre_norm": "true"}
    given = arguments(task, model, workshop.folder / "cache")
    outcome = workshop.cli(
        "train", "--task", "translation", *given, "--run-dir", workshop.run, "--init-from", workshop.pretrained
    )

    assert outcome.code == 0, outcome.err
    record = json.loads((workshop.run / "init_from.json").read_text())
    assert "encoder.layers.0.attention.query.weight" in record["kept"]
    assert "encoder.embedding.tokens.weight" in (record["kept_in_part"].keys() | record["kept"])
    assert {name.split(".")[0] for name in record["new"]} == {"decoder"}


def test_a_damaged_checkpoint_is_passed_over(workshop):
    """With a warning, and without touching the other run's folder."""
    checkpoints = workshop.pretrained / "checkpoints"
    best = (checkpoints / "best").read_text().strip()
    (checkpoints / best / "model.safetensors").write_bytes(b"nothing")
    before = sorted(each.name for each in checkpoints.iterdir())
    outcome = workshop.classify("--init-from", workshop.pretrained)

    assert outcome.code == 0, outcome.err
    assert "model.safetensors" in outcome.err
    assert "instead." in outcome.err
    assert json.loads((workshop.run / "init_from.json").read_text())["checkpoint"] != best
    assert sorted(each.name for each in checkpoints.iterdir()) == before


def no_run(workshop: Workshop) -> Path:
    return workshop.folder / "nowhere"


def no_config(workshop: Workshop) -> Path:
    return workshop.folder


def no_checkpoint(workshop: Workshop) -> Path:
    shutil.rmtree(workshop.pretrained / "checkpoints")
    return workshop.pretrained


def no_such_checkpoint(workshop: Workshop) -> Path:
    return workshop.pretrained / "checkpoints" / "step-00000099"


def all_damaged(workshop: Workshop) -> Path:
    for file in workshop.pretrained.glob("checkpoints/step-*/model.safetensors"):
        file.write_bytes(b"nothing")
    return workshop.pretrained


def no_tokenizer(workshop: Workshop) -> Path:
    shutil.rmtree(workshop.pretrained / "task")
    return workshop.pretrained


def this_run(workshop: Workshop) -> Path:
    return workshop.run


def unknown_plugin(workshop: Workshop) -> Path:
    config = workshop.pretrained / "config.yaml"
    config.write_text(config.read_text().replace("name: transformer_classifier", "name: elsewhere"))
    return workshop.pretrained


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (no_run, 5, ["nowhere does not exist", "--run-dir"]),
        (no_config, 5, ["no config.yaml", "--run-dir"]),
        (no_checkpoint, 5, ["No checkpoint in", "There is none yet"]),
        (no_such_checkpoint, 5, ["step-00000099", "There are: step-00000002"]),
        (all_damaged, 5, ["No checkpoint in", "can be used", "model.safetensors"]),
        (no_tokenizer, 5, ["holds no tokenizers", "task/ included"]),
        (this_run, 5, ["this very run", "--run-dir"]),
        (unknown_plugin, 4, ["elsewhere", "pretrained"]),
    ],
)
def test_what_cannot_be_started_from_is_named(workshop, spoil, code, said):
    """With the place, what is wrong with it and what to do, before the data is read; and mending it is enough."""
    path = spoil(workshop)
    outcome = workshop.classify("--init-from", path)

    assert outcome.code == code, outcome.err
    assert f"checkpoint.init_from={path}" in outcome.err
    assert [each for each in said if each not in outcome.err] == []
    assert "Traceback" not in outcome.err
    assert "Binarising" not in outcome.err
    assert workshop.classify().code == 0


def test_a_model_of_other_sizes_is_refused(workshop):
    """With the settings in which the two differ."""
    outcome = workshop.classify("--init-from", workshop.pretrained, ffn_dim=48)

    assert outcome.code == 5, outcome.err
    assert "encoder.layers.0.feed_forward.expand.weight: it is (32, 16) there and (48, 16) here" in outcome.err
    assert "model.ffn_dim is 32 there and 48 here" in outcome.err
    assert str(workshop.pretrained / "config.yaml") in outcome.err


def test_a_model_with_nothing_in_common_is_refused(workshop):
    """Both are named, with what they are made of."""
    task = {split: workshop.folder / f"{split}.txt" for split in ("train", "valid")} | {"tokens_per_sample": 8}
    model = {"name": "lstm_lm", "embed_dim": 16, "hidden_dim": 16, "layers": 1}
    given = arguments(task, model, workshop.folder / "cache")
    words = ["--init-from", workshop.pretrained, "--run-dir", workshop.run]
    outcome = workshop.cli("train", "--task", "lm", *given, *words)

    assert outcome.code == 5, outcome.err
    assert "Nothing of" in outcome.err
    assert "(model transformer_classifier, task lm)" in outcome.err
    assert "(model lstm_lm, task lm)" in outcome.err
    assert "--model" in outcome.err


def test_the_option_has_a_setting(workshop):
    """Which a file can hold, and which a KEY=VALUE outdoes."""
    folder = workshop.folder / "config"
    outcome = workshop.classify("--init-from", "nowhere", f"checkpoint.init_from={workshop.pretrained}", run=folder)

    assert outcome.code == 0, outcome.err
    assert f"init_from: {workshop.pretrained}" in (folder / "config.yaml").read_text()
