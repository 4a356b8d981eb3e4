"""Two hosts, as network namespaces of this machine with a cable between them, which one can cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HOSTS = {"a": "10.77.61.1", "b": "10.77.61.2"}
TIMEOUT = 15  # seconds of silence after which a worker fails
STEPS = 400


def ip(*words: str) -> None:
    """Configure the network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_make_hosts() -> bool:
    """Try it: it takes root, and a system that allows namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", "seqtrain-probe"], check=False, capture_output=True).returncode == 0
    if made:
        ip("netns", "delete", "seqtrain-probe")
    return made


pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="network namespaces need root and `ip` (iproute2)")


@pytest.fixture
def hosts() -> Iterator[dict[str, str]]:
    """Make two hosts; return the names of their namespaces."""
    names = {host: f"seqtrain-{os.getpid()}-{host}" for host in HOSTS}
    try:
        for name in names.values():
            ip("netns", "add", name)
        ip("link", "add", "st-a", "netns", names["a"], "type", "veth", "peer", "name", "st-b", "netns", names["b"])
        for host, name in names.items():
            ip("-n", name, "address", "add", f"{HOSTS[host]}/24", "dev", f"st-{host}")
            ip("-n", name, "link", "set", f"st-{host}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Host:
    """One of the hosts, with the command that runs on it."""

    def __init__(self, name: str, folder: Path, *settings: str) -> None:
        self.log = folder / f"{name}.log"
        words = [
            "train", "--task", "lm", "--run-dir", str(folder / "run"), "--workers", "1", "--nodes", "2",
            "--rendezvous", f"{HOSTS['a']}:29461", "task.dummy.examples=64", "task.dummy.length=16",
            "task.dummy.vocab_size=40", "model.embed_dim=32", "model.ffn_dim=32", "model.attention_heads=2",
            "model.layers=1", "data.max_sentences=4", "trainer.max_epochs=null", "trainer.patience=null",
            "trainer.validate={epochs: 1000}", "checkpoint.save={steps: 20}", "trackers={}", "distributed.device=cpu",
            f"distributed.timeout={TIMEOUT}", "distributed.stop_seconds=10", *settings,
        ]  # fmt: skip
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "seqtrain", *words]
        with self.log.open("w") as log:
            environ = {**os.environ, "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)

    def wait(self, seconds: float = 120) -> int:
        """Return the exit code."""
        return self.process.wait(seconds)

    def said(self) -> str:
        """Return what the user of this host sees."""
        return self.log.read_text(encoding="utf-8")


def wait_for_checkpoint(run: Path, step: int) -> None:
    """Wait until one of that step or a later one is there."""
    until = time.monotonic() + 90
    while not any(int(each.name[-8:]) >= step for each in run.glob("checkpoints/step-????????")):
        assert time.monotonic() < until, "no checkpoint"
        time.sleep(0.05)


def test_a_run_on_two_hosts_ends(hosts: dict[str, str], tmp_path: Path) -> None:
    """Both commands end well; the main worker's host has the results."""
    both = [Host(name, tmp_path, "trainer.max_steps=40") for name in hosts.values()]

    assert [0, 0] == [each.wait() for each in both], "\n".join(each.said() for each in both)
    assert 1 == sum("trainer.max_steps=40 reached" in each.said() for each in both)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert 40 == lines[-1]["step"]


def test_a_cut_cable_ends_both_hosts_and_the_run_goes_on_after_it(hosts: dict[str, str], tmp_path: Path) -> None:
    """Each host says that the other is gone, within the timeout; the same commands go on from the newest checkpoint."""
    both = [Host(name, tmp_path, f"trainer.max_steps={STEPS}", "trainer.max_epochs=null") for name in hosts.values()]
    wait_for_checkpoint(tmp_path / "run", 20)
    ip("-n", hosts["b"], "link", "set", "st-b", "down")
    cut = time.monotonic()
    codes = [each.wait() for each in both]
    seconds = time.monotonic() - cut

    print(f"both ended {seconds:.1f} s after the cut:", *(each.said() for each in both), sep="\n")
    assert [1, 1] == codes
    ip("-n", hosts["b"], "link", "set", "st-b", "up")
    both = [Host(name, tmp_path, f"trainer.max_steps={STEPS}") for name in hosts.values()]
    assert [0, 0] == [each.wait() for each in both], "\n".join(each.said() for each in both)
    assert 1 == sum("Resuming from" in each.said() for each in both)
