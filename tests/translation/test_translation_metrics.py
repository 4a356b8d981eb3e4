"""BLEU, chrF and exact matches."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
import sacrebleu
from sacrebleu.metrics.bleu import BLEU

from seqtrain.errors import DataError
from seqtrain_translation.metrics import Bleu, Chrf, ExactMatch
from seqtrain_translation.scoring_config import ScoringConfig


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
    """A hundred lines that end in ' .' make sacrebleu warn by default; here nothing is said."""
    lines = ["a small dog runs ."] * 200

    with caplog.at_level(logging.DEBUG):
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
