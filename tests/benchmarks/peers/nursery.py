"""
A process that has imported a training script, and forks one process for each line it reads: `{"argv": [], "log": PATH}`.

    python nursery.py SCRIPT

Answers with the process's id at once, and with its wait status when it has ended. A forked process runs the script's
`main(argv)`, writes to its log, and ends as any Python process does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys


def main(script: str) -> None:
    """Fork until there are no more lines; return in the forked processes, with the script run."""
    spec = importlib.util.spec_from_file_location("training_script", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # what the script prints goes elsewhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while line := os.read(0, 65536):
        request = json.loads(line)
        if (pid := os.fork()) == 0:
            answers.close()
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            module.main(request["argv"])
            return
        print(pid, file=answers)
        print(os.waitpid(pid, 0)[1], file=answers)


if __name__ == "__main__":
    main(sys.argv[1])
