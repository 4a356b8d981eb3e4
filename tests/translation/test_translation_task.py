"""The translation task from files to scores, with toy models."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.errors import CheckpointError, DataError, PluginError
from seqtrain.registry.discovery import discover
from seqtrain_text.config import BPEConfig, WhitespaceConfig
from seqtrain_text.readers import Lines
from seqtrain_text.sentence_piece import bpe
from seqtrain_text.symbols import whitespace
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.generation_config import GenerationConfig
from seqtrain_translation.metrics import Bleu
from seqtrain_translation.scoring_config import ScoringConfig
from seqtrain_translation.task import TranslationTask
from seqtrain_translation.translator import Translator


class Copier(nn.Module):
    """Translates a sentence by itself: the next target token is the source token at its place."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))
        self.vocab_size = vocab_size

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor) -> Tensor:
        length = prev_output_tokens.shape[1]
        source = nn.functional.pad(source_tokens, (0, max(0, length - source_tokens.shape[1])), value=2)[:, :length]
        return nn.functional.one_hot(source.clamp(max=self.vocab_size - 1), self.vocab_size).float() * self.scale


def write(prefix: Path, pairs: list[tuple[str, str]]) -> str:
    """Write a pair of files and return their prefix."""
    for side, language in enumerate(("en", "de")):
        Path(f"{prefix}.{language}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return str(prefix)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with train, valid and test files of words that the two sides share."""
    folder = tmp_path / "data"
    folder.mkdir()
    words = "ab cd ef gh ij kl".split()
    train = [(f"{one} {two}", f"{one} {two}") for one in words for two in words]
    write(folder / "train", train)
    write(folder / "valid", train[:5])
    write(folder / "test", [("ab cd", "ab cd"), ("ef gh", "ef ij"), ("", ""), ("kl", "kl")])
    return folder


MakeTask = Callable[..., TranslationTask]
METRICS = partial(discover().build_named, "metric")


@pytest.fixture
def make_task(data: Path) -> MakeTask:
    """
    Return a function that makes a task over `data` with a whitespace tokenizer.

    The config of a `reader` or `metric` that is given is the reader or metric itself.
    """

    def make(**fields: Any) -> TranslationTask:
        given = {
            "train": str(data / "train"), "valid": str(data / "valid"), "test": str(data / "test"),
            "source_lang": "en", "target_lang": "de",
            "tokenizer": Selection("tokenizer", "whitespace", WhitespaceConfig()),
            "reader": Selection("reader", "lines", None),
            **fields,
        }  # fmt: skip
        make_metric = (lambda: given["metric"].config) if given.get("metric") else None
        return TranslationTask(
            TranslationConfig(**given),
            tokenizer=lambda: whitespace(given["tokenizer"].config),
            reader=lambda: given["reader"].config or Lines(),
            metrics=METRICS,
            metric=make_metric,
        )

    return make


def prepared(task: TranslationTask, tmp_path: Path) -> TranslationTask:
    task.prepare(tmp_path / "artifacts", tmp_path / "cache")
    return task


def copier(task: TranslationTask) -> list[nn.Module]:
    return [Copier(task.model_spec.vocab_size).eval()]


def test_a_shared_vocabulary_is_made_of_both_sides(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """With one vocabulary, source and target have equal sizes and the model may share embeddings."""
    write(data / "train", [("one two", "eins zwei drei")])

    spec = prepared(make_task(), tmp_path).model_spec

    assert spec.shared_vocabulary
    assert 4 + 5 == spec.vocab_size == spec.source_vocab_size
    assert 0 == spec.padding
    assert 1024 == spec.max_positions == spec.max_source_positions


def test_separate_vocabularies_are_made_of_one_side_each(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Without a shared vocabulary each side has its own tokenizer."""
    write(data / "train", [("one two", "eins zwei drei")])

    spec = prepared(make_task(shared_vocabulary=False), tmp_path).model_spec

    assert not spec.shared_vocabulary
    assert (4 + 2, 4 + 3) == (spec.source_vocab_size, spec.vocab_size)


def test_splits_are_named_in_order(make_task: MakeTask, data: Path) -> None:
    """Training comes first, then validation sets, then tests."""
    assert ["train", "valid", "test"] == list(make_task().splits())
    named = make_task(valid={"b": str(data / "valid"), "a": str(data / "test")}, test=None)
    assert ["train", "valid/b", "valid/a"] == list(named.splits())


def test_a_resumed_run_uses_the_tokenizers_it_has(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """New words in the training file change nothing once the vocabulary is made."""
    before = prepared(make_task(), tmp_path).model_spec
    write(data / "train", [("new words here", "neue wörter hier")])

    assert before == prepared(make_task(), tmp_path).model_spec


def test_a_run_folder_alone_is_enough_to_predict(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """With corpus and cache gone, `load` and `predict` still work."""
    prepared(make_task(), tmp_path)
    for path in data.iterdir():
        path.unlink()
    moved = (tmp_path / "artifacts").rename(tmp_path / "elsewhere")

    task = make_task()
    task.load(moved, tmp_path / "no-cache")

    assert ["ab cd"] == list(task.predict(copier(task), ["ab cd"]))
    assert not (tmp_path / "no-cache").exists()


def test_a_test_set_can_be_measured_after_the_training_text_is_gone(
    make_task: MakeTask, tmp_path: Path, data: Path
) -> None:
    """Only the files of the split that is asked for are read."""
    prepared(make_task(), tmp_path)
    for name in ("train.en", "train.de", "valid.en"):
        (data / name).unlink()
    task = make_task()
    task.load(tmp_path / "artifacts", tmp_path / "cache")

    assert 4 == len(task.dataset("test"))
    assert 0.75 == task.measure("test", copier(task))["exact_match"]


def test_loading_an_incomplete_run_folder_is_refused(make_task: MakeTask, tmp_path: Path) -> None:
    """The error names the folder and says what is missing."""
    with pytest.raises(CheckpointError, match="holds no tokenizers"):
        make_task().load(tmp_path / "artifacts", tmp_path / "cache")

    prepared(make_task(), tmp_path)
    (tmp_path / "artifacts" / "tokenizers" / "shared" / "vocabulary.json").unlink()
    with pytest.raises(CheckpointError, match=r"vocabulary\.json"):
        make_task().load(tmp_path / "artifacts", tmp_path / "cache")


def test_nothing_is_kept_of_a_preparation_that_failed(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """A vocabulary made from files that turned out wrong does not survive into the next try."""
    (data / "train.de").write_text("ab\n" * 35, encoding="utf-8")

    with pytest.raises(DataError, match=r"train\.en has 36 lines but .*train\.de has 35"):
        prepared(make_task(), tmp_path)

    assert not (tmp_path / "artifacts").exists() or [] == list((tmp_path / "artifacts").iterdir())


def test_a_half_written_tokenizer_is_not_taken_over(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two tokenizers leaves nothing that a resumed run would use."""
    task = make_task(shared_vocabulary=False)
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(BaseException):  # noqa: B017 - whatever stops it
        prepared(task, tmp_path)
    monkeypatch.undo()

    assert not (tmp_path / "artifacts" / "tokenizers").exists()
    assert 4 + 6 == prepared(make_task(shared_vocabulary=False), tmp_path).model_spec.vocab_size


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_missing_file_is_named_before_any_work_is_done(
    make_task: MakeTask, tmp_path: Path, data: Path, split: str
) -> None:
    """The error says which file, and what there is beside it."""
    (data / f"{split}.de").unlink()

    with pytest.raises(DataError, match=rf"No text file .*{split}\.de or {split}\.de\.gz.*{split}\.en"):
        prepared(make_task(), tmp_path)
    assert not (tmp_path / "artifacts").exists()
    assert not (tmp_path / "cache").exists()


def test_packed_files_are_found_under_the_same_prefix(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """`PREFIX.LANGUAGE.gz` does as well as `PREFIX.LANGUAGE`."""
    plain = (data / "train.de").read_bytes()
    (data / "train.de").unlink()
    (data / "train.de.gz").write_bytes(gzip.compress(plain))

    assert 36 == len(prepared(make_task(), tmp_path).dataset("train"))


def test_files_without_any_text_are_refused(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Empty lines alone are no corpus."""
    write(data / "train", [("", "")] * 3)

    with pytest.raises(DataError, match="every line is empty"):
        prepared(make_task(), tmp_path)


def test_invalid_utf8_is_reported_with_file_and_line(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """The place of the byte is named."""
    (data / "train.de").write_bytes(b"gut\n" * 30 + b"sch\xf6n\n" * 6)

    with pytest.raises(DataError, match=r"train\.de:31: byte 0xf6"):
        prepared(make_task(), tmp_path)


def test_odd_training_lines_are_left_out_and_counted(
    make_task: MakeTask, tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Empty and over-long pairs are skipped by default, with a warning that counts them."""
    write(data / "train", [("ab", "ab"), ("", "ab"), ("ab cd ef gh ij kl", "ab"), ("cd", "cd")])
    with caplog.at_level(logging.WARNING):
        dataset = prepared(make_task(max_length=5), tmp_path).dataset("train")

    assert 2 == len(dataset)
    assert dataset.describe(1).endswith("train.de:4")
    assert "1 lines of" in caplog.text
    assert "empty" in caplog.text
    assert "longer than 5 tokens" in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"empty_lines": "error"}, r"train\.en:2: the line is empty.*task\.empty_lines=skip"),
        ({"too_long": "error", "max_length": 5}, r"train\.en:3: the line has 7 tokens.*task\.max_length"),
    ],
)
def test_odd_training_lines_can_be_an_error(
    make_task: MakeTask, tmp_path: Path, data: Path, fields: Mapping[str, Any], message: str
) -> None:
    """The policy `error` names file and line."""
    write(data / "train", [("ab", "ab"), ("", "ab"), ("ab cd ef gh ij kl", "ab"), ("cd", "cd")])

    with pytest.raises(DataError, match=message):
        prepared(make_task(**fields), tmp_path)


def test_test_sets_never_lose_a_line(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Over-long lines are truncated and empty ones kept, so that scores are over the same lines everywhere."""
    write(data / "test", [("ab cd ef gh ij kl", "ab"), ("", ""), ("cd", "")])

    dataset = prepared(make_task(max_length=5), tmp_path).dataset("test")

    assert [[5, 2], [1, 1], [2, 1]] == dataset.lengths(0, 3).tolist()


def test_measures_compare_with_the_text_in_the_file(make_task: MakeTask, tmp_path: Path) -> None:
    """A model that copies gets three of four test lines right, the empty one included."""
    task = prepared(make_task(), tmp_path)

    measures = task.measure("test", copier(task))

    assert {"bleu", "chrf", "exact_match"} == set(measures) == task.higher_is_better
    assert 0.75 == measures["exact_match"]
    assert 0 <= measures["bleu"] < 100
    assert "tok:13a" in task.describe_measures("test")["bleu"]
    assert {} == task.describe_measures("valid")


def test_validation_is_scored_unless_switched_off(make_task: MakeTask, tmp_path: Path) -> None:
    """Without score_validation only the loss is measured, but a test set always is scored."""
    task = prepared(make_task(), tmp_path)
    silent = prepared(make_task(score_validation=False), tmp_path)

    assert 1.0 == task.measure("valid", copier(task))["exact_match"]
    assert {} == silent.measure("valid", copier(silent))
    assert 0.75 == silent.measure("test", copier(silent))["exact_match"]


class CountWords:
    """A metric: how many words there are, of translations and of references."""

    higher_is_better = frozenset({"words"})

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, predictions: list[str], references: list[str]) -> dict[str, int]:
        self.seen.append((predictions, references))
        return {"words": sum(len(line.split()) for line in predictions), "given": 7}


def test_a_metric_measures_beside_the_own_ones(make_task: MakeTask, tmp_path: Path) -> None:
    """It sees what BLEU sees, and says which way it is better."""
    metric = CountWords()
    task = prepared(make_task(metric=Selection("metric", "acme/words", metric)), tmp_path)

    measures = task.measure("test", copier(task))

    assert ["bleu", "chrf", "exact_match", "words", "given"] == list(measures)
    assert (5.0, 7.0) == (measures["words"], measures["given"])
    assert [(["ab cd", "ef gh", "", "kl"], ["ab cd", "ef ij", "", "kl"])] == metric.seen
    assert {"bleu", "chrf", "exact_match", "words"} == task.higher_is_better
    assert {"bleu", "chrf", "exact_match"} == make_task().higher_is_better


def test_a_metric_is_not_asked_where_nothing_is_translated(make_task: MakeTask, tmp_path: Path) -> None:
    """Without score_validation, validation sets are left alone."""
    metric = CountWords()
    task = prepared(make_task(metric=Selection("metric", "words", metric), score_validation=False), tmp_path)

    assert {} == task.measure("valid", copier(task))
    assert [] == metric.seen


def test_a_metric_whose_results_are_wrong_is_named(make_task: MakeTask, tmp_path: Path) -> None:
    """Nothing of it is reported."""
    metric = CountWords()
    task = prepared(make_task(metric=Selection("metric", "acme/words", metric)), tmp_path)
    metric.seen = None  # type: ignore[assignment]

    with pytest.raises(PluginError, match=r"The metric 'acme/words' failed: AttributeError"):
        task.measure("test", copier(task))


class Upside:
    """A reader of files in which each text is written backwards."""

    def __call__(self, path: Path) -> Iterator[str]:
        yield from (line[::-1] for line in path.read_text(encoding="utf-8").split("\n")[:-1])


def test_a_reader_takes_the_texts_out_of_the_files_of_every_split(
    make_task: MakeTask, tmp_path: Path, data: Path
) -> None:
    """For the vocabulary, for training, and as references; what `predict` is given is text already."""
    task = prepared(make_task(reader=Selection("reader", "acme/upside", Upside())), tmp_path)

    assert 4 + 6 == task.model_spec.vocab_size
    assert task.dataset("train").describe(0).endswith(f"train.en, text 1 | {data / 'train.de'}, text 1")
    assert 0.75 == task.measure("test", copier(task))["exact_match"]
    assert ["dc ba"] == list(task.predict(copier(task), ["dc ba"]))
    assert ["<unk>"] == list(task.predict(copier(task), ["ab"]))


def test_another_reader_finds_no_packed_files(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Whether and how files are packed is its own affair."""
    (data / "train.de").rename(data / "train.de.gz")

    with pytest.raises(DataError, match=r"No text file \S+train\.de\. "):
        prepared(make_task(reader=Selection("reader", "acme/upside", Upside())), tmp_path)


def test_a_joiner_is_undone_on_both_sides(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """Segmented references are put together before they are compared, like the translations."""
    write(data / "train", [("an@@ st@@ arrt .", "an@@ st@@ arrt .")])
    write(data / "test", [("an@@ st@@ arrt .", "anst@@ arrt .")])
    task = prepared(make_task(scoring=ScoringConfig(tokenize="none")), tmp_path)

    assert 1.0 == task.measure("test", copier(task))["exact_match"]
    assert ["anstarrt ."] == list(task.predict(copier(task), ["an@@ st@@ arrt ."]))


def test_pieces_of_sentencepiece_are_joined_on_both_sides(
    make_task: MakeTask, tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores and predictions are of whole words; by hand, 6 of 7 words and marks of each are equal."""
    segmented = "▁Th ey ▁walk ed ▁home ▁in ▁the ▁rain ."
    write(data / "train", [(segmented, segmented)])
    write(data / "valid", [(segmented, segmented)])
    write(data / "test", [(segmented, "▁They ▁wal ked ▁home ▁by ▁the ▁ra in .")])
    joined = Selection("tokenizer", "whitespace", WhitespaceConfig(joiner="sentencepiece"))
    task = prepared(make_task(tokenizer=joined), tmp_path)

    measures = task.measure("test", copier(task))

    assert ["They walked home in the rain."] == list(task.predict(copier(task), [segmented]))
    expected = sacrebleu.corpus_bleu(["They walked home in the rain."], [["They walked home by the rain."]])
    assert [6, 4, 2, 0] == expected.counts
    assert pytest.approx(expected.score) == measures["bleu"]
    assert "segmented" not in caplog.text


@pytest.mark.parametrize(
    ("tokenizer", "text", "said"),
    [
        (WhitespaceConfig(), "▁an st ▁arrt", "set task.tokenizer.joiner=sentencepiece"),
        (WhitespaceConfig(joiner=None), "an@@ st arrt", "set 'task.tokenizer.joiner=@@ '"),
        (
            BPEConfig(vocab_size=30),
            "▁an st ▁arrt",
            "set task.tokenizer.name=whitespace task.tokenizer.joiner=sentencepiece",
        ),
        (BPEConfig(vocab_size=30), "an@@ st arrt", "set task.tokenizer.name=whitespace 'task.tokenizer.joiner=@@ '"),
        (WhitespaceConfig(joiner="sentencepiece"), "anst arrt", "removes the blanks between its words"),
        (WhitespaceConfig(), "an@@ st arrt", ""),
        (WhitespaceConfig(), "anst arrt", ""),
        (BPEConfig(vocab_size=30), "anst arrt", ""),
    ],
)
def test_text_that_looks_segmented_is_warned_of_at_the_start(
    make_task: MakeTask, data: Path, tokenizer: Any, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each split's target text is looked at, before anything is learned, and the setting is there to be copied."""
    for split in ("train", "valid", "test"):
        write(data / split, [("ab cd", text), ("ef", text)])
    task = make_task(tokenizer=Selection("tokenizer", "any", tokenizer))
    task.corpus = task.new_corpus(data)
    task.examine(data, is_new=True)

    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert (3 if said else 0) == len(warned)
    assert all(said in message for message in warned)


def test_metrics_look_at_the_text_before_training(
    make_task: MakeTask, tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What BLEU does with the language, and what it does not fit, is known at the start, and said once."""
    for split in ("train", "valid", "test"):
        write(data / split, [("ab cd", "私は昨日東京で友達に会いました")])
    task = prepared(make_task(), tmp_path)
    assert 1 == caplog.text.count("Set task.scoring.tokenize=ja-mecab")
    task.measure("test", copier(task))

    assert 1 == caplog.text.count("Set task.scoring.tokenize=ja-mecab")


def test_the_target_language_chooses_how_bleu_splits(make_task: MakeTask, tmp_path: Path, data: Path) -> None:
    """As `sacrebleu -l en-zh` does; in `evaluate`, which prepares nothing, as well."""
    for split in ("train", "valid", "test"):
        write(data / split, [("ab cd", "我们明天去北京")])
        (data / f"{split}.de").rename(data / f"{split}.zh")
    prepared(make_task(target_lang="zh"), tmp_path)
    task = make_task(target_lang="zh")
    task.load(tmp_path / "artifacts", tmp_path / "cache")
    task.measure("test", copier(task))

    assert "|tok:zh|" in task.describe_measures("test")["bleu"]

    further = Selection("metric", "translation/bleu", Bleu(ScoringConfig(lowercase=True)))
    task = make_task(target_lang="zh", metrics=("chrf",), metric=further)
    task.load(tmp_path / "artifacts", tmp_path / "cache")
    task.measure("test", copier(task))
    assert "|case:lc|eff:no|tok:zh|" in task.describe_measures("test")["bleu"]


def test_several_metrics_share_one_decoding(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All metrics of translations together have the split translated once."""
    decoded = []
    translate = Translator.translate

    def counted(self: Translator, sentences: list[str]) -> Any:
        decoded.append(len(sentences))
        return translate(self, sentences)

    monkeypatch.setattr(Translator, "translate", counted)
    task = prepared(make_task(metrics=("bleu", "chrf", "chrf_plus_plus", "ter", "exact_match")), tmp_path)

    measures = task.measure("test", copier(task))

    assert [4] == decoded
    assert ["bleu", "chrf", "chrf_plus_plus", "ter", "exact_match"] == list(measures)
    assert "ter" not in task.higher_is_better
    assert set(task.describe_measures("test")) == {"bleu", "chrf", "chrf_plus_plus", "ter"}


def test_predictions_keep_the_order_of_the_input(make_task: MakeTask, tmp_path: Path) -> None:
    """Sentences are translated by length but come out as they came in, empty ones as empty lines."""
    task = prepared(make_task(), tmp_path)
    lines = [" ".join(["ab", "cd", "ef", "gh"][: n % 5]) for n in range(700)]

    assert lines == list(task.predict(copier(task), lines))


@pytest.mark.parametrize("buffer_lines", [1, 7])
def test_predictions_stream(make_task: MakeTask, tmp_path: Path, buffer_lines: int) -> None:
    """The first answer comes when the buffer is full, and reads no line further."""
    task = prepared(make_task(buffer_lines=buffer_lines), tmp_path)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "ab cd"

    predictions = task.predict(copier(task), endless())

    assert "ab cd" == next(predictions)
    assert buffer_lines == taken


def test_several_translations_of_a_line_carry_number_and_score(make_task: MakeTask, tmp_path: Path) -> None:
    """With nbest above one, every line tells which input it belongs to."""
    task = prepared(make_task(generation=GenerationConfig(beam=3, nbest=2)), tmp_path)

    lines = [line.split("\t") for line in task.predict(copier(task), ["ab", "", "cd ef"])]

    assert ["1", "1", "2", "3", "3"] == [number for number, _, _ in lines]
    assert ["ab", "", "cd ef"] == [lines[0][2], lines[2][2], lines[3][2]]
    assert float(lines[0][1]) >= float(lines[1][1])


def test_a_prefix_begins_every_translation(make_task: MakeTask, tmp_path: Path) -> None:
    """What the user dictates is kept, and the model goes on behind it."""
    task = prepared(make_task(prefix="kl"), tmp_path)

    assert ["kl cd", "kl gh ij"] == list(task.predict(copier(task), ["ab cd", "ef gh ij"]))


def test_given_translations_are_scored(make_task: MakeTask, tmp_path: Path) -> None:
    """A right translation scores near 0 nats a token, a wrong one far below; the order is kept."""
    references = tmp_path / "given.de"
    references.write_text("ab cd\nab\nkl kl\n", encoding="utf-8")
    task = prepared(make_task(references=str(references)), tmp_path)

    lines = [line.split("\t") for line in task.predict(copier(task), ["ab cd", "ab", "ef gh"])]

    assert ["ab cd", "ab", "kl kl"] == [text for _, text in lines]
    scores = [float(score) for score, _ in lines]
    assert pytest.approx([0, 0], abs=1e-3) == scores[:2]
    assert pytest.approx(-40 / 3, abs=1e-3) == scores[2]  # two of three tokens are 20 nats off


def test_too_few_given_translations_are_refused(make_task: MakeTask, tmp_path: Path) -> None:
    """Line n must be the translation of line n."""
    references = tmp_path / "given.de"
    references.write_text("ab\n", encoding="utf-8")
    task = prepared(make_task(references=str(references)), tmp_path)

    with pytest.raises(DataError, match="fewer lines than the input"):
        list(task.predict(copier(task), ["ab", "cd"]))


@pytest.mark.parametrize("buffer_lines", [1, 2, 9])
def test_too_many_given_translations_are_refused(make_task: MakeTask, tmp_path: Path, buffer_lines: int) -> None:
    """However many lines are read at a time, and though the scores are out."""
    references = tmp_path / "given.de"
    references.write_text("\ufeffab\ncd\nef\n", encoding="utf-8")
    task = prepared(make_task(references=str(references), buffer_lines=buffer_lines), tmp_path)
    answers = task.predict(copier(task), ["ab", "cd"])

    assert ["ab", "cd"] == [next(answers).split("\t")[1] for _ in range(2)]
    with pytest.raises(DataError, match=r"given\.de has 3 lines, and the input only 2"):
        next(answers)


def test_over_long_input_is_cut_to_what_the_model_reads(
    make_task: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A line above max_length gives the translation of its beginning rather than an error, and is told at the end."""
    task = prepared(make_task(max_length=4, buffer_lines=2), tmp_path)
    lines = ["ab", "cd", "ef", "ab cd ef gh ij kl", "ab cd ef", "ab cd ef gh"]

    assert ["ab", "cd", "ef", "ab cd ef", "ab cd ef", "ab cd ef"] == list(task.predict(copier(task), lines))
    assert "2 of 6 lines have more than task.max_length=4 tokens (the first: line 4) and were cut" in caplog.text


def test_the_built_in_corpus_goes_the_same_way(tmp_path: Path) -> None:
    """Without files the task writes its own and reads them like any other."""
    config = TranslationConfig(
        tokenizer=Selection("tokenizer", "bpe", BPEConfig(vocab_size=400)),
        reader=Selection("reader", "lines", None),
    )
    task = TranslationTask(config, tokenizer=lambda: bpe(BPEConfig(vocab_size=400)), reader=Lines, metrics=METRICS)

    prepared(task, tmp_path)

    assert ["train", "valid", "test"] == list(task.splits())
    assert 20_000 == len(task.dataset("train"))
    assert 400 == task.model_spec.vocab_size
    assert task.dataset("test").describe(0).endswith("test.de:1")
