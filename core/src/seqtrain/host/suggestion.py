"""Did you mean …? One way to say it everywhere."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return " Did you mean 'x'?" where a known word is close, and nothing otherwise.

    Example:
        >>> did_you_mean("adm", ["adam", "sgd"])
        " Did you mean 'adam'?"
    """
    from difflib import get_close_matches  # noqa: PLC0415 - needed only where something is wrong

    close = get_close_matches(word, sorted(set(known)), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
