"""What a stranger may leave in a run folder, for others to execute."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np

from fake_distributions import write_distribution

AS_FINISHED = {"trackers__tensorboard": None, "trainer__validate": "{steps: 3}"}  # the settings of the run `copied`


class Bomb:
    """Makes the file of a path when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def plant(run: Path, canary: Path) -> list[Path]:
    """Put what others would load, or Python import, into every folder of a run; return the files."""
    pickled = pickle.dumps(Bomb(canary))
    code = f"import os\nos.mkdir({str(canary)!r})\n".encode()
    files = []
    for folder in (run, run / "task", run / "checkpoints", run / "checkpoints" / "step-00000006", run / "tensorboard"):
        folder.mkdir(exist_ok=True)
        binary = ["model.pt", "optimizer.pt", "pytorch_model.bin", "checkpoint.ckpt", ".metadata", "vocabulary.pkl"]
        for name in [*binary, "events.out.tfevents.1.host.1.0"]:
            (folder / name).write_bytes(pickled)
            files.append(folder / name)
        for name in ("sitecustomize.py", "conftest.py", "torch.py", "json.py", "acme_plugin.py", "seqtrain_text.py"):
            (folder / name).write_bytes(code)
            files.append(folder / name)
        np.save(folder / "vocabulary.npy", np.array([Bomb(canary)], object), allow_pickle=True)
        (folder / "hooks.yaml").write_text(f"!!python/object/apply:os.mkdir [{json.dumps(str(canary))}]\n")
        info = write_distribution(folder, "acme", ("acme", "acme_plugin"))
        files += [folder / "vocabulary.npy", folder / "hooks.yaml", info / "METADATA", info / "entry_points.txt"]
    return files
