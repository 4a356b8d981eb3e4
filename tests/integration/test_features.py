"""What a run may be made of: precisions, averages of weights, sets of text, tokenizers, ways to decode."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers


def translate(workshop, cli, *words) -> list[str]:
    """Translate the test set and return the lines."""
    target = workshop.folder / "translated.txt"
    outcome = cli("predict", workshop.run, "--input", workshop.corpus / "test.en", "--output", target, *words)
    assert outcome.code == 0, outcome.err
    return target.read_bytes().decode().removesuffix("\n").split("\n")


def test_bf16_trains(workshop, cli):
    """With losses near those of fp32, and weights saved in fp32."""
    fp32 = workshop.folder / "fp32"
    assert workshop.train(run=fp32).code == 0

    outcome = workshop.train(trainer__precision="bf16")

    assert outcome.code == 0, outcome.err
    ours, others = (workshop.metrics(run) for run in (None, fp32))
    assert ours != others
    assert ours[5]["train/loss"] == pytest.approx(others[5]["train/loss"], rel=0.02)
    assert len(translate(workshop, cli)) == 6


def test_an_average_of_the_weights_is_what_is_validated_and_used(workshop, cli):
    """`evaluate` gives the numbers of the validation, which are not those of the trained weights."""
    plain = workshop.folder / "plain"
    assert workshop.train(run=plain).code == 0

    outcome = workshop.train(callbacks__ema__decay=0.99)

    assert outcome.code == 0, outcome.err
    assert workshop.weights(6) == workshop.weights(6, plain)
    (valid,) = [line for line in workshop.metrics() if line["split"] == "valid"]
    (other,) = [line for line in workshop.metrics(plain) if line["split"] == "valid"]
    measures = json.loads(cli("evaluate", workshop.run, "--split", "valid", "--json").out)["measures"]
    assert measures == {key.removeprefix("valid/"): value for key, value in valid.items() if key.startswith("valid/")}
    assert valid["valid/loss"] != other["valid/loss"]
    assert len(translate(workshop, cli)) == 6
    assert cli("checkpoints", "average", workshop.run, "--last", "1").code == 0
    average = cli("evaluate", workshop.run, "--checkpoint", "average-last-1", "--split", "valid", "--json")
    assert json.loads(average.out)["measures"] == measures  # an average over checkpoints is one of these weights


def test_several_validation_and_test_sets_have_names(workshop, cli):
    """The first validation set decides; each can be evaluated by its name."""
    sets = "{{news: {0}/{1}, talks: [{0}/{1}, {0}/test]}}"

    outcome = workshop.train(
        task__valid=sets.format(workshop.corpus, "valid"), task__test=sets.format(workshop.corpus, "test")
    )

    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("test/news (")
    assert {line["split"] for line in workshop.metrics()} == {"train", "valid/news", "valid/talks", "test/news"}
    evaluated = cli("evaluate", workshop.run, "--split", "test/talks")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.out.startswith("test/talks ")


def test_training_files_have_weights(workshop):
    """Half of one corpus and twice another make an epoch."""
    corpus = workshop.corpus
    parts = f"[{{path: {corpus}/train, weight: 0.5}}, {{path: {corpus}/valid, weight: 2}}]"

    outcome = workshop.train(task__train=parts)

    assert outcome.code == 0, outcome.err
    assert " 8 steps an epoch" in outcome.err  # (96 / 2 + 8 * 2) / 8


def test_vocabularies_may_be_separate(workshop, cli):
    """With a table of embeddings for each, and two tokenizers in RUN/task."""
    outcome = workshop.train(task__shared_vocabulary="false", model__share_embeddings="decoder")

    assert outcome.code == 0, outcome.err
    assert len(translate(workshop, cli)) == 6


def test_separate_vocabularies_cannot_share_all_embeddings(workshop):
    """The two settings are named."""
    outcome = workshop.train(task__shared_vocabulary="false", model__share_embeddings="all")

    assert outcome.code == 3, outcome.err
    assert "share_embeddings" in outcome.err
    assert "shared vocabulary" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("name", "vocab_size"),
    [("bpe", 80), ("unigram", 80), ("hf", 300), ("word", 40), ("char", None), ("whitespace", None)],
)
def test_every_tokenizer_trains_and_translates(workshop, cli, name, vocab_size):
    """From its name to translated lines, from the run's folder alone."""
    outcome = workshop.train(
        task__tokenizer__name=name, task__tokenizer__vocab_size=vocab_size, trainer__max_steps=2, task__max_length=64
    )

    assert outcome.code == 0, outcome.err
    assert len(translate(workshop, cli)) == 6


