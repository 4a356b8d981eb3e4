"""
The built-in corpus: the source text of the running Python's own standard library.

It needs no download, and a model of it writes something that looks like Python. Which modules are taken, and into
which split each goes, is decided by their names.
"""

from __future__ import annotations

import hashlib
import sysconfig
import zlib
from collections.abc import Iterator
from pathlib import Path

from seqtrain.api import DataError
from seqtrain_text.corpus import write_corpus

SPLITS = ("train", "valid", "test")
LIMITS = {"train": 1_500_000, "valid": 50_000, "test": 50_000}
"""Characters of each split; modules are added until there are so many."""

MODULE_LIMIT = 20_000  # characters of one module, from its beginning: many modules rather than a few long ones
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3", "pydoc_data"}


def write_builtin_corpus(cache: Path) -> dict[str, Path]:
    """
    Write the corpus below `cache`, unless it is there already.

    Returns:
        The file of each split.

    Raises:
        DataError: this Python has no source text.
    """
    texts = library_text(Path(sysconfig.get_path("stdlib")))
    digest = hashlib.sha256(repr(texts).encode()).hexdigest()
    corpus = cache / f"builtin-python-{digest[:12]}"
    write_corpus({f"{split}.txt": text for split, text in texts.items()}, corpus)
    return {split: corpus / f"{split}.txt" for split in SPLITS}


def library_text(library: Path) -> dict[str, str]:
    """
    Return the text of each split, modules one after the other.

    Args:
        library: the folder of the standard library.

    Raises:
        DataError: there is not enough to fill every split.
    """
    texts = dict.fromkeys(SPLITS, "")
    for name, text in _modules(library):
        split = {0: "valid", 1: "test"}.get(zlib.crc32(name.encode()) % 20, "train")
        if len(texts[split]) < LIMITS[split]:
            texts[split] += _beginning(text)
        elif all(len(texts[each]) >= LIMITS[each] for each in SPLITS):
            break
    if not all(texts.values()):
        raise DataError(
            f"The built-in corpus is the source of Python's standard library, but there is too little of it in "
            f"{library}. Set task.train=FILE to train on text of your own."
        )
    return texts


def _modules(library: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of all modules in an order that mixes packages, and is always the same."""
    names = [path.relative_to(library).as_posix() for path in library.rglob("*.py")]
    names = [name for name in names if not LEFT_OUT.intersection(name.split("/"))]
    for name in sorted(names, key=lambda name: (hashlib.sha256(name.encode()).hexdigest(), name)):
        try:
            yield name, (library / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # one that cannot be read, or is in an old encoding
            continue


def _beginning(text: str) -> str:
    """Return the first lines of a module, and an empty one."""
    return text[: text.rfind("\n", 0, MODULE_LIMIT) + 1] + "\n"
