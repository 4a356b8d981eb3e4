"""Target text whose words are split already, and the setting that puts them together again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from seqtrain.plugin import Selection
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.joiner import SENTENCEPIECE, WORD_START, find_joiner

logger = logging.getLogger(__name__)


def warn_of_segmented_text(lines: Sequence[str], split: str, tokenizer: Selection) -> None:
    """
    Warn of text that looks segmented where no joiner, or another one, is set, and of whole words where one is.

    Args:
        lines: some target text of a split, as it is in the files.
        split: its name.
        tokenizer: what the user has selected.
    """
    config = tokenizer.config if isinstance(tokenizer, Selection) else None  # as long as it is just a default name
    is_whitespace = isinstance(config, WhitespaceConfig)
    joiner = config.joiner if isinstance(config, WhitespaceConfig) else None
    found = find_joiner(lines)
    if found is not None and found != joiner:
        what = f"U+2581 ({WORD_START}), as sentencepiece" if found == SENTENCEPIECE else '"@@ ", as subword-nmt'
        settings = f"'task.tokenizer.joiner={found}'" if " " in found else f"task.tokenizer.joiner={found}"
        logger.warning(
            "The target text of %s looks segmented: many of its lines have %s writes it. Translations and references "
            "are scored, and translations written, with these marks. To have words put together again, set %s%s",
            split, what, "" if is_whitespace else "task.tokenizer.name=whitespace ", settings,
        )  # fmt: skip
    elif joiner == SENTENCEPIECE and found is None and any(lines):
        logger.warning(
            "task.tokenizer.joiner=sentencepiece, but the target text of %s has hardly any U+2581 (%s), so joining "
            "removes the blanks between its words. Split it by the same model as the training text, "
            "or set task.tokenizer.joiner=null",
            split, WORD_START,
        )  # fmt: skip
