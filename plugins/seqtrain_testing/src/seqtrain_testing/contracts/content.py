"""What lies in a folder, to be compared before and after."""

from __future__ import annotations

import hashlib
from pathlib import Path


def content_of(path: Path) -> dict[str, str]:
    """Return a hash of each file by its path below `path`; of the file itself, if it is one."""
    assert path.exists(), f"{path} does not exist"
    files = [path] if path.is_file() else [each for each in sorted(path.rglob("*")) if each.is_file()]
    return {str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
