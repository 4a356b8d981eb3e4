"""
`seqtrain train`, stopped after some steps and timed, for `training_speed.py`.

    python tests/benchmarks/timed_train.py STEPS CONFIG.yaml [options of seqtrain train]

Prints milliseconds per step after the tenth, as `bare_loop.py` does. Nothing is validated, saved or tested, so that
every task will do; the run folder is left without a checkpoint.
"""

from __future__ import annotations

import sys

from bare_loop import WARM_UP, StepClock

from seqtrain.batch import Step
from seqtrain.cli.main import main
from seqtrain.trainer import Trainer

NEVER = "{epochs: 1000000}"


def time_steps(steps: int) -> None:
    """Have the trainer start the clock in the step after the warm-up, and leave before the one that is too many."""
    clock = StepClock()
    train_step = Trainer.train_step

    def timed(self: Trainer, step: Step) -> None:
        if self.progress.step == WARM_UP:
            clock.start()
        if self.progress.step == steps:
            print(clock.per_step(steps - WARM_UP), flush=True)
            sys.exit()
        train_step(self, step)

    Trainer.train_step = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    time_steps(int(sys.argv[1]))
    settings = [
        f"trainer.max_steps={int(sys.argv[1]) + 1}", "trainer.max_epochs=null",
        f"trainer.validate={NEVER}", f"checkpoint.save={NEVER}",
    ]  # fmt: skip
    sys.exit(main(["train", *sys.argv[2:], *settings]))
