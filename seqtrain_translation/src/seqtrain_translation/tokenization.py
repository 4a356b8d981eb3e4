"""How BLEU splits text of a language into words: the choice among sacrebleu's tokenizations, and loading one."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqtrain.api import ConfigError

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

    from seqtrain_translation.scoring_config import ScoringConfig

logger = logging.getLogger(__name__)

WESTERN = "13a"
_AT_BLANKS = (WESTERN, "intl")
_OF_ONE_LANGUAGE = ("zh", "ja-mecab", "ko-mecab")

# The primary subtags and, where there is one, the script decide: zh, zh-CN, zho_Hans, cmn. "cn" and "jp" are no
# languages in ISO 639, but file names end in them.
_LANGUAGES = {
    "zh": "zh zho chi cmn yue wuu nan hak gan hsn lzh cn",
    "ja-mecab": "ja jpn jp",
    "ko-mecab": "ko kor",
    "char": "th tha lo lao km khm my mya bur bo bod tib dz dzo shn mnw tts nod",
}
_SCRIPTS = {
    "zh": "hans hant hani",
    "ja-mecab": "jpan hira kana",
    "ko-mecab": "kore hang",
    "char": "thai laoo khmr mymr tibt",
    WESTERN: "latn cyrl arab",
}
_BY_LANGUAGE = {code: name for name, codes in _LANGUAGES.items() for code in codes.split()}
_BY_SCRIPT = {code: name for name, codes in _SCRIPTS.items() for code in codes.split()}

_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_OTHERS_WITHOUT_BLANKS = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Tibetan, Burmese, Khmer
_LONG_WORDS = {"zh": 4, "ja-mecab": 4, "char": 8}
"""Characters from one blank to the next, on average, above which a text has no blanks between words."""

_DOWNLOAD_TIMEOUT = 30.0
"""Seconds without an answer."""


def usual_tokenization(language: str) -> str:
    """
    Return the tokenization that BLEU of a language is usually taken with.

    It is sacrebleu's own choice (`sacrebleu -l en-zh`), which knows the codes zh, ja and ko. This one knows their other
    codes besides, and has characters for other languages without blanks between words.
    """
    primary, *subtags = re.split(r"[-_.@]", language.lower())
    scripts = [_BY_SCRIPT[each] for each in subtags if each in _BY_SCRIPT]
    return scripts[0] if scripts else _BY_LANGUAGE.get(primary, WESTERN)


def tokenization_of_text(lines: Sequence[str]) -> str | None:
    """Return a tokenization for text that has no blanks between words; None: it has, or is in another script."""
    text = "".join(lines)
    kana, han, others = (len(each.findall(text)) for each in (_KANA, _HAN, _OTHERS_WITHOUT_BLANKS))
    if 2 * (kana + han + others) <= sum(map(str.isalpha, text)):
        return None
    found = "char" if others > kana + han else "ja-mecab" if 10 * kana > han else "zh"
    words = [word for line in lines for word in line.split()]
    return found if sum(map(len, words)) > _LONG_WORDS[found] * len(words) else None


def make_bleu(config: ScoringConfig, references: Sequence[str], language: str) -> BLEU:
    """
    Return sacrebleu's BLEU with a tokenization that can be loaded; say what was chosen, and what does not fit.

    Args:
        config: its `tokenize` chooses; `auto` by the language.
        references: some of the texts to be compared.
        language: theirs, as the user calls it; "" if it is not known.

    Raises:
        ConfigError: the tokenization that is set cannot be loaded.
    """
    usual = usual_tokenization(language)
    if config.tokenize != "auto":
        _warn_of_misfit(config.tokenize, usual, references, language)
        return load_bleu(config.tokenize, lowercase=config.lowercase)
    if usual == WESTERN:
        _warn_of_misfit(usual, usual, references, language)
    else:
        logger.info(
            "BLEU of %s is taken with sacrebleu's tokenization %s; task.scoring.tokenize=NAME sets another",
            language, usual,
        )  # fmt: skip
    try:
        return load_bleu(usual, lowercase=config.lowercase)
    except ConfigError as error:
        logger.warning("%s Until then BLEU of %s compares characters, and its signature says tok:char", error, language)
        return load_bleu("char", lowercase=config.lowercase)


def load_bleu(tokenization: str, *, lowercase: bool) -> BLEU:
    """
    Return sacrebleu's BLEU.

    Raises:
        ConfigError: the tokenization needs what is not installed, or a model that cannot be downloaded.
    """
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - slow to import, and training may never score

    # sacrebleu has "spm" for "flores101", with a warning that it may be removed.
    name = "flores101" if tokenization == "spm" else tokenization
    try:
        with _download_timeout():
            # `force` only silences sacrebleu's guess that the text was not detokenised.
            return BLEU(tokenize=name, lowercase=lowercase, force=True)
    except (Exception, SystemExit) as error:  # sacrebleu ends the process where a download fails
        raise ConfigError(_remedy(tokenization, name, error)) from error


def _remedy(tokenization: str, name: str, error: BaseException) -> str:
    language = name.partition("-mecab")[0]
    if name.endswith("-mecab"):
        if isinstance(error, RuntimeError) and "pip install" in str(error):
            return (
                f"sacrebleu's tokenization {name} is not installed. Type: pip install 'sacrebleu[{language}]', "
                "or set task.scoring.tokenize=char."
            )
        return (
            f"sacrebleu's tokenization {name} cannot be used ({type(error).__name__}: {error}). "
            f"Type: pip install --force-reinstall 'sacrebleu[{language}]', or set task.scoring.tokenize=char."
        )
    from sacrebleu.utils import SACREBLEU_DIR  # noqa: PLC0415 - likewise

    return (
        f"sacrebleu's tokenization {tokenization} cannot be loaded ({type(error).__name__}: {error}). sacrebleu "
        f"downloads its model once, to {SACREBLEU_DIR}/models, where a broken file must be deleted first. Without a "
        "network, copy that folder from a machine where this was typed: "
        f"python -c \"from sacrebleu.metrics import BLEU; BLEU(tokenize='{name}')\". Or set task.scoring.tokenize=char."
    )


@contextmanager
def _download_timeout() -> Iterator[None]:
    """Limit how long sacrebleu waits for a server that does not answer; it sets no limit itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _warn_of_misfit(chosen: str, usual: str, references: Sequence[str], language: str) -> None:
    """Warn of a tokenization that takes whole sentences for words, or is made for another language."""
    by_text = tokenization_of_text(references)
    if chosen in _AT_BLANKS and usual != WESTERN:
        better = usual
    elif chosen in (*_AT_BLANKS, "none") and by_text is not None:
        better = by_text if usual == WESTERN else usual
    elif chosen in _OF_ONE_LANGUAGE and chosen != usual and (usual != WESTERN or not _is_east_asian(references)):
        better = usual
    else:
        return
    why = "whole sentences of it count as words" if by_text is not None else "it is not made for that language"
    logger.warning(
        "BLEU with the tokenization %s does not fit task.target_lang=%s: %s. Set task.scoring.tokenize=%s",
        chosen, language, why, better,
    )  # fmt: skip


def _is_east_asian(references: Sequence[str]) -> bool:
    """Say whether a tenth of the text is written in Chinese characters, kana or Hangul."""
    text = "".join(references)
    return 10 * sum(len(each.findall(text)) for each in (_KANA, _HAN, _HANGUL)) > len(text)
