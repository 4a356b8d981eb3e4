"""BLEU, chrF and exact matches."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
import sacrebleu
from sacrebleu.metrics.bleu import BLEU

from seqtrain.errors import DataError
from seqtrain_translation.metrics import Bleu, Chrf, ChrfPlusPlus, ExactMatch, Ter
from seqtrain_translation.scoring_config import CaseConfig, ScoringConfig, TerConfig


@dataclass(frozen=True)
class Scores:
    """What the three metrics find."""

    bleu: float
    chrf: float
    exact_match: float
    bleu_signature: str
    chrf_signature: str


def score_translations(ours: list[str], theirs: list[str], config: ScoringConfig) -> Scores:
    """Measure by each of the metrics, which must agree on what can be measured."""
    bleu, chrf, exact_match = metrics = Bleu(config), Chrf(config), ExactMatch(config)
    found: dict[str, float] = {}
    errors = []
    for metric in metrics:
        try:
            found |= metric(ours, theirs)
        except DataError as error:
            errors.append(str(error))
    assert [bleu.higher_is_better, chrf.higher_is_better, exact_match.higher_is_better] == [
        {"bleu"}, {"chrf"}, {"exact_match"}
    ]  # fmt: skip
    if errors:
        assert errors == [errors[0]] * 3
        raise DataError(errors[0])
    signatures = bleu.describe_measures()["bleu"], chrf.describe_measures()["chrf"]
    return Scores(found["bleu"], found["chrf"], found["exact_match"], *signatures)


HYPOTHESES = ["The cat sat on the mat .", "Two dogs run, fast!", "A man (old) is reading a newspaper."]
REFERENCES = ["The cat sat on a mat .", "Two dogs run, fast!", "An old man is reading the newspaper."]


@pytest.mark.parametrize("tokenize", ["13a", "intl", "char", "zh", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_are_sacrebleus(tokenize: str, lowercase: bool) -> None:
    """BLEU and chrF equal those of sacrebleu's own functions with the same settings."""
    scores = score_translations(HYPOTHESES, REFERENCES, ScoringConfig(tokenize=tokenize, lowercase=lowercase))

    bleu = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], tokenize=tokenize, lowercase=lowercase, force=True)
    assert bleu.score == scores.bleu
    assert sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score == pytest.approx(scores.chrf) or lowercase
    assert f"tok:{tokenize}" in scores.bleu_signature
    assert ("case:lc" if lowercase else "case:mixed") in scores.bleu_signature
    assert "version:" + sacrebleu.__version__ in scores.chrf_signature


def test_perfect_translations_get_full_marks() -> None:
    """Equal text has BLEU and chrF of 100, and is an exact match."""
    scores = score_translations(REFERENCES, REFERENCES, ScoringConfig())

    assert (pytest.approx(100), pytest.approx(100), 1) == (scores.bleu, scores.chrf, scores.exact_match)


def test_segmented_text_is_split_at_spaces_only() -> None:
    """'don't' is one word of segmented text, which 13a would split; by hand, 3 of 4 words match."""
    ours, theirs = ["a b@@ c-d don't"], ["a b@@ c-d won't"]

    bleu = BLEU(tokenize="none", force=True).corpus_score(ours, [theirs])
    assert [3, 2, 1, 0] == bleu.counts
    assert bleu.score == score_translations(ours, theirs, ScoringConfig(tokenize="none")).bleu


def test_exact_match_is_a_share_and_obeys_lowercase() -> None:
    """One of three sentences is equal; ignoring case, two are. Blanks at the ends never count."""
    ours, theirs = ["one ", "TWO", "three"], ["one", "two", "four"]

    assert score_translations(ours, theirs, ScoringConfig()).exact_match == pytest.approx(1 / 3)
    assert score_translations(ours, theirs, ScoringConfig(lowercase=True)).exact_match == pytest.approx(2 / 3)


def test_tokenised_text_is_scored_in_silence(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture) -> None:
    """A hundred lines that end in ' .' make sacrebleu warn by default; here nothing is warned of."""
    lines = ["a small dog runs ."] * 200

    with caplog.at_level(logging.WARNING):
        score_translations(lines, lines, ScoringConfig())

    assert [] == caplog.records
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(("ours", "theirs"), [([], []), (["a"], []), (["a", "b"], ["a"])])
def test_unequal_or_missing_sentences_are_refused(ours: list[str], theirs: list[str]) -> None:
    """The message gives both counts."""
    with pytest.raises(DataError, match=f"{len(ours)} translations against {len(theirs)} references"):
        score_translations(ours, theirs, ScoringConfig())


def test_empty_translations_score_nothing() -> None:
    """A model that says nothing gets 0, not an error."""
    scores = score_translations(["", ""], ["a b c d", "e f"], ScoringConfig())

    assert (0, 0, 0) == (scores.bleu, scores.chrf, scores.exact_match)


