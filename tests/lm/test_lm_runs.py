"""Recipes and examples, and whole runs with the model that they name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.protocols import ModelSpec
from seqtrain.registry.discovery import discover
from seqtrain_lm.config import LMConfig
from seqtrain_lm.generation import ContinuationGenerator
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_text.config import CharConfig
from seqtrain_text.symbols import char
from seqtrain_transformer.config import TransformerLMConfig
from seqtrain_transformer.transformer_lm import TransformerLM

EXAMPLES = sorted((Path(__file__).parents[2] / "seqtrain_lm" / "examples").glob("*.yaml"))
TINY = (
    "model.layers=1", "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2", "distributed.device=cpu",
    "logging.level=warning", "logging.progress=plain", "trackers={}", "data.prefetch=0",
)  # fmt: skip


@pytest.fixture
def alphabet(tmp_path: Path) -> Path:
    """A file of one line again and again."""
    path = tmp_path / "alphabet.txt"
    path.write_text("abcdefgh\n" * 200, encoding="utf-8")
    return path


def settings(alphabet: Path) -> list[str]:
    """Return a run on the alphabet, by the task's recipe."""
    return [
        "task.name=lm", "model.name=transformer_lm/nano", f"task.train={alphabet}", f"task.valid={alphabet}",
        "task.tokenizer.name=char", "task.tokens_per_sample=12", "task.random_blocks=true", "data.max_sentences=16",
        "criterion.name=cross_entropy", "optimizer.name=adamw", "optimizer.lr=1e-2", "lr_scheduler.name=fixed",
        "trainer.validate={steps: 100}", "checkpoint.save={steps: 100}", *TINY,
    ]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_configurations(example: Path) -> None:
    """Every setting that they make exists, and fits the others."""
    config = resolve(discover(), config_file=example, overrides=["task.train=a", "task.valid=b", "task.test=c"]).config

    assert "lm" == config.task.name


@pytest.mark.parametrize("train", [[], ["task.train=a"]], ids=["builtin", "files"])
def test_the_recipes_are_configurations(train: list[str]) -> None:
    """With and without files."""
    config = resolve(discover(), task="lm", overrides=train).config

    assert ("transformer_lm", 4) == (config.model.name, config.model.config.layers)
    assert (config.task.config.train is None) == (not train)


def test_an_alphabet_is_learned(make_run, alphabet: Path) -> None:
    """Trained, it is continued from any letter, scored as certain, and beyond the context."""
    make_run(*settings(alphabet), steps=100)
    run = make_run.load(*settings(alphabet), "task.generation.max_new_tokens=20")

    assert ["abcdefgh", "efgh", "abcdefgh"] == list(run.task.predict(run.models, ["abc", "e", ""]))
    assert run.evaluator.measure("valid", run.models)["bits_per_char"] < 0.1

    long = make_run.load(*settings(alphabet), "task.generation.stop=length", "task.generation.max_new_tokens=20")
    assert [r"fgh\nabcdefgh\nabcdefgh"] == list(long.task.predict(long.models, ["f"]))
    scored = make_run.load(*settings(alphabet), "task.predict=score")
    sure, unsure = (json.loads(line)["nats"] for line in scored.task.predict(scored.models, ["abcd", "dcba"]))
    assert sure < unsure


class WithoutMemory(nn.Module):
    """A model of which only the forward pass is known."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tokens: Tensor) -> Tensor:
        return self.inner(tokens)


@pytest.mark.parametrize("beam", [1, 3])
def test_the_models_memory_changes_nothing(beam: int) -> None:
    """Reading everything again for every token gives the same continuations, within and beyond the context."""
    tokenizer = char(CharConfig())
    tokenizer.train(["abcdefgh"])
    config = LMConfig(
        train="a", tokenizer=Selection("tokenizer", "char", CharConfig()), tokens_per_sample=8,
        generation=GenerationConfig(beam=beam, nbest=beam, max_new_tokens=20, stop="length"),
    )  # fmt: skip
    torch.manual_seed(1)
    spec = ModelSpec(vocab_size=tokenizer.vocab_size, padding=tokenizer.padding, max_positions=8)
    sizes = TransformerLMConfig(layers=2, embed_dim=16, ffn_dim=32, attention_heads=2)
    model = TransformerLM(sizes, spec=spec).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) / 3)

    prompts = ["", "a", "bc", "de", "abcdef"]
    with_memory, without = (
        ContinuationGenerator([each], tokenizer, config)(prompts) for each in (model, WithoutMemory(model))
    )
    assert [[each.text for each in found] for found in without] == [
        [each.text for each in found] for found in with_memory
    ]
    for one, other in zip(with_memory, without, strict=True):
        assert pytest.approx([each.score for each in one], abs=1e-4) == [each.score for each in other]
