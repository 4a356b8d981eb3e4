"""Tokenizers: what they give back, what they save, and what they refuse."""

from __future__ import annotations

import functools
import gzip
import json
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from seqtrain.errors import CheckpointError, ConfigError, DataError
from seqtrain.protocols import Tokenizer
from seqtrain_text import sentence_piece
from seqtrain_text.config import BPEConfig, CharConfig, HuggingFaceConfig, UnigramConfig, WhitespaceConfig, WordConfig
from seqtrain_text.hugging_face import HuggingFace
from seqtrain_text.plugin import seqtrain_components
from seqtrain_text.sentence_piece import bpe, unigram
from seqtrain_text.symbols import char, whitespace, word
from seqtrain_text.tokenizer import cut_long_lines, sample_evenly

MULTI30K = Path(__file__).parents[3] / "shared/data/multi30k-en-de"
LINES = [
    f"{who} {verb} the {size} {what} number {n} ." for n in range(6) for who in ("a man", "two girls", "nobody")
    for verb in ("sees", "wants to see") for size in ("small", "great") for what in ("house", "river")
]  # fmt: skip
MAKERS = {
    "bpe": lambda: bpe(BPEConfig(vocab_size=120)),
    "unigram": lambda: unigram(UnigramConfig(vocab_size=60)),
    "hf": lambda: HuggingFace(HuggingFaceConfig(vocab_size=300)),
    "word": lambda: word(WordConfig()),
    "char": lambda: char(CharConfig()),
    "whitespace": lambda: whitespace(WhitespaceConfig()),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@functools.cache
def trained(name):
    """Train a tokenizer once for all tests that only read it."""
    tokenizer = MAKERS[name]()
    tokenizer.train(LINES)
    return tokenizer


def rows_of(tokenizer, lines):
    tokens, lengths = tokenizer.encode_batch(lines)
    assert tokens.dtype == np.int32
    assert lengths.dtype == np.int64
    assert lengths.sum() == len(tokens)
    return [part.tolist() for part in np.split(tokens, np.cumsum(lengths)[:-1])]


@pytest.fixture(params=MAKERS)
def name(request):
    return request.param


def test_components_are_those_tested_here():
    """Every tokenizer on offer is among these tests, and is made from its default config."""
    components = [component for component in seqtrain_components() if component.kind == "tokenizer"]

    assert list(MAKERS) == [component.name for component in components]
    for component in components:
        made = pkgutil.resolve_name(component.ref)(pkgutil.resolve_name(component.config)())
        made.train(LINES)
        assert isinstance(made, Tokenizer)
        assert len(component.summary) <= 72


def test_every_tokenizer_fulfils_the_protocol(name):
    """The special ids of what is trained here are 0 to 3, by name too."""
    tokenizer = trained(name)

    assert isinstance(tokenizer, Tokenizer)
    assert [0, 1, 2, 3] == [tokenizer.padding, tokenizer.bos, tokenizer.eos, tokenizer.unknown]
    assert ["<pad>", "<s>", "</s>", "<unk>"] == tokenizer.vocabulary()[:4]
    assert tokenizer.vocab_size == len(tokenizer.vocabulary()) == len(set(tokenizer.vocabulary()))


def test_known_text_comes_back(name):
    """Decoding the ids of a line seen in training gives the line; padding, bos and eos are left out."""
    tokenizer = trained(name)
    line = "two girls wants to see the great river number 3 ."

    (ids,) = rows_of(tokenizer, [line])

    assert line == tokenizer.decode([1, *ids, 2, 0, 0]) == tokenizer.decode(np.array(ids))
    assert not {0, 1, 2, 3} & set(ids)
    assert len(ids) == len(tokenizer.tokens(ids))
    assert max(ids) < tokenizer.vocab_size


def test_lines_are_encoded_one_by_one_or_together(name):
    """A line's ids do not depend on its neighbours; empty lines are rows of no ids."""
    tokenizer = trained(name)
    lines = ["", *LINES[:5], " ", "", LINES[7] + " q\u00fc\u2603", ""]

    together = rows_of(tokenizer, lines)

    assert [rows_of(tokenizer, [line])[0] for line in lines] == together
    assert [] == together[0] == together[7]
    assert [0, 0] == [array.size for array in tokenizer.encode_batch([])]


def test_the_name_of_a_special_token_in_a_text_is_text(name):
    """Nobody ends a sentence by writing `</s>` in it."""
    tokenizer = trained(name)

    (ids,) = rows_of(tokenizer, ["a man <s> </s> <pad>"])

    assert not {0, 1, 2} & set(ids)


def test_training_twice_gives_the_same(name):
    """Equal text, equal fingerprint; other text, another one."""
    again, other = MAKERS[name](), MAKERS[name]()
    again.train(iter(LINES))
    other.train([*LINES, *["something else altogether"] * 90])

    assert again.fingerprint == trained(name).fingerprint
    assert again.vocabulary() == trained(name).vocabulary()
    assert other.fingerprint != again.fingerprint


def test_what_is_saved_is_loaded(name, tmp_path):
    """The folder and the config are all that is needed."""
    trained(name).save(tmp_path / "task" / "tokenizer")
    loaded = MAKERS[name]()
    loaded.load(tmp_path / "task" / "tokenizer")

    assert trained(name).fingerprint == loaded.fingerprint
    assert trained(name).vocabulary() == loaded.vocabulary()
    assert rows_of(trained(name), LINES) == rows_of(loaded, LINES)
    assert len(list((tmp_path / "task" / "tokenizer").iterdir())) == 1


def test_a_missing_or_damaged_file_is_named(name, tmp_path):
    """Loading says which file is the matter."""
    with pytest.raises(CheckpointError, match="Cannot read the tokenizer"):
        MAKERS[name]().load(tmp_path)
    trained(name).save(tmp_path)
    (path,) = tmp_path.iterdir()
    for damage in (b"", b"{}", b"\xff\xfe" * 50):
        path.write_bytes(damage)
        with pytest.raises(CheckpointError, match=rf"{path.name} is damaged"):
            MAKERS[name]().load(tmp_path)


def test_no_text_is_refused(name):
    """A vocabulary needs text."""
    for lines in ([], ["", ""]):
        with pytest.raises(DataError, match="no text to learn a vocabulary from"):
            MAKERS[name]().train(lines)


@given(st.lists(TEXT, min_size=1, max_size=4))
@example(
    [
        "a\u2581 b",
        "a \n b",
        "\n",
        "  two  spaces ",
        "\u00a0x\u00a0 y",
        "\u200b a\u0308 \u00a8 b\x00",
        "\u2603\u2603 \u2603",
        " ",
        "",
        "",
        "   ",
    ]
)
@pytest.mark.parametrize("normalization", ["nmt_nfkc", "identity", "nfkc_cf"])
def test_bpe_by_words_equals_sentencepiece_on_whole_lines(normalization, lines):
    """Remembering the ids of words changes nothing, whatever the text."""
    tokenizer = bpe_with(normalization)

    assert tokenizer._processor.encode(lines) == rows_of(tokenizer, lines)


KEPT = "a b\t\r\u00a0\u3000\u2028\u200c\u200b\ufeff\u0085\x01\uff0c\u00bd\u2122\ufb01e\u0301"
WHOLE = [
    "        return x  # indented",
    "two  blanks, one at the end ",
    "   ",
    "a\tb\t\tc",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # a non-joiner
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u3000m\u00b2 \u00bd\u2026 \u2122",  # full-width marks and blank
    "\u00ab\u00a0oui\u00a0!\u00a0\u00bb",
    "e\u0301 \ufb01n \ufeffx\u2028y\rz",
]


@pytest.mark.parametrize(
    "make", [lambda: bpe(BPEConfig(vocab_size=200)), lambda: unigram(UnigramConfig(vocab_size=140))]
)
def test_by_default_all_characters_and_blanks_come_back(make):
    """Neither indentation nor full-width marks nor joiners are lost, so a model can write them."""
    tokenizer = make()
    tokenizer.train([*LINES, *WHOLE * 3])

    assert WHOLE == [tokenizer.decode(ids) for ids in rows_of(tokenizer, WHOLE)]
    assert 3 not in tokenizer.encode_batch(WHOLE)[0]


@functools.cache
def sentencepiece_of(name, **settings):
    make, config = {"bpe": (bpe, BPEConfig), "unigram": (unigram, UnigramConfig)}[name]
    tokenizer = make(config(vocab_size=120, **settings))
    tokenizer.train([*LINES, *KEPT, KEPT])
    return tokenizer


@given(st.lists(st.text(KEPT, max_size=20), min_size=1, max_size=4))
@pytest.mark.parametrize(
    ("name", "settings"),
    [("bpe", {}), ("bpe", {"dropout": 0.3}), ("unigram", {}), ("unigram", {"sampling_alpha": 0.2})],
)
def test_any_text_of_known_characters_comes_back(name, settings, lines):
    """However it is split: by words, whole, or by chance."""
    tokenizer = sentencepiece_of(name, **settings).sampled(1, 1)

    assert lines == [tokenizer.decode(ids) for ids in rows_of(tokenizer, lines)]


def test_an_identity_model_that_was_saved_before_goes_on_leaving_out_blanks(monkeypatch):
    """Whether blanks are kept is a matter of the model, not of the settings."""
    train = sentencepiece.SentencePieceTrainer.train
    monkeypatch.setattr(
        sentencepiece.SentencePieceTrainer,
        "train",
        lambda **given: train(**{**given, "remove_extra_whitespaces": True}),
    )
    tokenizer = bpe(BPEConfig(vocab_size=120, dropout=0.1))
    tokenizer.train(LINES)

    for encoder in (tokenizer, tokenizer.sampled(1, 1)):
        assert ["a man", ""] == [tokenizer.decode(ids) for ids in rows_of(encoder, ["  a  man ", "  "])]


@functools.cache
def bpe_with(normalization):
    tokenizer = bpe(BPEConfig(vocab_size=120, normalization=normalization))
    tokenizer.train(LINES)
    return tokenizer


def test_bpe_forgets_words_rather_than_grow(monkeypatch):
    """Once too many words are remembered it starts anew, with the same results."""
    monkeypatch.setattr(sentence_piece, "CACHED_WORDS", 10)
    small = MAKERS["bpe"]()
    small.train(LINES)

    for line in LINES:
        assert rows_of(trained("bpe"), [line]) == rows_of(small, [line])
    assert len(small._words) <= 10 + 1 + len(LINES[0].split())


@given(TEXT)
def test_byte_level_bpe_gives_any_text_back(text):
    """Every byte has a token."""
    tokenizer = trained("hf")

    assert text == tokenizer.decode(rows_of(tokenizer, [text])[0])


@given(st.text("a bnm\u00a0", max_size=20))
def test_char_gives_text_of_known_characters_back(text):
    """Spaces are characters like others; an unknown character is shown as one."""
    tokenizer = trained("char")

    assert text.replace("\u00a0", "<unk>") == tokenizer.decode(rows_of(tokenizer, [text])[0])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" @<>"), min_size=1), min_size=1))