def test_a_given_tokenizer_json_is_used(workshop, cli):
    """And kept in the run, so that the file may go."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=["<pad>", "<s>", "</s>", "<unk>"], show_progress=False)
    tokenizer.train([str(workshop.corpus / f"train.{language}") for language in ("en", "de")], trainer)
    file = workshop.folder / "tokenizer.json"
    tokenizer.save(str(file))

    outcome = workshop.train(task__tokenizer__name="hf", task__tokenizer__path=file, trainer__max_steps=2)
    file.unlink()

    assert outcome.code == 0, outcome.err
    assert len(translate(workshop, cli)) == 6


def test_sampling_follows_its_seed(finished, cli, tmp_path):
    """Equal seeds give equal translations, others differ; greedy search differs from all."""
    original, _ = finished
    original.folder.joinpath("translated.txt").unlink(missing_ok=True)

    def sampled(seed):
        return translate(original, cli, "task.generation.sampling=true", f"task.generation.seed={seed}")

    first, again, other = sampled(1), sampled(1), sampled(2)

    assert first == again
    assert first != other
    assert first != translate(original, cli)


def test_nbest_gives_numbered_lines_with_scores(finished, cli):
    """Best first, for each line of the input."""
    lines = translate(finished[0], cli, "task.generation.beam=3", "task.generation.nbest=3")

    numbers, scores = zip(
        *((int(number), float(score)) for number, score, _ in (each.split("\t") for each in lines)), strict=True
    )
    assert numbers == tuple(number for number in range(1, 7) for _ in range(3))
    assert all(list(scores[i : i + 3]) == sorted(scores[i : i + 3], reverse=True) for i in range(0, 18, 3))


def test_a_forced_prefix_begins_every_translation(finished, cli):
    """Of words that the vocabulary has."""
    assert all(line.startswith("vier Katze") for line in translate(finished[0], cli, "task.prefix=vier Katze"))


def test_evaluate_takes_a_test_set_that_the_run_never_saw(finished, cli):
    """And another beam."""
    workshop, _ = finished

    outcome = cli(
        "evaluate", workshop.run, "--split", "test", "--json",
        f"task.test={workshop.corpus / 'valid'}", "task.generation.beam=2",
    )  # fmt: skip
    valid = cli("evaluate", workshop.run, "--split", "valid", "--json", "task.generation.beam=2")

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["measures"] == json.loads(valid.out)["measures"]


def test_gradients_of_several_batches_make_one_update(workshop):
    """Half as many steps make an epoch."""
    outcome = workshop.train(trainer__micro_batches_per_step=2, trainer__max_steps="null", trainer__max_epochs=1)

    assert outcome.code == 0, outcome.err
    assert max(line["step"] for line in workshop.metrics()) == 6
    assert "6 steps an epoch" in outcome.err


def test_patience_ends_a_run_that_gets_no_better(workshop):
    """The learning rate is so small that no validation shows a better BLEU."""
    outcome = workshop.train(
        trainer__max_steps=50, trainer__patience=2, trainer__best_metric="exact_match",
        trainer__validate="{steps: 2}", optimizer__lr=1e-9,
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    assert "patience" in outcome.err
    assert max(line["step"] for line in workshop.metrics() if line["split"] == "train") < 50


def test_a_run_needs_neither_validation_nor_test_set(workshop, cli):
    """Patience, which the recipe sets, ends nothing then; one can be evaluated on later."""
    outcome = workshop.train(task__valid=None, task__test=None, trainer__patience=2)

    assert outcome.code == 0, outcome.err
    assert "There is no validation set" in outcome.err
    assert outcome.out == f"results: {workshop.run}\nnext:\n  seqtrain predict {workshop.run} --input FILE\n"
    refused = cli("evaluate", workshop.run)
    assert refused.code == 2
    assert "task.test=PREFIX" in refused.err
    assert cli("evaluate", workshop.run, f"task.test={workshop.corpus / 'test'}").code == 0
