"""Tokenizer `hf`, by the Hugging Face tokenizers library."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from seqtrain.api import DataError, Rows
from seqtrain_text.config import HuggingFaceConfig
from seqtrain_text.tokenizer import cut_long_lines, damaged, digest, flatten, read_saved, sample_evenly, write_whole

logger = logging.getLogger(__name__)

FILE_NAME = "tokenizer.json"


class HuggingFace:
    """
    A given tokenizer.json, or byte-level BPE trained here.

    Byte-level BPE splits any text and puts it together again exactly; nothing is unknown to it.
    """

    def __init__(self, config: HuggingFaceConfig) -> None:
        self._config = config
        self._special_tokens = [config.padding_token, config.bos_token, config.eos_token, config.unknown_token]
        self._use(tokenizers.Tokenizer(models.BPE()))

    def _use(self, tokenizer: tokenizers.Tokenizer) -> None:
        """Take over a tokenizer, with the special tokens that it lacks."""
        missing = [token for token in self._special_tokens if tokenizer.token_to_id(token) is None]
        tokenizer.add_special_tokens(missing)
        tokenizer.encode_special_tokens = True  # "</s>" in a text is text
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        self.padding, self.bos, self.eos, self.unknown = (vocabulary[token] for token in self._special_tokens)

    @property
    def vocab_size(self) -> int:
        """V, one more than the largest id; a file may leave ids unused."""
        return 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    @property
    def fingerprint(self) -> str:
        """A hash of the tokenizer.json and of the special tokens chosen in it."""
        return digest(f"{self._special_tokens}{self._tokenizer.to_str()}".encode())

    def train(self, lines: Iterable[str]) -> None:
        """Read the tokenizer.json given by the config, or learn a byte-level BPE."""
        if self._config.path is not None:
            self._use(_read_given(Path(self._config.path)))
            return
        sample = sample_evenly(cut_long_lines(lines), self._config.sample_lines)
        if not any(sample):
            raise DataError(
                "There is no text to learn a vocabulary from: every line is empty. Check the training files."
            )
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self._config.vocab_size,
            special_tokens=self._special_tokens,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(sample, trainer)
        self._use(tokenizer)
        if self.vocab_size < self._config.vocab_size:
            logger.warning(
                "The text gives only %d tokens, fewer than task.tokenizer.vocab_size=%d",
                self.vocab_size,
                self._config.vocab_size,
            )

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines and how many each has."""
        encodings = self._tokenizer.encode_batch_fast(list(lines), add_special_tokens=False)
        return flatten([encoding.ids for encoding in encodings])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line."""
        skipped_steps = (self.padding, self.bos, self.eos)
        return str(self._tokenizer.decode([int(i) for i in ids if i not in skipped_steps], skip_special_tokens=False))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the token of each id; an unused id has the empty name."""
        return [self._tokenizer.id_to_token(int(i)) or "" for i in ids]

    def vocabulary(self) -> list[str]:
        """Return all tokens."""
        return self.tokens(range(self.vocab_size))

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        write_whole(folder / FILE_NAME, self._tokenizer.to_str(pretty=True).encode())

    def load(self, folder: Path) -> None:
        """Read tokenizer.json."""
        path = folder / FILE_NAME
        try:
            self._use(tokenizers.Tokenizer.from_buffer(read_saved(path)))
        except ValueError as error:
            raise damaged(path, error) from error


def _read_given(path: Path) -> tokenizers.Tokenizer:
    """Read a user's tokenizer.json."""
    try:
        return tokenizers.Tokenizer.from_buffer(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"Cannot read task.tokenizer.path={path}: {error}. It must be a tokenizer.json of the Hugging Face "
            "tokenizers library; leave task.tokenizer.path out to train one."
        ) from error
