"""What lies here belongs to somebody else: its tests run where it is installed, see tests/packaging/test_thirdparty.py."""

from __future__ import annotations

collect_ignore_glob = ["*/*"]