ENGLISH = (
    ["The cat sat on the mat.", "Two Dogs run, fast!", "A man (old) is reading a newspaper."],
    ["The cat sat on a mat.", "two dogs run, fast!", "An old man is reading the newspaper."],
)
CHINESE = (
    ["我们明天去北京、看一看长城。", "他用 Python 写了三本书。"],
    ["我们明天要去北京、看一看长城。", "他用 Python 写了两本书。"],
)


@pytest.mark.parametrize(
    ("settings", "texts", "expected", "signature"),
    [
        ({}, ENGLISH, 29.4118, "case:lc|tok:tercom|norm:no|punct:yes|asian:no"),
        ({"case_sensitive": True, "normalized": True}, ENGLISH, 38.0952, "case:mixed|tok:tercom|norm:yes|"),
        ({"normalized": True, "asian_support": True}, CHINESE, 8.3333, "norm:yes|punct:yes|asian:yes"),
        ({}, CHINESE, 50.0, "asian:no"),
        ({}, (["", "a"], ["", "a"]), 0.0, "tercom"),
        ({}, (["a b", ""], ["  ", ""]), 100.0, "tercom"),
    ],
)
def test_ter_is_sacrebleus(
    settings: dict[str, bool], texts: tuple[list[str], list[str]], expected: float, signature: str
) -> None:
    """By hand: `sacrebleu -m ter`, with its options --ter-..."""
    ter = Ter(TerConfig(**settings))

    assert expected == pytest.approx(ter(*texts)["ter"], abs=5e-5)
    assert signature in ter.describe_measures()["ter"]
    assert frozenset() == ter.higher_is_better


def test_chrf_plus_plus_is_sacrebleus() -> None:
    """By hand: `sacrebleu -m chrf --chrf-word-order 2`."""
    metric = ChrfPlusPlus(CaseConfig())

    assert pytest.approx(63.8296, abs=5e-5) == metric(*ENGLISH)["chrf_plus_plus"]
    assert "nc:6|nw:2" in metric.describe_measures()["chrf_plus_plus"]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["a b", "", "x y z w"], ["a c", "  ", "x y z v"], (53.7285, 41.6667, 33.3333)),
        (["a b", ""], ["  ", ""], (0.0, 0.0, 100.0)),
    ],
)
def test_empty_texts_and_blanks_are_scored_as_by_sacrebleu(
    ours: list[str], theirs: list[str], expected: tuple[float, float, float]
) -> None:
    """By hand: `sacrebleu -m bleu chrf ter`."""
    found = (
        Bleu(ScoringConfig())(ours, theirs)["bleu"],
        Chrf(CaseConfig())(ours, theirs)["chrf"],
        Ter(TerConfig())(ours, theirs)["ter"],
    )

    assert expected == pytest.approx(found, abs=5e-5)


@pytest.mark.parametrize(
    ("ours", "theirs", "score", "remark"),
    [
        (["foo bar", "the end"], ["foo bar", "the end"], 0.0, "; 0 because no translation has 4 words"),
        (
            ["one two three four"],
            ["five six seven eight"],
            0.0,
            "; 0 because no word of a translation is in its reference",
        ),
        (["a b c d e"], ["a b c x e"], 42.7287, "; smoothed, because no 4 words in a row are in the reference"),
        (["a b c d e"], ["a b c d e"], 100.0, ""),
    ],
)
def test_an_odd_score_has_a_remark(ours: list[str], theirs: list[str], score: float, remark: str) -> None:
    """Behind the signature, only when it is so; the third by hand: (4/5 * 2/4 * 1/3 * 1/(2*2))^(1/4)."""
    bleu = Bleu(ScoringConfig())
    measured = bleu(ours, theirs)["bleu"]
    signature, _, said = bleu.describe_measures()["bleu"].partition(";")

    assert score == pytest.approx(measured, abs=5e-5)
    assert remark == (f";{said}" if said else "")
    assert signature.startswith("nrefs:1|") and "version:" in signature


def test_the_reason_of_a_zero_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    """Validation after validation would say the same."""
    bleu = Bleu(ScoringConfig())
    with caplog.at_level(logging.INFO):
        for ours in ("x", "x", "x x x x", "a b c d", "x x x x"):
            bleu([ours], ["a b c d"])

    said = [record.getMessage() for record in caplog.records if "because" in record.getMessage()]
    assert ["4 words", "its reference", "its reference"] == [" ".join(each.split()[-2:]) for each in said]


def test_references_too_short_for_bleu_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Even their own translations have 0; `sacrebleu -tok char` gives these 100."""
    lines = ["foo bar", "the end"]
    bleu = Bleu(ScoringConfig())

    assert [0, 0] == [bleu(lines, lines)["bleu"] for _ in range(2)]
    assert 1 == caplog.text.count("No reference has 4 words by the tokenization 13a")
    assert pytest.approx(100) == Bleu(ScoringConfig(tokenize="char"))(lines, lines)["bleu"]


def test_the_signature_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It stands in train.log, before the first scores."""
    bleu = Bleu(ScoringConfig())
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            bleu(*ENGLISH)

    signature = bleu.describe_measures()["bleu"].partition(";")[0]
    assert [f"bleu is measured by sacrebleu: {signature}"] == [record.getMessage() for record in caplog.records]
