"""One library's trials: make a state, do something to it, go on, and say what came of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from systems import SAVE_EVERY, STEPS, System
from training_process import Launcher, Process

KILLED_AT = 52  # step of the run whose checkpoints are damaged: the newest is of step 48
NEWEST = KILLED_AT // SAVE_EVERY * SAVE_EVERY
ERROR = re.compile(r"^(?:seqtrain: error: )?((?:[\w.]+\.)?\w*(?:Error|Exception)\b|seqtrain: error)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """
    How a resumed run ended.

    Args:
        code: its exit code.
        equal: the final parameters are those of the undisturbed run, bit for bit.
        begun: the step it went on from.
        warned: it said something that an undisturbed resume does not say.
        error: class of the error that ended it.
    """

    code: int
    equal: bool
    begun: int
    warned: bool
    error: str

    def text(self, newest: int | None = None) -> str:
        """Say it in a few words; with the newest checkpoint's step, also whether that was used."""
        if self.code:
            return f"ends with {self.error or 'an error'} (exit {self.code})"
        words = ["exact" if self.equal else "OTHER PARAMETERS"]
        if newest is not None:
            used = "the newest" if self.begun >= newest else "an older one" if self.begun else "nothing"
            words.append(f"from {used}, {'warned' if self.warned else 'silent'}")
        return " ".join(words)


class Trials:
    """
    Everything that is done to one library.

    Args:
        system: the library.
        place: a folder for its runs, which is emptied.
        fork: see `Launcher`.
    """

    def __init__(self, system: System, place: Path, data: Path, *, fork: bool) -> None:
        self.system, self.place, self.data = system, place, data
        self.run, self.temporary, self.logs = place / "run", place / "tmp", place / "logs"
        shutil.rmtree(place, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.temporary.mkdir()
        self.launcher = Launcher(system.script, self.temporary, fork=fork)
        self.count = 0
        self.fingerprint = ""
        self.usual: set[str] = set()
        self.reference: dict[str, int] = {}

    # --- runs

    def start(self, *more: str, fresh: bool) -> Process:
        """Start training; with `fresh` in an empty folder."""
        if fresh:
            shutil.rmtree(self.run, ignore_errors=True)
            for each in self.temporary.iterdir():
                each.unlink() if each.is_file() else shutil.rmtree(each)
        self.count += 1
        argv = [*self.system.start, *(() if fresh else self.system.resume), *more]
        argv = [each.replace("FOLDER", str(self.run)).replace("DATA", str(self.data)) for each in argv]
        return self.launcher.start(argv, self.logs / f"{self.count:04d}.log")

    def undisturbed(self) -> bool:
        """Train twice without any fault, and once from the state that is damaged later; say whether all are equal."""
        prints = []
        for _ in range(2):
            process = self.start(fresh=True)
            assert process.wait() == 0, process.text()[-2000:]
            prints.append(self.print())
        self.fingerprint = prints[0]
        process = self.start(fresh=True)
        assert process.reaches(KILLED_AT, self.system.step)
        assert process.signal(signal.SIGKILL), "it was over before it could be killed"
        process.wait()
        files = self.system.newest(self.run)
        self.reference = {each.name: each.stat().st_size for each in files}
        shutil.rmtree(self.place / "pristine", ignore_errors=True)
        shutil.copytree(self.run, self.place / "pristine", symlinks=True)
        process = self.resume_process()
        self.usual = said(process.text())
        return prints[0] == prints[1]

    def resume_process(self) -> Process:
        """Go on, to the end."""
        process = self.start(fresh=False)
        process.wait()
        return process

    def resume(self) -> Outcome:
        """Go on in the documented way, and judge."""
        process = self.resume_process()
        text, code = process.text(), process.wait()
        steps = [int(number) for number in self.system.step.findall(text)]
        errors = ERROR.findall(text)
        return Outcome(
            code=code,
            equal=code == 0 and self.print() == self.fingerprint,
            begun=steps[0] - 1 if steps else STEPS,
            warned=bool(said(text) - self.usual),
            error=errors[-1].rpartition(".")[2] if errors else "",
        )

    def print(self) -> str:
        """Hash the parameters at the end."""
        path = self.run / self.system.final
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"

    def restore(self) -> list[Path]:
        """Put back the state of a run that was killed between two saves; list its newest checkpoint's files."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.place / "pristine", self.run, symlinks=True)
        return self.system.newest(self.run)

    def by_hand(self) -> Outcome:
        """Do what a user would: delete the newest checkpoint, and go on."""
        files = self.system.newest(self.run)
        if files and files[0].name != "last.ckpt":
            shutil.rmtree(files[0].parent)
        else:
            for each in files:
                each.unlink()
            others = sorted(self.run.glob("checkpoints/epoch=*.ckpt"), key=lambda each: each.stat().st_mtime)
            if others:
                shutil.copy(others[-1], self.run / "checkpoints" / "last.ckpt")
        return self.resume()

    # --- looking at the folder

    def saving(self) -> tuple:
        """Return what can be seen of a save: names and sizes."""
        places = [*self.run.glob("**/*checkpoint*/**/*"), *self.temporary.glob("*")]
        seen = []
        for path in places:
            try:
                seen.append((str(path), path.lstat().st_size))
            except OSError:
                continue
        return tuple(sorted(seen))

    def torn(self) -> bool:
        """Say whether a save was caught in the middle: something is left over or missing."""
        files = {each.name: each.stat().st_size for each in self.system.newest(self.run)}
        hidden = any(self.run.glob("checkpoints/.*"))
        partly = any(files.get(name, 0) < 0.9 * size for name, size in self.reference.items())
        return hidden or any(self.temporary.glob("tmp*")) or partly

    def changes(self, number: int) -> Callable[[], bool]:
        """Make a condition: so many changes of the checkpoints' folder have been seen."""
        before, left = self.saving(), number

        def seen() -> bool:
            nonlocal before, left
            now = self.saving()
            if now != before:
                before, left = now, left - 1
            return left <= 0

        return seen


def said(text: str) -> set[str]:
    """Return the lines of a log without what differs from run to run."""
    lines = (re.sub(r"[\d.,:/%e+-]+|\[.*?\]", "", line).strip() for line in text.splitlines())
    return {line for line in lines if line and not re.search(r"epoch|Writing model shards|train_runtime|^step", line)}
