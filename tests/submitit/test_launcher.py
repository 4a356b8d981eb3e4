"""The launcher on this machine keeps what launchers promise."""

from __future__ import annotations

import pytest

from seqtrain_testing.contracts import LauncherContract


class TestSubmititHere(LauncherContract):
    """With submitit's own executor for one machine; on SLURM, see `tests/integration/test_slurm.py`."""

    name = "submitit"
    settings = {"executor": "local", "stop_seconds": 20}

    @pytest.fixture(autouse=True)
    def _logs(self, tmp_path, monkeypatch):
        """Write the logs of jobs where the test's other files are."""
        monkeypatch.chdir(tmp_path)
