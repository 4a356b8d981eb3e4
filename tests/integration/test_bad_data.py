"""Text that cannot be trained on: one paragraph with the place and a remedy, exit code 5."""

from __future__ import annotations

import gzip

import pytest


def refused(outcome, *said: str) -> None:
    """Check that a command ended as data errors do, saying these things."""
    assert outcome.code == 5, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    message = outcome.err.partition("seqtrain: error: ")[2]
    assert message.count("\n") == 1
    for each in said:
        assert each in message


def test_a_missing_file_is_named(workshop):
    """With what lies there instead."""
    corpus = workshop.copy_corpus()
    (corpus / "train.de").unlink()

    refused(workshop.train(), str(corpus / "train.de"), "train.en", "check the prefix and the language")


def test_a_missing_folder_is_named(workshop):
    """Rather than the file alone."""
    refused(workshop.train(task__train="nowhere/train"), "nowhere/train.en", "There is no folder")


@pytest.mark.fault("F21")
def test_unequal_line_counts_are_both_told(workshop):
    """With the line from which the files may have parted."""
    corpus = workshop.copy_corpus()
    lines = (corpus / "train.de").read_text().splitlines(keepends=True)
    (corpus / "train.de").write_text("".join(lines[:40] + lines[41:]))

    refused(workshop.train(), "96", "95", "train.en", "train.de", "line")


@pytest.mark.fault("F18")
def test_bytes_that_are_not_utf8_are_placed(workshop):
    """File, line and byte."""
    corpus = workshop.copy_corpus()
    lines = (corpus / "train.de").read_bytes().splitlines(keepends=True)
    lines[6] = b"Fl\xfcgel\n"
    (corpus / "train.de").write_bytes(b"".join(lines))

    refused(workshop.train(), f"{corpus / 'train.de'}:7: byte 0xfc at offset 2", "iconv")


@pytest.mark.fault("F18")
def test_bytes_that_are_not_utf8_are_placed_when_predicting(finished, cli, tmp_path):
    """Likewise for the input of `predict`; the lines before it are answered, as far as they were decoded."""
    source = tmp_path / "input.txt"
    source.write_bytes(b"one\nFl\xfcgel\n")

    refused(cli("predict", finished[0].run, "--input", source, "--output", tmp_path / "out"), "line 2", "0xfc", "iconv")


def test_a_missing_input_of_predict_is_named(finished, cli, tmp_path):
    """And the output is not touched."""
    outcome = cli("predict", finished[0].run, "--input", tmp_path / "none.txt", "--output", tmp_path / "out")

    refused(outcome, str(tmp_path / "none.txt"), "--input")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_the_input_is_refused(finished, cli, tmp_path):
    """Opening it would have emptied it."""
    file = tmp_path / "text.txt"
    file.write_text("one\n")

    outcome = cli("predict", finished[0].run, "--input", file, "--output", file)

    assert outcome.code == 2
    assert "--output" in outcome.err
    assert file.read_text() == "one\n"


@pytest.mark.parametrize("text", ["", "\n" * 96])
@pytest.mark.fault("F19")
def test_a_corpus_without_any_text_is_refused(workshop, text):
    """Empty files, and files of empty lines."""
    corpus = workshop.copy_corpus()
    for language in ("en", "de"):
        (corpus / f"train.{language}").write_text(text)

    refused(workshop.train(), "train")


@pytest.mark.fault("F20")
def test_a_sentence_above_the_budget_is_named(workshop):
    """It can be in no batch, so the run says which it is and what to raise."""
    corpus = workshop.copy_corpus()
    for language, word in (("en", "dog"), ("de", "Hund")):
        with (corpus / f"train.{language}").open("a") as file:
            file.write(" ".join([word] * 25) + "\n")

    refused(workshop.train(data__max_tokens=20), "data.max_tokens", "26", "20", "train")


def test_a_broken_gzip_file_is_named(workshop):
    """A download that was cut off."""
    corpus = workshop.copy_corpus()
    packed = gzip.compress((corpus / "train.de").read_bytes())
    (corpus / "train.de").unlink()
    (corpus / "train.de.gz").write_bytes(packed[:-20])

    refused(workshop.train(), "train.de.gz", "not a whole gzip file")


def test_packed_text_trains_like_plain_text(workshop):
    """The same content gives the same weights."""
    plain = workshop.folder / "plain"
    corpus = workshop.copy_corpus()
    assert workshop.train(run=plain).code == 0
    for path in list(corpus.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    assert workshop.train().code == 0
    assert workshop.weights(6) == workshop.weights(6, plain)


@pytest.mark.fault("F23")
def test_the_same_run_with_a_corpus_gone_bad_is_told_so(workshop):
    """On resume, too; and nothing that existed is lost."""
    corpus = workshop.copy_corpus()
    assert workshop.train().code == 0
    before = workshop.weights(6)
    (corpus / "train.de").write_bytes(b"\xff\n" * 96)

    refused(workshop.train(trainer__max_steps=9), "train.de:1: byte 0xff")
    assert workshop.weights(6) == before


@pytest.mark.fault("F23")
def test_a_corpus_that_was_changed_is_not_gone_on_with(workshop):
    """The position in the data would mean something else."""
    corpus = workshop.copy_corpus()
    assert workshop.train().code == 0
    text = (corpus / "train.en").read_text()
    (corpus / "train.en").write_text(text.replace("dog", "cat"))

    refused(workshop.train(trainer__max_steps=9), "training data", "--fresh")
    (corpus / "train.en").write_text(text)
    assert workshop.train(trainer__max_steps=9).code == 0


@pytest.mark.parametrize("text", ["", "\n\n"])
@pytest.mark.fault("F19")
def test_a_validation_set_without_any_text_is_refused(workshop, text):
    """Before anything is trained."""
    corpus = workshop.copy_corpus()
    for language in ("en", "de"):
        (corpus / f"valid.{language}").write_text(text)

    refused(workshop.train(), "valid.en", "empty")


def test_predict_of_nothing_is_nothing(finished, cli, tmp_path):
    """An empty file gives an empty file."""
    (tmp_path / "in").write_text("")

    assert cli("predict", finished[0].run, "--input", tmp_path / "in", "--output", tmp_path / "out").code == 0
    assert (tmp_path / "out").read_bytes() == b""
