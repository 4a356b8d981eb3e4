"""How a process of our own is started: with the Python of this one, and nothing from the working directory."""

from __future__ import annotations

import sys

# Python looks for modules in the working directory first, where a file may be called json.py or torch.py; before 3.11
# nothing but the first statement can keep it from that. An empty entry is what `-c` adds.
_CODE = "import sys; sys.path[:] = [each for each in sys.path if each]; from {} import run; run()"


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls a module's `run`, which finds the arguments in `sys.argv` and ends the process."""
    return [sys.executable, "-c", _CODE.format(module), *arguments]
