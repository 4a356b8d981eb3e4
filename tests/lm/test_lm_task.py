"""The task from files to scores, with toy models."""

from __future__ import annotations

import gzip
import json
import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.errors import CheckpointError, ConfigError, DataError
from seqtrain.registry.discovery import discover
from seqtrain_lm.config import LMConfig
from seqtrain_lm.evaluation_config import EvaluationConfig
from seqtrain_lm.generation_config import GenerationConfig
from seqtrain_lm.task import LMTask
from seqtrain_text.config import CharConfig, WhitespaceConfig
from seqtrain_text.readers import Lines
from seqtrain_text.symbols import char, whitespace

TRAIN = "one two three\ntwo three one\n\nthree one two\n" * 3
VALID = "one three\n\ntwo é\n"
MakeTask = Callable[..., LMTask]


class Bigrams(nn.Module):
    """Logits from the last token alone."""

    def __init__(self, vocab_size: int, *, scale: float = 1.0) -> None:
        super().__init__()
        table = torch.randn(vocab_size, vocab_size, generator=torch.Generator().manual_seed(1)) * scale
        self.table = nn.Parameter(table)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]


class Uniform(Bigrams):
    """Finds every token equally likely."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size, scale=0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with train, valid and test files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split, text in (("train", TRAIN), ("valid", VALID), ("test", "three two\n")):
        (folder / f"{split}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make_task(data: Path) -> MakeTask:
    """
    Return a function that makes a task over `data` with a tokenizer of characters.

    The config of a `reader` that is given is the reader itself.
    """

    def make(*, words: bool = False, **fields: Any) -> LMTask:
        selected = Selection("tokenizer", *(("whitespace", WhitespaceConfig()) if words else ("char", CharConfig())))
        given = {
            **{split: str(data / f"{split}.txt") for split in ("train", "valid", "test")},
            "tokenizer": selected, "reader": Selection("reader", "lines", None), "tokens_per_sample": 8, **fields,
        }  # fmt: skip
        return LMTask(
            LMConfig(**given),
            tokenizer=lambda: (whitespace if words else char)(selected.config),
            metrics=partial(discover().build_named, "metric"),
            reader=lambda: given["reader"].config or Lines(),
        )

    return make


def prepared(task: LMTask, tmp_path: Path) -> LMTask:
    task.prepare(tmp_path / "artifacts", tmp_path / "cache")
    return task


def uniform(task: LMTask) -> list[nn.Module]:
    return [Uniform(task.model_spec.vocab_size).eval()]


def test_the_model_is_told_of_vocabulary_and_block(make_task: MakeTask, tmp_path: Path) -> None:
    """A causal model sees the tokenizer's ids and nothing more."""
    spec = prepared(make_task(), tmp_path).model_spec

    assert (4 + len(set(TRAIN) - {"\n"}), 8, 0) == (spec.vocab_size, spec.max_positions, spec.padding)
    assert spec.source_vocab_size is None
    assert spec.num_classes is None


def test_a_masked_model_has_an_id_for_the_mask(make_task: MakeTask, tmp_path: Path) -> None:
    """It stands behind the tokenizer's."""
    causal = prepared(make_task(), tmp_path).model_spec
    masked = prepared(make_task(objective="masked"), tmp_path)
    batch = masked.dataset("train").collate(np.arange(10))

    assert causal.vocab_size + 1 == masked.model_spec.vocab_size
    assert causal.vocab_size == int(batch.net_input["tokens"].max())
    assert ["tokens"] == list(batch.net_input)


def test_a_span_model_has_a_source(make_task: MakeTask, tmp_path: Path) -> None:
    """Source and target share a vocabulary with an id for each span, and fit what the model is told."""
    causal = prepared(make_task(), tmp_path).model_spec
    task = prepared(make_task(objective="span", tokens_per_sample=40), tmp_path)
    spec, batch = task.model_spec, task.dataset("train").collate(np.arange(3))

    assert spec.vocab_size == spec.source_vocab_size == causal.vocab_size + 2  # 6 of 40 tokens, in spans of 3
    assert spec.shared_vocabulary
    assert (40 - 6 + 2 + 1, 6 + 2 + 1) == (spec.max_source_positions, spec.max_positions)
    assert (37, 9) == (batch.net_input["source_tokens"].shape[1], batch.target.shape[1])


