"""
A small classifier trained by Lightning, as its documentation has it: what `peers_faults.py` starts.

    python lightning_run.py FOLDER [--resume] [--steps N] [--save N] [--best] [--random-state] [--weights-only] [--pause SECONDS]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchdata.stateful_dataloader import StatefulDataLoader

EXAMPLES, LENGTH, WORDS, CLASSES = 400, 12, 3000, 4


class Classifier(lightning.LightningModule):
    """A Transformer encoder with dropout, and Adam."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.output = nn.Linear(64, CLASSES)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        tokens, labels = batch
        return nn.functional.cross_entropy(self.output(self.encoder(self.embed(tokens)).mean(1)), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


class Progress(Callback):
    """Say that a step is done; with a pause, make steps longer."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        print(f"step {trainer.global_step}", flush=True)
        time.sleep(self.pause)


class RandomState(Callback):
    """What a user can add: the state of torch's generator goes into each checkpoint, and back at the first batch."""

    def __init__(self) -> None:
        self.loaded: torch.Tensor | None = None

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"torch": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.loaded = state["torch"]

    def on_train_batch_start(self, *_: Any) -> None:
        if self.loaded is not None:
            torch.set_rng_state(self.loaded)
            self.loaded = None


def examples() -> TensorDataset:
    """Return random token ids; the label follows from them."""
    tokens = torch.randint(0, WORDS, (EXAMPLES, LENGTH), generator=torch.Generator().manual_seed(7))
    return TensorDataset(tokens, tokens.sum(1) % CLASSES)


def main(argv: list[str]) -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", action="store_true", help='ckpt_path="last"')
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--save", type=int, default=12)
    parser.add_argument("--best", action="store_true", help="a stateful loader, saving on exceptions, keeping all")
    parser.add_argument(
        "--random-state", action="store_true", help="with a callback of one's own for torch's random state"
    )
    parser.add_argument("--weights-only", action="store_true", help="fit(weights_only=True)")
    parser.add_argument("--pause", type=float, default=0.0)
    asked = parser.parse_args(argv)

    lightning.seed_everything(1, workers=True)
    saving = ModelCheckpoint(
        dirpath=asked.folder / "checkpoints",
        every_n_train_steps=asked.save,
        save_last=True,
        save_top_k=-1 if asked.best else 1,
        save_on_exception=asked.best,
    )
    trainer = lightning.Trainer(
        default_root_dir=asked.folder,
        max_steps=asked.steps,
        accelerator="cpu",
        devices=1,
        deterministic=True,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[saving, Progress(asked.pause), *([RandomState()] if asked.random_state else [])],
    )
    loader = (StatefulDataLoader if asked.best else DataLoader)(examples(), batch_size=16, shuffle=True)
    model = Classifier()
    trainer.fit(
        model,
        loader,
        ckpt_path="last" if asked.resume else None,
        weights_only=True if asked.weights_only else None,
    )
    save_file(model.state_dict(), asked.folder / "final.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
