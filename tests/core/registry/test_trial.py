"""Listing a stranger's plugin in a child process, and whole commands beside plugins that end or hang their process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqtrain.errors import UsageError
from seqtrain.registry import trial
from seqtrain.registry.trial import timeout_from

pytestmark = pytest.mark.runs

OFFER = """
from seqtrain.plugin import Component, hookimpl
@hookimpl
def seqtrain_components():
    yield Component(kind="model", name="good", ref="zoo:make", summary="From the zoo", for_tasks=("lm",))
    yield 3
"""


@pytest.fixture
def trials(monkeypatch):
    """Children are started, although pytest may have threads."""
    monkeypatch.setattr(trial, "can_try", lambda: True)
    monkeypatch.setenv("SEQTRAIN_PLUGIN_TIMEOUT", "20")


HOSTILE = {
    "exits": ("import os; os._exit(0)", "it ended the process while being listed"),
    "exits_3": ("import os; os._exit(3)", "it ended the process with exit code 3 while being listed"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises_sigint": ("import signal; signal.raise_signal(signal.SIGINT)", "it was killed by SIGINT"),
    "terminates": ("import os; os.kill(os.getpid(), 15)", "it was killed by SIGTERM"),
    "kills": ("import os; os.kill(os.getpid(), 9)", "it was killed by SIGKILL"),
    "its_group": ("import os; os.killpg(0, 15)", "it was killed by SIGTERM"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "it was killed by SIGSEGV"),
    "loops": ("while True: pass", "it did not come to an end within 3 s while being listed"),
    "stops": ("import os; os.kill(os.getpid(), 19)", "it did not come to an end within 3 s"),
    "deaf": ("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)", "it did not come to an end"),
    "closes_all": ("import os; os.closerange(0, 99)" + OFFER, "it ended the process"),
}
HARMLESS = {
    "closes_stdout": "import sys; sys.stdout.close(); sys.__stdout__.close()" + OFFER,
    "closes_1": "import os; os.close(1)" + OFFER,
    "writes_1": "import os; os.write(1, b'from the plugin')" + OFFER,
    "reads": "assert input is not None; import sys; assert sys.stdin.read() == ''" + OFFER,
    "forks": "import os; os.fork()" + OFFER,
    "forks_and_loops": "import os\nif not os.fork():\n    while True: pass" + OFFER,
    "takes_exit": "import os; os._exit = lambda code: None" + OFFER,
    "threads": "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()" + OFFER,
}


def test_no_plugin_ends_the_command(zoo):
    """Each is listed in its state, within one time limit for all, and stdout has nothing but the list."""
    for name, code in {**{name: code for name, (code, _) in HOSTILE.items()}, **HARMLESS}.items():
        zoo.install(name, code)
    environ = {**os.environ, "PYTHONPATH": str(zoo.path), "SEQTRAIN_PLUGIN_TIMEOUT": "3"}

    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "seqtrain", "plugins", "list", "--json"],
        env=environ, capture_output=True, text=True, check=False, input="not for plugins",
    )  # fmt: skip
    took_s = time.monotonic() - started
    plugins = {each["id"]: each for each in json.loads(done.stdout)["plugins"]}

    assert done.returncode == 0, done.stderr
    assert took_s < 20  # with three that hang for 3 s each, at the same time
    for name, (_, note) in HOSTILE.items():
        assert plugins[name]["state"] == "broken", name
        assert note in plugins[name]["note"], name
        assert plugins[name]["remedy"], name
    for name in HARMLESS:
        assert plugins[name]["state"] == "ok", plugins[name]
        assert [each["name"] for each in plugins[name]["components"]] == ["good"]
    assert plugins["core"]["state"] == "ok"
    assert "plugin 'loops' (zoo-loops 1.0): it did not come to an end within 3 s" in done.stderr


def test_what_a_child_finds_is_what_would_be_found_here(zoo, trials, monkeypatch):
    """Components, bad records, notes, tracebacks and additions to `sys.path` arrive unchanged."""
    zoo.install("acme", "import sys, os; sys.path.insert(0, '/added'); os.environ['ZOO'] = '1'\n" + OFFER)
    zoo.install("bad", "raise RuntimeError('two\\nlines \\udcff')")
    before = list(sys.path)
    there = zoo.discover().plugins
    added = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    assert not [name for name in sys.modules if name.startswith("zoo_zoo")]

    monkeypatch.setattr(trial, "can_try", lambda: False)
    here = zoo.discover().plugins

    assert there[0] == here[0]
    assert there[0].note == "changes os.environ (ZOO) and changes sys.path"
    assert there[0].components[0].for_tasks == ("lm",)
    assert (there[1].note, there[1].state) == (here[1].note, "broken")
    assert there[1].traceback.startswith("Traceback")
    assert added == [*before, "/added"]


def test_no_child_is_left(zoo, trials):
    """Also where it does not end by itself."""
    zoo.install("loops", "while True: pass")
    before = children()

    assert zoo.only(environ={"SEQTRAIN_PLUGIN_TIMEOUT": "0.2"}).state == "broken"
    assert children() <= before


def children() -> set[str]:
    """Return the numbers of the processes that this one has started; other tests may have left some."""
    return {number for file in Path("/proc/self/task").glob("*/children") for number in file.read_text().split()}


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e9"])
def test_a_time_that_is_none_is_refused(text):
    """With the variable's name."""
    with pytest.raises(UsageError, match=f"SEQTRAIN_PLUGIN_TIMEOUT={text} is no number of seconds"):
        timeout_from({"SEQTRAIN_PLUGIN_TIMEOUT": text})
