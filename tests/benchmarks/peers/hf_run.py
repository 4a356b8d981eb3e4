"""
A small classifier trained by Hugging Face's Trainer, as its documentation has it: what `peers_faults.py` starts.

    python hf_run.py FOLDER [--resume] [--steps N] [--save N] [--best] [--pause SECONDS]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

EXAMPLES, LENGTH, WORDS, CLASSES = 400, 12, 3000, 4


class Examples(Dataset):
    """Random token ids; the label follows from them."""

    def __init__(self) -> None:
        self.tokens = torch.randint(0, WORDS, (EXAMPLES, LENGTH), generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return EXAMPLES

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        tokens = self.tokens[index]
        return {"input_ids": tokens, "labels": tokens.sum() % CLASSES}


class Progress(TrainerCallback):
    """Say that a step is done; with a pause, make steps longer."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def on_step_end(self, args, state, control, **kwargs) -> None:
        print(f"step {state.global_step}", flush=True)
        time.sleep(self.pause)


def main(argv: list[str]) -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--resume", action="store_true", help="resume_from_checkpoint=True")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--save", type=int, default=12)
    parser.add_argument("--best", action="store_true", help="the JIT checkpoint, and look for a checkpoint first")
    parser.add_argument("--pause", type=float, default=0.0)
    asked = parser.parse_args(argv)

    settings = TrainingArguments(
        output_dir=asked.folder,
        max_steps=asked.steps,
        save_strategy="steps",
        save_steps=asked.save,
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        seed=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        enable_jit_checkpoint=asked.best,
    )
    torch.manual_seed(1)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=WORDS,
            hidden_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=LENGTH,
            num_labels=CLASSES,
        )
    )
    trainer = Trainer(model=model, args=settings, train_dataset=Examples(), callbacks=[Progress(asked.pause)])
    resume: bool | str | None = asked.resume
    if asked.best:  # as in the library's example scripts
        resume = get_last_checkpoint(asked.folder) if asked.resume else None
    trainer.train(resume_from_checkpoint=resume)


if __name__ == "__main__":
    main(sys.argv[1:])
