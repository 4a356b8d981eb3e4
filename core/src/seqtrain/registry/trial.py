"""
A stranger's plugin is listed in a child process, so that nothing it does there can end, hang or change this one.

Our own packages are listed in this process: they are known to behave, and a child takes a few milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from os import _exit  # as it is before any plugin has replaced it
from typing import Any, NoReturn

from seqtrain.errors import UsageError
from seqtrain.plugin import PROJECT, Component
from seqtrain.registry.installed import BadRecord, Plugin

TIMEOUT_VARIABLE = "SEQTRAIN_PLUGIN_TIMEOUT"
_DEFAULT_TIMEOUT_S = 20.0  # an import of torch from a cold disk included
_LONGEST_TIMEOUT_S = 86_400.0
_PIECE = 65_536  # bytes

logger = logging.getLogger(__name__)


def can_try() -> bool:
    """Say whether this process may be forked: not with other threads in it, whose locks a child would find held."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - pathlib need not be imported for this
    except OSError:  # not Linux
        threading: Any = sys.modules.get("threading")
        return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def timeout_from(environ: Mapping[str, str]) -> float:
    """
    Return the seconds that a plugin may take to be listed.

    Raises:
        UsageError: the variable is no number above zero.
    """
    text = environ.get(TIMEOUT_VARIABLE, "") or str(_DEFAULT_TIMEOUT_S)
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        raise UsageError(f"{TIMEOUT_VARIABLE}={text} is no number of seconds above 0. Write one, such as 60.")
    return timeout_s


class Trial:
    """
    A plugin that is being listed in a child process.

    Args:
        plugin: as far as it is known before importing it.
        listed: imports its module and says what became of it; called in the child.
        timeout_s: how long it may take.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, plugin: Plugin, listed: Callable[[], Plugin], timeout_s: float) -> None:
        self._plugin = plugin
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._reader, writer = os.pipe()
        try:
            self._pid = os.fork()
            if not self._pid:
                _answer(listed, writer)
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)

    def outcome(self) -> Plugin:
        """Wait for the child, and return the plugin as the child found it: broken if there is no answer."""
        try:
            answer = self._read()
        finally:
            status = self.end()
        if answer is None:
            note = f"it did not come to an end within {self._timeout_s:g} s while being listed"
            remedy = (
                f"Every command waits for that. If it is only slow, type `export {TIMEOUT_VARIABLE}=120`; to go "
                f"without it, `{PROJECT} --no-plugin {self._plugin.id} ...` or `pip uninstall {self._plugin.package}`."
            )
            logger.warning("%s: %s. %s", self._plugin, note, remedy)
            return replace(self._plugin, state="broken", note=note, remedy=remedy)
        try:
            return _read_plugin(answer, self._plugin)
        except (ValueError, TypeError, KeyError):  # nothing, or not all of it
            note = f"it {_how_it_ended(status)} while being listed"
            return replace(self._plugin, state="broken", note=note, remedy=self._plugin.newer_or_none)

    def end(self) -> int | None:
        """End the child and whatever it has started, and return how it ended; None where nobody knows."""
        if not self._pid:
            return None
        os.close(self._reader)
        pid, self._pid = self._pid, 0
        status = None
        with suppress(ChildProcessError):  # the system has been told not to keep the ends of children
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                os.kill(pid, signal.SIGKILL)
                status = os.waitpid(pid, 0)[1]
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        return status

    def _read(self) -> bytes | None:
        """Return the line that the child writes, or less if it ends before; None if it takes too long."""
        text = b""
        while not text.endswith(b"\n"):
            if not select.select([self._reader], [], [], max(0.0, self._deadline - time.monotonic()))[0]:
                return None
            piece = os.read(self._reader, _PIECE)
            if not piece:
                break
            text += piece
        return text


def _answer(listed: Callable[[], Plugin], writer: int) -> NoReturn:
    """In the child: write what became of the plugin, and end without anything that this process would do at its end."""
    child = os.getpid()
    try:
        os.setsid()  # Ctrl-C is for the parent, which ends this one
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        writer = fcntl.fcntl(writer, fcntl.F_DUPFD, 3)  # a standard stream that was closed gives its number away
        with suppress(OSError):
            os.dup2(2, 1)  # stdout is for results
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        path = list(sys.path)
        plugin = listed()
        if os.getpid() == child:  # and not a process that the plugin has forked
            added = [each for each in sys.path if each not in path]
            text = json.dumps({**asdict(plugin), "added_to_path": added}) + "\n"
            data = text.encode()
            while data:
                data = data[os.write(writer, data) :]
    finally:
        _exit(0)


def _read_plugin(answer: bytes, plugin: Plugin) -> Plugin:
    """
    Return the plugin that an answer describes; what it needs on `sys.path` is added there, at the end.

    Raises:
        ValueError, TypeError, KeyError: the answer is not complete.
    """
    record = json.loads(answer)
    sys.path += [each for each in record["added_to_path"] if each not in sys.path]
    components = tuple(Component(**{**each, "for_tasks": tuple(each["for_tasks"])}) for each in record["components"])
    bad_records = tuple(BadRecord(**each) for each in record["bad_records"])
    found = {name: record[name] for name in ("state", "note", "remedy", "traceback")}
    return replace(plugin, components=components, bad_records=bad_records, **found)


def _how_it_ended(status: int | None) -> str:
    if status is None or not status:
        return "ended the process"
    code = os.waitstatus_to_exitcode(status)
    return f"ended the process with exit code {code}" if code > 0 else f"was killed by {signal.Signals(-code).name}"
