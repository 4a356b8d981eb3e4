"""Tokenizers `bpe` and `unigram`, by the sentencepiece library."""

from __future__ import annotations

import copy
import io
import logging
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import sentencepiece

from seqtrain.api import ConfigError, DataError, Rows
from seqtrain_text.config import BPEConfig, SentencePieceConfig, UnigramConfig
from seqtrain_text.piece_sampling import WORD_MARK, DrawWords, DropoutWords, SampledWords, draw_lines
from seqtrain_text.tokenizer import (
    BOS,
    EOS,
    PADDING,
    SPECIAL_TOKENS,
    UNKNOWN,
    check_vocabulary,
    cut_long_lines,
    damaged,
    digest,
    flatten,
    read_saved,
    sample_evenly,
    write_whole,
)

logger = logging.getLogger(__name__)

FILE_NAME = "sentencepiece.model"
CACHED_WORDS = 100_000  # some 20 MB
RESERVED = "\u2585"  # which sentencepiece leaves out lines for
_LINE_END = np.array([-1], np.int32).tobytes()


def bpe(config: BPEConfig) -> SentencePiece:
    """Make a byte-pair encoding."""
    return SentencePiece(config, "bpe", alpha=config.dropout or None)


def unigram(config: UnigramConfig) -> SentencePiece:
    """Make a unigram piece model."""
    return SentencePiece(config, "unigram", alpha=config.sampling_alpha)


