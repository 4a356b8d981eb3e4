"""
What `seqtrain plugins list` costs with our own packages and with N generated plugins besides.

    python tests/benchmarks/listing.py [N]

Makes an environment of its own, in which torch is not even installed: whatever is loaded, is loaded for the list.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from seqtrain.plugin import KINDS

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ["hatchling", "packaging", "pluggy<2", "click<9", "omegaconf<2.5", "pyyaml"]
ROUNDS = 15
WATCHED = ("torch", "numpy", "omegaconf", "tensorboard", "rich", "yaml")


def main(count: int) -> None:
    """Measure our own packages, and `count` more besides, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ours, more = make_environment(place / "ours"), make_environment(place / "more")
        install(more, "--no-deps", *generated(more, place, count))
        listing = ["-m", "seqtrain", "plugins", "list"]
        bare, few, many = in_turns([ours, "-c", "pass"], [ours, *listing], [more, *listing])
        print(f"python -c pass                    {bare:6.1f} ms of CPU time")
        report(ours, "our own packages", few, bare)
        report(more, f"{count} generated plugins besides", many, bare)
        print(f"a plugin more costs               {(many - few) / count:6.2f} ms")


def make_environment(path: Path) -> str:
    """Install what listing needs, and our own packages."""
    venv.create(path, with_pip=True)
    python = str(path / "bin" / "python")
    install(python, *LIGHT)
    projects = [ROOT / "core", *sorted((ROOT / "plugins").iterdir()), *sorted(ROOT.glob("seqtrain_*"))]
    install(python, "--no-deps", *(str(project) for project in projects))
    return python


def install(python: str, *what: str) -> None:
    """Install with pip."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    isolation = ["--no-build-isolation"] if "--no-deps" in what else []
    subprocess.run([*command, *isolation, *what], check=True)


def generated(python: str, place: Path, count: int) -> list[str]:
    """Write plugins, of one kind after the other."""
    names = [f"acme-{kind.replace('_', '-')}-{number}" for number, kind in zip(range(count), itertools.cycle(KINDS))]
    for name, kind in zip(names, itertools.cycle(KINDS)):
        command = [
            python,
            "-m",
            "seqtrain",
            "plugins",
            "new",
            name,
            "--kind",
            kind,
            "--component",
            f"c{names.index(name)}",
        ]
        subprocess.run([*command, "--directory", str(place)], check=True, capture_output=True)
    return [str(place / name) for name in names]


def report(python: str, what: str, listed: float, bare: float) -> None:
    """Print the time of a list, and what was loaded for it."""
    code = (
        "import sys; from seqtrain.cli.main import main; main(['plugins', 'list']);"
        f"print(len(sys.modules), *sorted({set(WATCHED)!r} & sys.modules.keys()), file=sys.stderr)"
    )
    ended = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    rows, modules = len(ended.stdout.splitlines()) - 1, ended.stderr.split()
    loaded = ", ".join(modules[1:]) or "none"
    print(f"{what:<34}{listed:6.1f} ms = {listed / bare:4.1f} x; {rows} lines, {modules[0]} modules, heavy: {loaded}")


def in_turns(*commands: list[str]) -> list[float]:
    """Return the least CPU time of each command, in ms; what is above it is other work on the machine."""
    times = [[cpu_ms(command) for command in commands] for _ in range(ROUNDS)]
    return [min(of_one) for of_one in zip(*times, strict=True)]


def cpu_ms(command: list[str]) -> float:
    """Return the CPU time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