def test_whitespace_gives_spaced_tokens_back(tokens):
    """Only U+0020 separates, so a no-break space or a tab is a part of a token."""
    tokenizer = whitespace(WhitespaceConfig())
    line = " ".join(tokens)
    tokenizer.train([line])

    assert line == tokenizer.decode(rows_of(tokenizer, [f" {line}  "])[0])


def test_whitespace_counts_and_undoes_its_joiner():
    """Ids go by frequency, then by name; `@@ ` goes, at the line's end too."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(["un@@ do b", "b un@@ a"])

    assert ["b", "un@@", "a", "do"] == tokenizer.vocabulary()[4:]
    assert [[5, 7, 4, 3, 5]] == rows_of(tokenizer, ["un@@ do b\u00a0 b  c un@@".replace("b\u00a0 ", "")])
    assert "undo b <unk> un" == tokenizer.decode([5, 7, 4, 3, 5])
    assert "un@@ do" == whitespace_without_joiner(tokenizer).decode([5, 7])


def whitespace_without_joiner(other):
    tokenizer = whitespace(WhitespaceConfig(joiner=None))
    tokenizer._use(other.vocabulary(), 1)
    return tokenizer


def test_rare_and_surplus_words_are_unknown():
    """`min_count` and `vocab_size` bound the vocabulary, special entries included."""
    lines = ["a a a b b c"]
    frequent, few = word(WordConfig(min_count=2)), word(WordConfig(vocab_size=5))
    frequent.train(lines)
    few.train(lines)

    assert ["a", "b"] == frequent.vocabulary()[4:]
    assert ["a"] == few.vocabulary()[4:]
    assert [[4, 3, 3]] == rows_of(few, ["a b c"])


def test_word_splits_marks_off():
    """Runs of letters and digits are words, every other mark is one by itself."""
    tokenizer = word(WordConfig())
    tokenizer.train(["Grüß dich, it's 3.5!"])

    assert ["Grüß", "dich", ",", "it", "'", "s", "3", ".", "5", "!"] == tokenizer.tokens(
        rows_of(tokenizer, ["Grüß dich, it's 3.5!"])[0]
    )


MARKED = [
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0926\u093f\u0932\u094d\u0932\u0940",  # Hindi: vowel signs, virama
    "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",  # Tamil
    "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",  # Thai: no blanks, so a run is one word
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",  # pointed Hebrew
    "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627",  # vocalised Arabic
    "Vie\u0323\u0302t na\u0308her",  # decomposed Latin
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: a non-joiner within the word
    "\u0d28\u0d4d\u200d \u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Malayalam and Sinhala: joiners
    "\u1019\u103c\u1014\u103a\u1019\u102c \u1781\u17d2\u1798\u17c2\u179a",  # Burmese and Khmer
    "m\u00b2 x\u0332 1\ufe0f\u20e3",  # a number that is no digit, an enclosing mark
]


@pytest.mark.parametrize("line", MARKED, ids=ascii)
def test_word_keeps_combining_marks_with_their_word(line):
    """What stands between blanks is one word, whatever marks and joiners are in it; decoding gives the line back."""
    tokenizer = word(WordConfig())
    tokenizer.train([line])
    (ids,) = rows_of(tokenizer, [line])

    assert line.split(" ") == tokenizer.tokens(ids)
    assert line == tokenizer.decode(ids)


@pytest.mark.parametrize(
    "line",
    [
        "Hello, world! (It's \"quite\" nice, isn't it?) 3.5 and 3,000.",
        "don\u2019t, l\u2019eau; well-known... \u00bfqu\u00e9?",
        "Er sagte: \u201eJa\u201c und \u00bbnein\u00ab.",
        "\u4ed6\u8bf4\uff1a\u201c\u4f60\u597d\u3002\u201d",
        "\u0915\u093f\u0924\u093e\u092c\u0964 \u062e\u062f\u0627\u060c \u05e6\u05d4\u05f4\u05dc",
        "\U0001f469\u200d\U0001f4bb \U0001f44d\U0001f3fd \u2764\ufe0f ok",  # one character each, though of several code points
    ],
    ids=ascii,
)
def test_word_puts_marks_back_where_they_are_written(line):
    """Punctuation stands at the words that it usually stands at, not between blanks."""
    tokenizer = word(WordConfig())
    tokenizer.train([line])

    assert line == tokenizer.decode(rows_of(tokenizer, [line])[0])


def test_word_spaces_marks_as_the_training_text_does():
    """Where all marks stand between blanks, as in text that is split already, decoding puts them there."""
    tokenizer = word(WordConfig())
    tokenizer.train(["a house , not a boat .", "it is big !"])
    line = "it is a boat , a big house !"
    ids = rows_of(tokenizer, [line])[0]

    assert line == tokenizer.decode(ids)
    tokenizer.train(["a house, not a boat.", "it is big!"])
    assert "a boat, big!" == tokenizer.decode(rows_of(tokenizer, ["a boat , big !"])[0])


def test_a_vocabulary_of_words_without_marks_goes_on_as_it_was_learned(tmp_path):
    """One saved before words kept their marks names no rule: it splits and joins as it did."""
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    (tmp_path / "vocabulary.json").write_text(json.dumps([*special, "na", "her", "\u0308", "."], indent=0))
    old = word(WordConfig())
    old.load(tmp_path)
    old.save(tmp_path / "again")

    assert [[4, 6, 5, 7]] == rows_of(old, ["na\u0308her."])
    assert "na \u0308 her ." == old.decode([4, 6, 5, 7])
    assert "\n " not in (tmp_path / "again" / "vocabulary.json").read_text()


def test_the_rule_that_words_were_learned_by_is_the_indentation_of_their_vocabulary(tmp_path):
    """So that the list is that of the tokens and nothing else; one that this version does not know is refused."""
    trained("word").save(tmp_path)
    path = tmp_path / "vocabulary.json"
    content = path.read_text()
    assert json.loads(content) == trained("word").vocabulary()
    assert content.splitlines()[1] == '  "<pad>",'  # the third rule: its text is spaced throughout
    path.write_text(content.replace('\n  "', '\n      "'))

    with pytest.raises(CheckpointError, match="indented by 6 blanks, which stands for no rule"):
        word(WordConfig()).load(tmp_path)


@pytest.mark.parametrize(("name", "size"), [("bpe", 8000), ("unigram", 8000), ("hf", 8000)])
def test_a_small_text_gives_a_smaller_vocabulary(name, size, caplog):
    """The largest possible one is made, with a warning."""
    make, config = {
        "bpe": (bpe, BPEConfig), "unigram": (unigram, UnigramConfig), "hf": (HuggingFace, HuggingFaceConfig)
    }[name]  # fmt: skip
    tokenizer = make(config(vocab_size=size))
    tokenizer.train(["a rose is a rose", "is a rose"])

    assert tokenizer.vocab_size < 400
    assert f"task.tokenizer.vocab_size={size}" in caplog.text
    assert "a rose" == tokenizer.decode(rows_of(tokenizer, ["a rose"])[0])


def test_a_vocabulary_too_small_for_the_characters_is_refused():
    """The least possible size is told."""
    with pytest.raises(ConfigError, match=r"task\.tokenizer\.vocab_size=8 does not fit the text: at least \d+"):
        bpe(BPEConfig(vocab_size=8)).train(LINES)


def test_a_given_tokenizer_json_gets_the_special_tokens_it_lacks(tmp_path):
    """Present ones keep their ids, missing ones follow the last id; the file is not needed after saving."""
    given_file = tmp_path / "given.json"
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, "[SEP]": 2}, "unk_token": "[UNK]"}
    given_file.write_text(json.dumps({"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}}))
    config = HuggingFaceConfig(path=str(given_file), eos_token="[SEP]", unknown_token="[UNK]")
    tokenizer, loaded = HuggingFace(config), HuggingFace(config)
    tokenizer.train([])
    tokenizer.save(tmp_path)
    given_file.unlink()
    loaded.load(tmp_path)

    for each in (tokenizer, loaded):
        assert (3, 4, 2, 0) == (each.padding, each.bos, each.eos, each.unknown)
        assert ["[UNK]", "hello", "[SEP]", "<pad>", "<s>"] == each.vocabulary()
        assert [[1, 0]] == rows_of(each, ["hello world"])
    assert tokenizer.fingerprint == loaded.fingerprint


def test_a_missing_tokenizer_json_is_an_error(tmp_path):
    """The path given is told."""
    with pytest.raises(DataError, match=r"Cannot read task\.tokenizer\.path=.*none\.json"):
        HuggingFace(HuggingFaceConfig(path=str(tmp_path / "none.json"))).train([])


@pytest.mark.parametrize(
    ("count", "limit", "expected"),
    [(3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (6, 5, [0, 2, 4]), (11, 5, [0, 4, 8]), (9, 1, [0]), (0, 3, [])],
)
def test_a_sample_is_every_kth_line(count, limit, expected):
    """For the smallest power of two that keeps within the limit."""
    assert expected == sample_evenly(range(count), limit)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("abcde", ["abcde"]),
        ("ab cd ef", ["ab cd", "ef"]),
        ("abcdefgh ij", ["abcde", "fgh", "ij"]),
        ("      a", ["     ", "a"]),
        ("abcde\u0301fghij", ["abcd", "e\u0301fgh", "ij"]),  # not between a letter and its mark
        ("abc\u0dca\u200d\u0dbbd", ["ab", "c\u0dca\u200d\u0dbbd"]),
        ("a" + "\u0301" * 6, ["a" + "\u0301" * 4, "\u0301\u0301"]),
        ("", [""]),
    ],
)
def test_long_lines_are_cut_at_blanks_or_between_characters(line, expected):
    """A part has at most `longest` characters; but for the blanks at the cuts, nothing is lost."""
    assert expected == list(cut_long_lines([line], 5))


@given(st.lists(st.text("ab \u0301\u200d", max_size=40), max_size=3), st.integers(1, 9))
def test_nothing_but_blanks_is_lost_where_lines_are_cut(lines, longest):
    """Put together, the parts are the lines."""
    parts = list(cut_long_lines(lines, longest))

    assert "".join(lines).replace(" ", "") == "".join(parts).replace(" ", "")
    assert all(len(part) <= longest for part in parts)


@pytest.mark.parametrize("name", ["bpe", "unigram", "hf"])
def test_a_corpus_of_one_line_gives_the_vocabulary_of_its_words(name, caplog):
    """However long a line is, all of it is learned from; where it is cut does not matter."""
    caplog.set_level("INFO")
    one_line, lines = MAKERS[name](), MAKERS[name]()
    text = " ".join(LINES)
    repeats = 1_200_000 // len(text)
    one_line.train([" ".join([text] * repeats)])
    lines.train([text] * repeats)

    assert "1 lines have more than 10000 characters" in caplog.text
    if name == "bpe":
        assert lines.vocabulary() == one_line.vocabulary()
    (ids,) = rows_of(one_line, [LINES[3]])
    assert LINES[3] == one_line.decode(ids)
    assert len(ids) <= len(rows_of(lines, [LINES[3]])[0]) + 2


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_lines_with_a_character_that_sentencepiece_reserves_are_learned_from(name):
    """It would leave out every line with U+2585, a bar of progress bars, and say nothing."""
    tokenizer = MAKERS[name]()
    line = "done \u2585\u2585\u2585 of it \u2585"
    tokenizer.train([*LINES, *[line] * 9])

    assert line == tokenizer.decode(rows_of(tokenizer, [line])[0])
    assert 3 not in rows_of(tokenizer, [line])[0]


def test_a_line_without_blanks_is_learned_from():
    """As of a genome: the commonest pairs of letters become pieces."""
    tokenizer = bpe(BPEConfig(vocab_size=16))
    tokenizer.train(["acgt" * 400_000])

    assert "acgtacgt" == tokenizer.decode(rows_of(tokenizer, ["acgtacgt"])[0])
    assert "acgt" in tokenizer.vocabulary()


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="needs ../shared/data/multi30k-en-de")
def test_segmented_multi30k_decodes_to_its_words():
    """Undoing the joiner of the bpe form gives the tok form (less one double and one trailing space)."""
    segmented, words = (
        gzip.decompress((MULTI30K / form / "train.en.gz").read_bytes()).decode().split("\n")[:3000]
        for form in ("bpe", "tok")
    )
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(segmented)

    assert [" ".join(line.split(" ")).strip(" ") for line in words] == [
        tokenizer.decode(ids) for ids in rows_of(tokenizer, segmented)
    ]