class SentencePiece:
    """
    A sentencepiece model.

    With `normalization="identity"` every blank is kept: each but the first one before a word is a piece of its own.
    BPE never merges across a space, so a line's ids are its words' ids one after the other, and the words' are
    remembered. Unigram picks a line's best split by summing scores along it, where rounding could tip a near-tie,
    so its lines are encoded whole.

    Args:
        config: see `SentencePieceConfig`.
        model_type: "bpe" or "unigram".
        alpha: how much `drawn` varies: the share of merges to leave out, or the power of probabilities; None: nothing.
    """

    padding, bos, eos, unknown = PADDING, BOS, EOS, UNKNOWN

    def __init__(self, config: SentencePieceConfig, model_type: str, *, alpha: float | None = None) -> None:
        self._config = config
        self._model_type = model_type
        self._alpha = alpha
        self._draw: tuple[int, int] | None = None  # (seed, epoch); None: each line is split in the best way
        self._use(b"")

    def _use(self, model: bytes) -> None:
        """Take over a serialised model; an empty one stands for none yet."""
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model or None)
        self._blank = np.array(self._processor.encode(" ")[:1] if model else [], np.int32).tobytes()
        self._words: dict[str, bytes] = {}  # ids of a word, as the bytes of int32 numbers
        self._forget_words()
        self._drawing: list[DrawWords] = []  # made when needed, and then shared with all that `drawn` returns

    def _forget_words(self) -> None:
        """Know nothing but a line end and what stands between two blanks: one more blank, if the model keeps these."""
        self._words = {"\n": _LINE_END, "": self._blank}

    @property
    def vocab_size(self) -> int:
        """V."""
        return int(self._processor.get_piece_size())

    @property
    def fingerprint(self) -> str:
        """A hash of the model file, and of what is drawn."""
        if self._draw is None:
            return digest(self._model)
        return digest(f"{digest(self._model)} {self._model_type} {self._alpha} {self._draw}".encode())

    def sampled(self, seed: int, epoch: int) -> SentencePiece:
        """Return a tokenizer that draws how lines are split; see `SamplesSubwords`."""
        if self._alpha is None:
            return self
        drawing = copy.copy(self)
        drawing._draw = (seed, epoch)  # noqa: SLF001 - of the same class
        return drawing

    def train(self, lines: Iterable[str]) -> None:
        """Learn the pieces; see `Tokenizer.train`."""
        sample = sample_evenly(cut_long_lines(lines), self._config.sample_lines)
        if not any(line.strip() for line in sample):
            raise DataError(
                "There is no text to learn a vocabulary from: every line is empty. Check the training files."
            )
        has_reserved = any(RESERVED in line for line in sample)
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=chain.from_iterable(line.split(RESERVED) for line in sample),
                model_writer=model,
                model_type=self._model_type,
                vocab_size=self._config.vocab_size,
                hard_vocab_limit=False,  # a small text gives fewer
                character_coverage=self._config.character_coverage,
                normalization_rule_name=self._config.normalization,
                remove_extra_whitespaces=self._config.normalization != "identity",
                user_defined_symbols=[RESERVED] if has_reserved else [],
                max_sentence_length=1 << 20,  # bytes, more than any line here has; longer ones would be left out
                num_threads=16,  # decides how sums are split, and so the model: never the number of cores
                pad_id=PADDING,
                bos_id=BOS,
                eos_id=EOS,
                unk_id=UNKNOWN,
                pad_piece=SPECIAL_TOKENS[PADDING],
                bos_piece=SPECIAL_TOKENS[BOS],
                eos_piece=SPECIAL_TOKENS[EOS],
                unk_piece=SPECIAL_TOKENS[UNKNOWN],
                minloglevel=2,
            )
        except RuntimeError as error:
            raise self._explained(error) from error
        self._use(model.getvalue())
        if self.vocab_size < self._config.vocab_size:
            logger.warning(
                "The text gives only %d pieces, fewer than task.tokenizer.vocab_size=%d",
                self.vocab_size,
                self._config.vocab_size,
            )

    def _explained(self, error: RuntimeError) -> ConfigError:
        """Say what a failure of sentencepiece's trainer means."""
        characters = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        least = f"at least {characters[1]} for the characters of this text" if characters else str(error)
        return ConfigError(
            f"task.tokenizer.vocab_size={self._config.vocab_size} does not fit the text: {least}. "
            "Set a larger one, or lower task.tokenizer.character_coverage."
        )

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines and how many each has."""
        if self._draw is not None:
            return draw_lines(self._draw_words(), lines, self._draw)
        text = " \n ".join([*lines, ""])[:-1]
        # Alone, a word loses a mark at its end that it keeps in a line.
        by_words = self._model_type == "bpe" and WORD_MARK not in text and 0 < len(lines) == text.count("\n")
        if not by_words:
            return flatten(self._processor.encode(list(lines)))
        tokens, lengths = self._encode_words(text.split(" "))
        if self._blank and "" in lines:  # which was taken for what stands between two blanks
            is_empty = np.fromiter((not line for line in lines), bool, len(lines))
            tokens = np.delete(tokens, (np.cumsum(lengths) - lengths)[is_empty])
            lengths[is_empty] = 0
        return tokens, lengths

    def _draw_words(self) -> DrawWords:
        if not self._drawing:
            assert self._alpha is not None
            make = DropoutWords if self._model_type == "bpe" else SampledWords
            self._drawing.append(make(self._processor, self._alpha))
        return self._drawing[0]

    def _encode_words(self, words: list[str]) -> Rows:
        """Look the words up, learning those not seen yet; a line end is a word of its own."""
        new = [word for word in set(words) if word not in self._words]
        if len(self._words) + len(new) > CACHED_WORDS:
            self._forget_words()
            new = [word for word in set(words) if word not in self._words]
        for word, ids in zip(new, self._processor.encode(new), strict=True):
            self._words[word] = np.array(ids, np.int32).tobytes()
        marked = np.frombuffer(b"".join(map(self._words.__getitem__, words)), np.int32)
        line_ends = np.flatnonzero(marked < 0)
        return marked[marked >= 0], np.diff(line_ends, prepend=-1) - 1

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line."""
        return str(self._processor.decode([int(i) for i in ids if i not in (PADDING, BOS, EOS)]))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the piece of each id."""
        return [str(self._processor.id_to_piece(int(i))) for i in ids]

    def vocabulary(self) -> list[str]:
        """Return all pieces."""
        return self.tokens(range(self.vocab_size))

    def save(self, folder: Path) -> None:
        """Write the model file."""
        write_whole(folder / FILE_NAME, self._model)

    def load(self, folder: Path) -> None:
        """Read the model file."""
        path = folder / FILE_NAME
        model = read_saved(path)
        if not model:
            raise damaged(path, "it is empty")
        try:
            self._use(model)
            check_vocabulary(self.vocabulary(), path)
        except (RuntimeError, UnicodeDecodeError) as error:
            raise damaged(path, error) from error
