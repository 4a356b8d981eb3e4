"""
What each worker of test_shared_work.py runs: `measured_in_workers.py FOLDER [TRAININGS]`.

FOLDER has `words.txt` and a run of each task, named after it. FOLDER/answers-RANK-of-WORLD_SIZE.json gets what this
worker has measured and predicted, by what was asked. TRAININGS, a JSON list of command lines, come first.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtrain.cli.main import main as command_line
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import DistributedConfig
from seqtrain.inference.load import load_run
from seqtrain.registry.discovery import discover
from seqtrain.run.folder import RunFolder
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.process_group import join_process_group
from seqtrain.workers.world import WorldInfo

SMALL = {  # so that there are several batches, and several buffers
    "translation": ["task.generation.max_tokens=12"],
    "lm": ["task.generation.max_new_tokens=6", "task.evaluation.max_tokens=24"],
    "classify": ["task.prediction.max_tokens=12"],
}
ASKED = {
    "translation": ["", "task.generation.nbest=2", "task.generation.sampling=true", "task.references=REFERENCES"],
    "lm": ["", "task.generation.sampling=true", "task.predict=score"],
    "classify": ["", "task.prediction.format=json"],
}
NUMBERS_OF_LINES = (0, 1, 5, 9)  # a buffer has 4


def answers(folder: Path, group: WorkerGroup) -> Iterator[tuple[str, Any]]:
    """Yield what is measured and predicted."""
    registry = discover()
    lines = (folder / "words.txt").read_text(encoding="utf-8").splitlines()
    references = folder / "references.txt"
    for task, asked in ((task, each) for task, several in ASKED.items() for each in several):
        run = RunFolder(folder / task)
        settings = [*asked.replace("REFERENCES", str(references)).split(), *SMALL[task], "task.buffer_lines=4"]
        config = resolve(registry, config_file=run.config, overrides=[*settings, "data.max_sentences=2"]).config
        loaded = load_run(run, registry, config, group=group)
        yield f"{task} {asked}", loaded.evaluator.measure("valid", loaded.models)
        for number in NUMBERS_OF_LINES:
            if group.is_main:
                references.write_text("".join(f"{line}\n" for line in lines[:number]), encoding="utf-8")
            group.broadcast()  # when they are written
            given = iter(lines[:number] if group.is_main else ())
            yield f"{task} {asked} {number} lines", list(loaded.task.predict(loaded.models, given))


def main(folder: Path) -> None:
    """Join the others, and answer."""
    with join_process_group(WorldInfo.from_environment(os.environ), DistributedConfig(device="cpu")) as group:
        found = dict(answers(folder, group))
        name = f"answers-{group.rank}-of-{group.world_size}.json"
        (folder / name).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    for training in json.loads(sys.argv[2]) if len(sys.argv) > 2 else []:
        assert command_line(training) == 0
    main(Path(sys.argv[1]))
