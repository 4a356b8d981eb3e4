"""What holds for every launcher."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from seqtrain.config.option import Selection
from seqtrain.protocols.runs import Launcher
from seqtrain.registry.registry import Registry
from seqtrain.training.signals import raise_on_sigterm
from seqtrain_testing.contracts.component import ComponentContract

PROMISED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
AWKWARD = ["two words", 'a "quoted" one', "it's", '{"a": [1, null]}', "", "$HOME", "*", "--rank=7", "-x", "a\\b", "ü\n"]

# A worker: says who it is in a file, then does as its last argument says.
_WORKER = """
import json, os, pathlib, signal, sys, time
folder, *arguments, then = sys.argv[1:]
mine = {name: os.environ.get(name) for name in PROMISED} | {"arguments": arguments, "directory": os.getcwd()}
(pathlib.Path(folder) / f"{os.environ.get('RANK')}-{os.getpid()}.json").write_text(json.dumps(mine))
exec(then)
""".replace("PROMISED", repr(PROMISED))
_SAVE_AND_END = """
signals, rank = [], os.environ["RANK"]
for each in (signal.SIGTERM, signal.SIGINT):
    signal.signal(each, lambda number, frame: signals.append(signal.Signals(number).name))
(pathlib.Path(folder) / f"ready-{rank}").touch()
deadline = time.monotonic() + 6
while not signals and time.monotonic() < deadline:
    time.sleep(0.02)