def test_splits_are_named_in_order(make_task: MakeTask, data: Path) -> None:
    """Training comes first, then validation sets, then tests."""
    assert ["train", "valid", "test"] == list(make_task().splits())
    named = make_task(valid={"b": str(data / "valid.txt"), "a": str(data / "test.txt")}, test=None)
    assert ["train", "valid/b", "valid/a"] == list(named.splits())


def test_a_resumed_run_uses_the_tokenizer_it_has(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """New letters in the training file change nothing once the vocabulary is made."""
    before = prepared(make_task(), tmp_path).model_spec
    (data / "train.txt").write_text("quite another text\n", encoding="utf-8")

    assert before == prepared(make_task(), tmp_path).model_spec


def test_a_run_folder_alone_is_enough_to_predict(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """With corpus and cache gone, `load` and `predict` still work."""
    task = prepared(make_task(), tmp_path)
    before = list(task.predict([Bigrams(task.model_spec.vocab_size)], ["one"]))
    for path in data.iterdir():
        path.unlink()
    moved = (tmp_path / "artifacts").rename(tmp_path / "elsewhere")

    loaded = make_task()
    loaded.load(moved, tmp_path / "no-cache")

    assert before == list(loaded.predict([Bigrams(loaded.model_spec.vocab_size)], ["one"]))
    assert not (tmp_path / "no-cache").exists()


def test_a_test_set_can_be_measured_after_the_training_text_is_gone(
    make_task: MakeTask, tmp_path: Path, data: Path
) -> None:
    """Only the files of the split that is asked for are read."""
    prepared(make_task(), tmp_path)
    for name in ("train.txt", "valid.txt"):
        (data / name).unlink()
    task = make_task()
    task.load(tmp_path / "artifacts", tmp_path / "cache")

    assert 2 == len(task.dataset("test"))
    assert pytest.approx(math.log(task.model_spec.vocab_size)) == task.measure("test", uniform(task))["nats_per_token"]


def test_loading_an_incomplete_run_folder_is_refused(make_task: MakeTask, tmp_path: Path) -> None:
    """The error names the folder and says what is missing."""
    with pytest.raises(CheckpointError, match="holds no tokenizers"):
        make_task().load(tmp_path / "artifacts", tmp_path / "cache")

    prepared(make_task(), tmp_path)
    (tmp_path / "artifacts" / "tokenizers" / "text" / "vocabulary.json").unlink()
    with pytest.raises(CheckpointError, match=r"vocabulary\.json"):
        make_task().load(tmp_path / "artifacts", tmp_path / "cache")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_missing_file_is_named_before_any_work_is_done(
    make_task: MakeTask, tmp_path: Path, data: Path, split: str
) -> None:
    """The error says which file, and what there is beside it."""
    (data / f"{split}.txt").rename(data / f"{split}.text")

    with pytest.raises(DataError, match=rf"No text file .*{split}\.txt or {split}\.txt\.gz.*{split}\.text.*the path"):
        prepared(make_task(), tmp_path)
    assert not (tmp_path / "artifacts").exists()
    assert not (tmp_path / "cache").exists()


def test_a_folder_is_no_text_file(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """The error says to name the files in it."""
    with pytest.raises(DataError, match=r"data is a folder\. Name the text files in it"):
        prepared(make_task(train=str(data)), tmp_path)


def test_packed_files_are_found(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """With and without `.gz` in the setting."""
    count = len(prepared(make_task(), tmp_path).dataset("train"))
    (data / "train.txt").unlink()
    (data / "train.txt.gz").write_bytes(gzip.compress(TRAIN.encode()))

    assert count == len(prepared(make_task(), tmp_path).dataset("train"))
    assert count == len(prepared(make_task(train=str(data / "train.txt.gz")), tmp_path).dataset("train"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.txt: there is no text, or every line is empty\. Check task\.train"),
        (b"\n\n\n", r"train\.txt: there is no text"),
        (b"good\n" * 30 + b"sch\xf6n\n", r"train\.txt:31: byte 0xf6"),
        (b"abc", r"train\.txt: 4 tokens are fewer than one block.*Set task\.tokens_per_sample=4 or less"),
    ],
)
def test_text_that_cannot_be_used_is_refused(
    make_task: MakeTask, tmp_path: Path, data: Path, content: bytes, message: str
) -> None:
    """Empty, without a letter, in another encoding, or shorter than a block; nothing of the attempt is kept."""
    (data / "train.txt").write_bytes(content)

    with pytest.raises(DataError, match=message):
        prepared(make_task(), tmp_path)
    assert not (tmp_path / "artifacts").exists() or [] == list((tmp_path / "artifacts").iterdir())


def test_an_empty_validation_file_is_refused(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """It would measure nothing."""
    (data / "valid.txt").write_bytes(b"")

    with pytest.raises(DataError, match=r"valid\.txt is empty"):
        prepared(make_task(), tmp_path)


def test_damaged_packed_files_are_refused(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """The error says that the file is not whole."""
    (data / "cut.gz").write_bytes(gzip.compress(TRAIN.encode())[:-9])

    with pytest.raises(DataError, match=r"cut\.gz is not a whole gzip file"):
        prepared(make_task(train=str(data / "cut.gz")), tmp_path)


def test_only_training_text_may_be_left_out(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Validation and test sets split long lines, whatever the policy, so that scores can be compared."""
    (data / "train.txt").write_text("one\ntwo\nfour\n", encoding="utf-8")
    task = prepared(make_task(break_mode="eos", too_long="skip", tokens_per_sample=4), tmp_path)

    assert [4, 4] == task.dataset("train").lengths(0, 3)[:, 0].tolist()
    with pytest.raises(DataError, match="Nothing is left"):
        prepared(
            make_task(break_mode="eos", too_long="skip", tokens_per_sample=3, train=str(data / "test.txt")), tmp_path
        )
    assert [4, 4, 2] == task.dataset("test").lengths(0, 3)[:, 0].tolist()


def test_random_blocks_are_drawn_anew_each_epoch(make_task: MakeTask, tmp_path: Path) -> None:
    """Of all blocks of 8 tokens an epoch draws an eighth, in training alone."""
    task = prepared(make_task(random_blocks=True), tmp_path)
    num_tokens = len(TRAIN)
    (part,) = task.dataset("train").parts

    assert num_tokens - 7 == len(task.dataset("train")) == part.stop
    assert pytest.approx(num_tokens // 8) == part.weight * part.stop
    assert {8} == set(task.dataset("train").lengths(0, part.stop).flatten().tolist())
    assert math.ceil(len(VALID) / 8) == len(task.dataset("valid"))


def test_weights_of_files_are_kept(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Random blocks multiply them by their own."""
    train = [{"path": str(data / "train.txt"), "weight": 2.0}, str(data / "test.txt")]
    plain = prepared(make_task(train=train), tmp_path).dataset("train").parts
    drawn = prepared(make_task(train=train, random_blocks=True), tmp_path).dataset("train").parts

    assert [2.0, 1.0] == [part.weight for part in plain]
    assert [2.0 * (len(TRAIN) // 8), 1] == pytest.approx([part.weight * (part.stop - part.start) for part in drawn])


@pytest.mark.parametrize("stride", [None, 3])
@pytest.mark.parametrize("break_mode", ["none", "complete", "complete_doc", "eos"])
def test_measures_are_of_the_whole_text(
    make_task: MakeTask, tmp_path: Path, break_mode: str, stride: int | None
) -> None:
    """A model that finds all tokens alike needs log2 V bits for each, whatever the windows are."""
    task = prepared(make_task(break_mode=break_mode, evaluation=EvaluationConfig(stride=stride)), tmp_path)
    bits = math.log2(task.model_spec.vocab_size)
    is_kept = break_mode in ("none", "complete")  # the empty line
    chars = len(VALID) if is_kept else len(VALID) - 1
    num_bytes, words = chars + 1, 4 + (3 if is_kept else 2)
    # One correction: its number, where of so many characters <unk> has four more, 5 characters, and 2 bytes for them.
    whole = bits * chars + math.log2(2 * 3 * (chars + 4 + 1) ** 2 * 6 * 257**3)

    assert pytest.approx({
        "nats_per_token": bits * math.log(2),
        "bits_per_char": whole / chars,  # characters are tokens here
        "bits_per_byte": whole / num_bytes,
        "ppl_per_word": 2 ** (whole / words),
        "unk_share": 1 / chars,
    }) == task.measure("valid", uniform(task))  # fmt: skip
    described = task.describe_measures("valid")
    share = 100 * (1 - bits * chars / whole)
    assert (
        f"{num_bytes} bytes; 1 lines do not come back from their tokens, and spelling out what they lose is "
        f"{share:.3g} % of the bits"
    ) == described["bits_per_byte"]
    assert f"8 tokens read at a time, {stride or 8} of them scored" == described["nats_per_token"]
    assert {} == task.describe_measures("test")


def test_words_are_tokens_of_segmented_text(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Then the perplexity of a word is that of a token, line ends included."""
    (data / "valid.txt").write_text("one three\n\ntwo\n")
    task = prepared(make_task(words=True), tmp_path)
    measures = task.measure("valid", [Bigrams(task.model_spec.vocab_size)])

    assert pytest.approx(math.exp(measures["nats_per_token"])) == measures["ppl_per_word"]


def test_validation_is_scored_unless_switched_off(make_task: MakeTask, tmp_path: Path) -> None:
    """A test set always is scored; a model that restores hidden text is not."""
    silent = prepared(make_task(score_validation=False), tmp_path)
    masked = prepared(make_task(objective="masked"), tmp_path)

    assert {} == silent.measure("valid", uniform(silent))
    assert {} != silent.measure("test", uniform(silent))
    assert {} == masked.measure("test", uniform(masked))


def test_lines_are_scored_token_by_token(make_task: MakeTask, tmp_path: Path) -> None:
    """A JSON object a line: its tokens with the end, their log-probabilities, and the sum with its sign turned."""
    task = prepared(make_task(predict="score", tokens_per_sample=16), tmp_path)
    model = Bigrams(task.model_spec.vocab_size)

    scored = [json.loads(line) for line in task.predict([model], ["one", "", "é"])]

    assert [["o", "n", "e", "</s>"], ["</s>"], ["<unk>", "</s>"]] == [each["tokens"] for each in scored]
    log_probs = model.table.log_softmax(-1).detach()
    tokenizer = char(CharConfig())
    tokenizer.load(tmp_path / "artifacts" / "tokenizers" / "text")
    read = [2, *tokenizer.encode_batch(["one"])[0].tolist(), 2]
    expected = [float(log_probs[one, other]) for one, other in pairwise(read)]
    assert pytest.approx(expected, abs=1e-4) == scored[0]["log_probs"]
    assert pytest.approx(-sum(expected), abs=1e-3) == scored[0]["nats"]


def test_a_line_longer_than_the_context_is_scored_in_windows(make_task: MakeTask, tmp_path: Path) -> None:
    """Each token once, whatever the line's length."""
    settings = {"predict": "score", "evaluation": EvaluationConfig(context=5, stride=2)}
    task = prepared(make_task(**settings), tmp_path)
    line = "one two three " * 5

    (scored,) = [json.loads(text) for text in task.predict([Bigrams(task.model_spec.vocab_size)], [line])]

    assert [*line, "</s>"] == scored["tokens"]
    assert len(scored["tokens"]) == len(scored["log_probs"])


def test_several_continuations_of_a_line_carry_number_and_score(make_task: MakeTask, tmp_path: Path) -> None:
    """Lines are numbered through all buffers."""
    generation = GenerationConfig(beam=2, nbest=2, max_new_tokens=4)
    task = prepared(make_task(generation=generation, buffer_lines=2), tmp_path)

    model = Bigrams(task.model_spec.vocab_size)
    lines = [line.split("\t") for line in task.predict([model], ["one", "", "two"])]

    assert ["1", "1", "2", "2", "3", "3"] == [number for number, _, _ in lines]
    assert all(
        text.startswith(prompt)
        for (_, _, text), prompt in zip(lines, ["one"] * 2 + [""] * 2 + ["two"] * 2, strict=True)
    )
    assert float(lines[0][1]) >= float(lines[1][1])


@pytest.mark.parametrize("buffer_lines", [1, 7])
def test_predictions_stream(make_task: MakeTask, tmp_path: Path, buffer_lines: int) -> None:
    """The first answer comes when the buffer is full, and reads no line further."""
    task = prepared(make_task(buffer_lines=buffer_lines), tmp_path)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "one"

    next(task.predict([Bigrams(task.model_spec.vocab_size)], endless()))
    assert buffer_lines == taken


def test_a_long_prompt_of_a_later_buffer_is_named_by_its_line(make_task: MakeTask, tmp_path: Path) -> None:
    """Counted from the first line of the input."""
    task = prepared(make_task(buffer_lines=2), tmp_path)

    with pytest.raises(DataError, match="Input line 4: the prompt has 13 tokens, but the model reads 7"):
        list(task.predict([Bigrams(task.model_spec.vocab_size)], ["one", "one", "one", "one two three"]))


@pytest.mark.parametrize("objective", ["masked", "span"])
def test_a_model_of_hidden_text_predicts_nothing(make_task: MakeTask, tmp_path: Path, objective: str) -> None:
    """The error says what it was trained for, and what to do."""
    task = prepared(make_task(objective=objective), tmp_path)

    with pytest.raises(ConfigError, match=rf"task\.objective={objective}.*restores hidden text.*objective=causal"):
        list(task.predict(uniform(task), ["one"]))


def test_training_masks_other_tokens_each_time(make_task: MakeTask, tmp_path: Path) -> None:
    """What the criterion sees is not the batch that was planned, but has as many targets."""
    task = prepared(make_task(objective="masked"), tmp_path)
    model, seen = Bigrams(task.model_spec.vocab_size), []

    def criterion(model, sample):
        seen.append(sample)
        return model(**sample.net_input).sum(), sample.num_targets, {}

    class Optimizer:
        def backward(self, loss: Tensor) -> None:
            loss.backward()

    batch = task.dataset("train").collate(np.arange(10))
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        task.train_step(batch, model, criterion, Optimizer(), 0)
    task.valid_step(batch, model, criterion)

    targets = [sample.target.tolist() for sample in seen]
    assert targets[0] == targets[2] != targets[1] != batch.target.tolist()
    assert batch.target.tolist() == targets[3]
    assert {batch.num_targets} == {int((sample.target != 0).sum()) for sample in seen}


def test_nothing_is_said_of_empty_lines(make_task: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are part of a text."""
    with caplog.at_level(logging.WARNING):
        prepared(make_task(), tmp_path)

    assert "are empty" not in caplog.text


def test_another_block_length_needs_no_other_tokens(make_task: MakeTask, tmp_path: Path) -> None:
    """Text is turned into ids once; how it is cut is decided afterwards."""
    prepared(make_task(), tmp_path)
    before = sorted(path.name for path in (tmp_path / "cache").iterdir())
    prepared(make_task(tokens_per_sample=5, break_mode="eos"), tmp_path)

    assert before == sorted(path.name for path in (tmp_path / "cache").iterdir())


class Paragraphs:
    """A reader: a text is what stands between empty lines."""

    def __call__(self, path: Path) -> Iterator[str]:
        yield from path.read_text(encoding="utf-8").strip("\n").split("\n\n")


def test_another_reader_takes_texts_out_of_the_files(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Each stands for a line, whatever is in it, and is measured as it was read."""
    for split, text in (("train", "one two\nthree\n\nfour\n"), ("valid", "two\n\nfour\none\n"), ("test", "four\n")):
        (data / f"{split}.txt").write_text(text, encoding="utf-8")
    reader = Selection("reader", "acme/paragraphs", Paragraphs())
    task = prepared(make_task(reader=reader, break_mode="eos", tokens_per_sample=20), tmp_path)
    dataset = task.dataset("train")
    batch = dataset.collate(np.arange(2))
    model = Uniform(task.model_spec.vocab_size)
    measured = task.measure("valid", [model])

    assert [[14], [5]] == dataset.lengths(0, 2).tolist()
    assert "one two\nthree" == task._tokenizer.decode(batch.target[0].tolist())
    assert dataset.describe(1).startswith(f"{data / 'train.txt'}, text 2, token 15")
    nats = math.log(task.model_spec.vocab_size)
    assert pytest.approx(nats) == measured["nats_per_token"]
    assert pytest.approx(nats / math.log(2)) == measured["bits_per_char"]  # 3 + 1 and 8 + 1 of both


def test_another_reader_gets_no_packed_file_for_a_plain_one(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """It may not be able to read it."""
    (data / "train.txt").rename(data / "train.txt.gz")

    with pytest.raises(DataError, match=r"No text file \S+train\.txt\. That folder has .*train\.txt\.gz"):
        prepared(make_task(reader=Selection("reader", "acme/paragraphs", Paragraphs())), tmp_path)


def test_texts_too_long_are_called_texts(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """As the reader's messages do."""
    reader = Selection("reader", "acme/paragraphs", Paragraphs())

    with pytest.raises(DataError, match=r"train\.txt, text 1: the text has \d+ tokens"):
        prepared(make_task(reader=reader, break_mode="eos", too_long="error", tokens_per_sample=4), tmp_path)
