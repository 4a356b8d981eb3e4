"""Which versions of seqtrain a plugin should ask for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from seqtrain.plugin import PROJECT


def suitable_range(distribution: str = PROJECT) -> str:
    """
    Return a requirement on one of our distributions: from the version installed to before the next major.

    Example:
        >>> suitable_range().partition(">=")[0]
        'seqtrain'
    """
    try:
        installed = version(distribution)
    except PackageNotFoundError:  # a package of ours that is not here was released along with core
        installed = version(PROJECT)
    major, minor = (int(number) for number in installed.split(".")[:2])
    return f"{distribution}>={major}.{minor},<{major + 1}"
