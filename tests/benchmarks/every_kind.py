"""
From nothing to a plugin that is used, for every kind: `new`, install, `check`, its own tests, two steps or its own use.

    python tests/benchmarks/every_kind.py [KIND ...]

Each kind begins in an empty folder, with an environment of its own that sees what is installed here. Every command is
printed with its exit code, the time it took and the last line it wrote; the first one that fails ends its kind, and
makes this end with 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

from seqtrain.plugin import KINDS

PIP = "import sys; from pip._internal.cli.main import main; sys.exit(main())"  # as in the script that comes with pip
SHOWN_LINES = 30  # of what a failing command has written
TRAIN = (
    "seqtrain train --task translation --run-dir run trainer.max_steps=2 data.max_tokens=512 data.cache_dir=cache "
    "task.generation.max_len_a=0 task.generation.max_len_b=2"
)
READ = "task.train=data/train task.valid=data/valid task.source_lang=en task.target_lang=de"

# What is typed once the plugin is installed, with NAME for what it offers.
USES = {
    "task": ["seqtrain train --task NAME --run-dir run trainer.max_steps=2", "seqtrain predict run --input letters"],
    "model": [f"{TRAIN} --model NAME"],
    "criterion": [f"{TRAIN} --criterion NAME"],
    "optimizer": [f"{TRAIN} --optimizer NAME"],
    "lr_scheduler": [f"{TRAIN} --lr-scheduler NAME"],
    "tokenizer": [f"{TRAIN} task.tokenizer.name=NAME", "seqtrain predict run --input text"],
    "reader": [f"{TRAIN} {READ} task.reader.name=NAME"],
    "metric": [f"{TRAIN} task.metric.name=NAME", "seqtrain evaluate run --split valid"],
    "tracker": [f"{TRAIN} trackers.NAME={{}}", "grep valid/loss run/NAME/metrics.csv"],
    "callback": [f"{TRAIN} callbacks.NAME.every=1", "grep weights run/train.log"],
    "launcher": [f"{TRAIN} distributed.launcher.name=NAME", "seqtrain predict run --input text"],
    "exporter": [TRAIN, "seqtrain export run --to NAME --output model", "ls model/model.json model/model.safetensors"],
    "importer": [
        "seqtrain plugins new acme-my-exporter --kind exporter",
        "pip install --quiet --no-index --no-deps --no-build-isolation ./acme-my-exporter",
        TRAIN,
        "seqtrain export run --to my_exporter --output model",
        "seqtrain import model --from NAME --run-dir imported",
        "seqtrain predict imported --input text",
    ],
    "command": [TRAIN, "seqtrain NAME run"],
}


def main(kinds: list[str]) -> int:
    """Go through the kinds and return how many have failed."""
    failed, started = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            place = Path(folder) / kind
            begun = time.perf_counter()
            print(f"== {kind}", flush=True)
            environ = prepare(place)
            if not all(run(command, place, environ) for command in commands(kind)):
                failed.append(kind)
            print(f"== {kind}: {time.perf_counter() - begun:.1f} s\n", flush=True)
    took = time.perf_counter() - started
    print(f"{len(kinds) - len(failed)} of {len(kinds)} kinds in {took:.0f} s; failed: {', '.join(failed) or 'none'}")
    return len(failed)


def commands(kind: str) -> list[str]:
    """Return the command lines for a kind."""
    component = f"my_{kind}"
    name = f"acme-{component.replace('_', '-')}"
    return [
        f"seqtrain plugins new {name} --kind {kind}",
        f"pip install --quiet --no-index --no-deps --no-build-isolation ./{name}",
        f"seqtrain plugins check {name}",
        f"python -m pytest -q -p no:cacheprovider {name}",
        *(command.replace("NAME", component) for command in USES[kind]),
    ]


def prepare(place: Path) -> dict[str, str]:
    """Make a folder with an environment and a little data, and return the variables that commands there are run with."""
    venv.create(place / "venv", symlinks=True)
    scripts = place / "venv" / "bin"
    (library,) = (place / "venv").glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (library / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    for name, start in (("seqtrain", "from seqtrain.cli.main import run; run()"), ("pip", PIP)):
        (scripts / name).write_text(f"#!{scripts}/python\n{start}\n", encoding="utf-8")
        (scripts / name).chmod(0o755)
    write_data(place)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def write_data(place: Path) -> None:
    """Write a corpus in JSON Lines, and lines to predict from."""
    (place / "text").write_text("two hundred and five\n", encoding="utf-8")
    (place / "letters").write_text("abc\n", encoding="utf-8")
    (place / "data").mkdir()
    for split, count in (("train", 200), ("valid", 10)):
        for language, words in (("en", ("one", "two", "three")), ("de", ("eins", "zwei", "drei"))):
            lines = (
                " ".join(words[(number + place) % 3] for place in range(1 + number % 5)) for number in range(count)
            )
            text = "".join(json.dumps({"text": line}) + "\n" for line in lines)
            (place / "data" / f"{split}.{language}").write_text(text, encoding="utf-8")


def run(command: str, folder: Path, environ: dict[str, str]) -> bool:
    """Run a command line, print how it ended, and say whether it went well."""
    begun = time.perf_counter()
    done = subprocess.run(
        command.split(),
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(f"[{done.returncode}] {time.perf_counter() - begun:5.1f} s  $ {command}", flush=True)
    shown = done.stdout.splitlines()[-(SHOWN_LINES if done.returncode else 1) :]
    print("".join(f"             {line}\n" for line in shown), end="", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:] or list(KINDS)), 1))
