"""
The built-in corpus: which package of the running Python's own standard library a line comes from.

It needs no download. Which lines are taken, and into which split each goes, is decided by the lines themselves: a line
that two packages have is in none of the splits, and none is in two of them.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from seqtrain.api import DataError
from seqtrain_text.corpus import write_corpus

SPLITS = ("train", "valid", "test")
PACKAGES = ("asyncio", "email", "http", "importlib", "logging", "multiprocessing", "unittest", "urllib", "xml")
"""Those that every Python has, and that have lines enough."""

LINES = 2400  # of each package at most, so that none is much more likely than another
FEWEST = 200  # lines of a package that is taken at all
TENTHS = {8: "valid", 9: "test"}  # by the line's hash; the others are for training
LEFT_OUT = {"test", "tests", "__pycache__"}

_TAB_OR_BLANK = re.compile(r"\s+")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 3


def write_builtin_corpus(cache: Path) -> dict[str, Path]:
    """
    Write the corpus below `cache`, unless it is there already.

    Returns:
        The table of each split, with the columns label and text.

    Raises:
        DataError: this Python has no source text.
    """
    tables = library_tables(Path(sysconfig.get_path("stdlib")))
    digest = hashlib.sha256(repr(tables).encode()).hexdigest()
    corpus = cache / f"builtin-packages-{digest[:12]}"
    write_corpus({f"{split}.tsv": table for split, table in tables.items()}, corpus)
    return {split: corpus / f"{split}.tsv" for split in SPLITS}


def library_tables(library: Path) -> dict[str, str]:
    """
    Return the table of each split.

    Args:
        library: the folder of the standard library.

    Raises:
        DataError: it has fewer than two of the packages.
    """
    by_package = {package: set(_lines(library / package)) for package in PACKAGES}
    num_packages = Counter(line for lines in by_package.values() for line in lines)
    rows: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    found = []
    for package, lines in by_package.items():
        chosen = sorted((_hash(line), line) for line in lines if num_packages[line] == 1)[:LINES]
        if len(chosen) >= FEWEST:
            found.append(package)
            for hash_, line in chosen:
                rows[TENTHS.get(hash_ % 10, "train")].append((line, package))
    if len(found) < 2:
        raise DataError(
            f"The built-in corpus is lines of packages of Python's standard library, but {library} has too few. "
            "Set task.train=FILE to train on texts of your own."
        )
    return {split: _table(each) for split, each in rows.items()}


def _lines(package: Path) -> Iterator[str]:
    """Yield the lines of a package's modules that have a few words, without indentation."""
    for path in package.rglob("*.py"):
        if LEFT_OUT.intersection(path.relative_to(package).parts):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # one that cannot be read, or is in an old encoding
            continue
        for line in text.splitlines():
            if len(_WORD.findall(line)) >= _FEWEST_WORDS:
                yield _TAB_OR_BLANK.sub(" ", line.strip())


def _hash(line: str) -> int:
    return int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "big")


def _table(rows: list[tuple[str, str]]) -> str:
    """Write rows in an order of no meaning, that is always the same."""
    ordered = sorted(rows, key=lambda row: (_hash(row[0]), row))
    return "label\ttext\n" + "".join(f"{package}\t{line}\n" for line, package in ordered)
