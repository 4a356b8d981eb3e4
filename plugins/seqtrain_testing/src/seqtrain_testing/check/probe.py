"""What importing a module drags in, seen in a process in which nobody else has imported anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from inspect import currentframe
from types import FrameType

from seqtrain.errors import PluginError
from seqtrain.registry.discovery import HEAVY


def heavy_imports(modules: Sequence[str]) -> dict[str, str]:
    """
    Import modules in a fresh process and return, for each that imports something heavy, what that is and where.

    Raises:
        PluginError: the process ended before it could say.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
    command = [sys.executable, "-c", code, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        said = " ".join(done.stderr.splitlines()[-1:])
        raise PluginError(f"a process that imports {', '.join(modules)} ended with code {done.returncode}: {said}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def main() -> None:
    """Import the modules that are named as arguments, and write what `heavy_imports` returns, as JSON."""
    json.dump(_find_heavy(sys.argv[1:]), sys.stdout)


class _Watcher:
    """An import hook that finds nothing, and notes who asks for what is heavy."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []  # module, and the line that asks for it

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name in HEAVY:
            self.seen.append((name, _line_that_imports(currentframe())))
        return None


def _line_that_imports(frame: FrameType | None) -> str:
    while frame is not None and (frame.f_code.co_filename == __file__ or "importlib" in frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def _find_heavy(modules: Sequence[str]) -> dict[str, str]:
    watcher = _Watcher()
    sys.meta_path.insert(0, watcher)
    found = {}
    for module in modules:
        watcher.seen.clear()
        with redirect_stdout(sys.stderr), suppress(Exception, SystemExit):  # other rules ask whether it can be imported
            imported = import_module(module)
            list(vars(imported).get("seqtrain_components", list)())
        # Looking whether something is installed is no import; and the first one brings the others with it.
        really = [f"{name} ({line})" for name, line in watcher.seen if name in sys.modules]
        if really:
            found[module] = really[0]
    return found
