"""Two workers that hold a part of every parameter each: gradients, optimizers, activations, the order of layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqtrain.registry.discovery import discover
from seqtrain.registry.registry import Registry

SCRIPT = Path(__file__).with_name("sharded_workers.py")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the first worker has found to hold."""
    store = tmp_path_factory.mktemp("sharded") / "store"
    workers = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(store), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [0, 0] == [worker.returncode for worker in workers], "\n".join(outputs)
    return outputs[0].splitlines()


@pytest.mark.parametrize("what", ["gradients", "optimizers", "activations", "models", "order"])
def test_parts_behave_as_the_whole(said: list[str], what: str) -> None:
    """Within 1e-6, or bit for bit; see the function of that name in the script."""
    assert what in said


def test_every_optimizer_was_tried(said: list[str]) -> None:
    """All that are installed; none is left out silently."""
    names = {each.qualified_name for each in Registry(discover().plugins).components("optimizer")}
    assert names
    assert names <= set(said)