time.sleep(0.3)
(pathlib.Path(folder) / f"ended-{rank}").write_text(" ".join(signals))
"""
_SURVIVE = "time.sleep(6); (pathlib.Path(folder) / f'survivor-{os.getpid()}').touch()"


class LauncherContract(ComponentContract):
    """
    A launcher runs a command once for each worker, tells each who it is, and waits until all have ended.

    It is tried with one host. Override `folder` where the workers do not see this machine's temporary files.
    """

    kind = "launcher"

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where workers write, and this process reads."""
        folder = tmp_path / "workers"
        folder.mkdir()
        return folder

    @pytest.fixture
    def launcher(self, registry: Registry, selection: Selection) -> Launcher:
        """The launcher."""
        launcher: Launcher = self.build(registry, selection)
        return launcher

    def _launch(
        self, launcher: Launcher, folder: Path, workers: int, then: str = "", arguments: Sequence[str] = ()
    ) -> int:
        command = [sys.executable, "-c", _WORKER, str(folder), *arguments, then]
        return launcher(command, workers=workers, nodes=1)

    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_each_worker_is_told_who_it_is(self, launcher: Launcher, folder: Path, workers: int) -> None:
        """There is one process for each rank, and it knows its rank and how many there are."""
        self._launch(launcher, folder, workers)
        ranks = [str(rank) for rank in range(workers)]
        count = str(workers)

        assert [each["RANK"] for each in reports(folder)] == ranks
        assert [each["LOCAL_RANK"] for each in reports(folder)] == ranks
        assert {(each["WORLD_SIZE"], each["LOCAL_WORLD_SIZE"]) for each in reports(folder)} == {(count, count)}

    def test_workers_are_told_one_place_to_meet(self, launcher: Launcher, folder: Path) -> None:
        """MASTER_ADDR and MASTER_PORT are the same for all, and the port can be one."""
        self._launch(launcher, folder, 2)
        places = {(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in reports(folder)}

        assert len(places) == 1
        ((host, port),) = places
        assert host
        assert 0 < int(port) < 65536

    def test_arguments_arrive_unchanged(self, launcher: Launcher, folder: Path) -> None:
        """No shell reads them on the way: blanks, quotes, JSON, dollars and stars stay what they are."""
        self._launch(launcher, folder, 2, arguments=AWKWARD)

        assert [each["arguments"] for each in reports(folder)] == [AWKWARD] * 2

    def test_it_waits_until_all_have_ended(self, launcher: Launcher, folder: Path) -> None:
        """The slowest worker, too, is done when it returns."""
        slow = (
            "time.sleep(0.5 if os.environ['RANK'] == '1' else 0); (pathlib.Path(folder) / 'done').open('a').write('x')"
        )
        self._launch(launcher, folder, 2, then=slow)

        assert (folder / "done").read_text() == "xx"

    def test_success_is_0(self, launcher: Launcher, folder: Path) -> None:
        """If all workers end well, so does the launch."""
        assert self._launch(launcher, folder, 2) == 0

    @pytest.mark.parametrize("rank", [0, 1])
    def test_a_failure_gives_its_exit_code(self, launcher: Launcher, folder: Path, rank: int) -> None:
        """The code of the worker that failed is the code of the launch, whichever it was."""
        assert self._launch(launcher, folder, 2, then=f"sys.exit(5 * (os.environ['RANK'] == '{rank}'))") == 5

    def test_a_worker_that_was_killed_is_a_failure(self, launcher: Launcher, folder: Path) -> None:
        """The code is not 0 when a signal, such as that of a full memory, has ended a worker."""
        assert self._launch(launcher, folder, 2, then="os.environ['RANK'] == '1' and os.kill(os.getpid(), 9)") != 0

    def test_a_failure_ends_the_others(self, launcher: Launcher, folder: Path) -> None:
        """A worker that waits for one that has failed would wait for ever."""
        code = self._launch(
            launcher, folder, 2, then=f"sys.exit(3) if os.environ['RANK'] == '1' else exec({_SURVIVE!r})"
        )

        assert code == 3
        assert sorted(folder.glob("survivor-*")) == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interruption_is_passed_on(self, launcher: Launcher, folder: Path, number: signal.Signals) -> None:
        """Ctrl-C or SIGTERM here is one SIGTERM for each worker; the launch is over when they have ended."""
        with suppress(KeyboardInterrupt, SystemExit), raise_on_sigterm(), signalled(number, folder, workers=2):
            self._launch(launcher, folder, 2, then=_SAVE_AND_END)

        assert {path.name: path.read_text() for path in folder.glob("ended-*")} == {
            "ended-0": "SIGTERM",
            "ended-1": "SIGTERM",
        }

    def test_workers_run_in_this_directory(
        self, launcher: Launcher, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Paths in a configuration may count from it."""
        monkeypatch.chdir(tmp_path)
        self._launch(launcher, folder, 1)

        assert [Path(each["directory"]).resolve() for each in reports(folder)] == [tmp_path.resolve()]

    def test_what_workers_say_can_be_read(
        self, launcher: Launcher, folder: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """What each writes to stdout and to stderr comes out of this process, perhaps with something before it."""
        # At once, each: of what is printed in parts, as under PYTHONUNBUFFERED, two workers' may mingle.
        words = "; ".join(
            f"os.write({number}, ('{name} of ' + os.environ['RANK'] + chr(10)).encode())"
            for number, name in ((1, "out"), (2, "err"))
        )
        self._launch(launcher, folder, 2, then=words)
        said = "".join(capfd.readouterr())

        assert [line for line in ("out of 0", "out of 1", "err of 0", "err of 1") if line not in said] == [], said

    def test_this_process_stays_as_it_is(
        self, launcher: Launcher, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What workers are told is not left in the environment of the one who starts them."""
        for name in PROMISED:
            monkeypatch.delenv(name, raising=False)
        before = dict(os.environ)
        self._launch(launcher, folder, 2)

        assert dict(os.environ) == before

    def test_it_can_be_used_again(self, launcher: Launcher, folder: Path) -> None:
        """A second launch, as after a failure, is like the first."""
        codes = [self._launch(launcher, folder, 2, then=then) for then in ("sys.exit(4)", "", "")]

        assert codes == [4, 0, 0]


@contextmanager
def signalled(number: signal.Signals, folder: Path, *, workers: int) -> Iterator[None]:
    """Send this process a signal as soon as all workers have said that they are ready."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set() and len(list(folder.glob("ready-*"))) < workers:
            time.sleep(0.02)
        if not over.is_set():
            os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    on_ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGINT, on_ctrl_c)


def reports(folder: Path) -> list[dict[str, Any]]:
    """Return what the workers said of themselves, by rank."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
