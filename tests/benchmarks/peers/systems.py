"""What is compared: how each library is started and resumed, and where its files lie."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

STEPS, SAVE_EVERY, STEPS_PER_EPOCH = 60, 12, 25


@dataclass(frozen=True, kw_only=True)
class System:
    """
    A library with one set of settings.

    Args:
        name: as the table calls it.
        script: what is run; it lies beside this file.
        start: its arguments, with FOLDER for the run's folder and DATA for seqtrain's corpus.
        resume: arguments that are added to go on.
        slow: arguments that make a step longer and change nothing else.
        final: the file that holds the parameters at the end.
        newest: lists the files of the newest checkpoint, those that are resumed from.
        step: how a line of the log says which step is done.
    """

    name: str
    script: str
    start: tuple[str, ...]
    resume: tuple[str, ...]
    slow: tuple[str, ...]
    final: str
    newest: Callable[[Path], list[Path]]
    step: re.Pattern[str] = field(default=re.compile(r"^step (\d+)$", re.MULTILINE))


def newest_folder(pattern: str) -> Callable[[Path], list[Path]]:
    """Make a function that lists the files of the folder with the highest number."""

    def files(run: Path) -> list[Path]:
        folders = sorted(run.glob(pattern), key=lambda each: int(each.name.rpartition("-")[2]))
        return sorted(each for each in folders[-1].iterdir() if each.is_file()) if folders else []

    return files


def last_file(run: Path) -> list[Path]:
    """List what Lightning's `ckpt_path="last"` takes."""
    return sorted(run.glob("checkpoints/last.ckpt"))


def peer(name: str, script: str, *settings: str, resume: tuple[str, ...], final: str, newest: Callable) -> System:
    """Describe a peer, all of which are started alike."""
    start = ("FOLDER", "--steps", str(STEPS), "--save", str(SAVE_EVERY), *settings)
    return System(
        name=name, script=script, start=start, resume=resume, slow=("--pause", "0.1"), final=final, newest=newest
    )


HF = {
    "resume": ("--resume",),
    "final": f"checkpoint-{STEPS}/model.safetensors",
    "newest": newest_folder("checkpoint-*"),
}
LIGHTNING = {"resume": ("--resume",), "final": "final.safetensors", "newest": last_file}
SEQTRAIN = (
    "train --task translation --model transformer/tiny --run-dir FOLDER data.cache_dir=DATA/cache task.train=DATA/train "
    "task.valid=DATA/valid task.source_lang=en task.target_lang=de task.tokenizer.vocab_size=500 "
    "task.score_validation=false trainer.best_metric=loss trainer.validate.epochs=null data.max_sentences=16 "
    f"lr_scheduler.warmup_steps=10 trainer.max_steps={STEPS} checkpoint.save.steps={SAVE_EVERY} "
    "checkpoint.save.epochs=null model.embed_dim=64 model.ffn_dim=128 model.encoder_layers=1 model.decoder_layers=1 logging.every.steps=1 logging.progress=plain"
)

SYSTEMS = {
    "seqtrain": System(
        name="seqtrain",
        script="seqtrain_run.py",
        start=tuple(SEQTRAIN.split()),
        resume=(),
        slow=(),
        final=f"checkpoints/step-{STEPS:08d}/model.safetensors",
        newest=newest_folder("checkpoints/step-????????"),
        step=re.compile(r"  step (\d+)  train"),
    ),
    "hf": peer("HF Trainer, defaults", "hf_run.py", **HF),
    "hf-best": peer("HF Trainer, JIT checkpoint", "hf_run.py", "--best", **HF),
    "lightning": peer("Lightning, defaults", "lightning_run.py", **LIGHTNING),
    "lightning-loader": peer("Lightning, stateful loader", "lightning_run.py", "--best", **LIGHTNING),
    "lightning-best": peer(
        "Lightning, stateful loader, own callback, weights_only",
        "lightning_run.py",
        *("--best", "--random-state", "--weights-only"),
        **LIGHTNING,
    ),
}
