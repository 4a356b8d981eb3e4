"""
How a worker that our own agent has started says how it ended: in a file, for the agent to read.

So that of several workers that fail, one for the sake of the other, the user is told of the first alone.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

AGENT = "SEQTRAIN_AGENT"
"""Variable: the process id of the agent, in the environment of its workers."""
ATTEMPT = "SEQTRAIN_ATTEMPT"
"""Variable: how often this agent has started its workers before."""
RENDEZVOUS_ID = "SEQTRAIN_RENDEZVOUS_ID"
"""Variable: a name for the workers' rendezvous, another one each time that they are started; the same on all hosts."""

_FILE = "TORCHELASTIC_ERROR_FILE"  # named so by torch's agent
_LOST = {"OtherWorkerError", "DistNetworkError", "DistStoreError", "DistBackendError"}
_SECONDS = 1.0  # between two looks for the agent


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """
    How a worker ended.

    Args:
        kind: "left" in good order; "failed" by an error of its own, or because it "lost" another worker; or "stuck".
        exit_code: of the whole command, if this is what ended it.
        message: for the user, without a place.
        traceback: for whoever mends the code; empty if there is nothing to mend.
        time: in seconds since 1970.
    """

    kind: str
    exit_code: int
    message: str = ""
    traceback: str = ""
    time: float = field(default_factory=time.time)

    @classmethod
    def read(cls, folder: Path) -> WorkerReport | None:
        """Return what a worker wrote into its folder; None if it wrote nothing, or was ended amid it."""
        try:
            return cls(**json.loads((folder / "report.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, environ: Mapping[str, str] = os.environ) -> bool:
        """Leave this to the agent; False if none asks for it."""
        if not is_supervised(environ):
            return False
        file = Path(environ[_FILE]).with_name("report.json")
        part = file.with_name("report.part")
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.replace(file)
        return True


def is_supervised(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether our agent has started this very process, and not one that started this one."""
    return bool(environ.get(_FILE)) and environ.get(AGENT) == str(os.getppid())


def has_lost_another(error: BaseException | None) -> bool:
    """Say whether an error comes from another worker's end: a connection that broke, or one that was never made."""
    while error is not None:
        names = {each.__name__ for each in type(error).__mro__}
        if names & _LOST or (isinstance(error, RuntimeError) and "gloo/transport" in str(error)):
            return True
        error = error.__cause__
    return False


def follow_agent(stop_seconds: float, environ: Mapping[str, str] = os.environ) -> None:
    """
    Let this worker end if its agent is gone, killed with no chance to end its workers.

    Args:
        stop_seconds: time to save in before it is ended the hard way.
        environ: of this process.
    """
    agent = os.getppid()
    if not is_supervised(environ):
        return

    def follow() -> None:
        while os.getppid() == agent:
            time.sleep(_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(stop_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=follow, name="agent", daemon=True).start()
