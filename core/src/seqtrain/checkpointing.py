"""When checkpoints are saved and which are kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from seqtrain.checkpoint.restore import check_match
from seqtrain.config.schema import CheckpointConfig
from seqtrain.errors import CheckpointError, SeqtrainError
from seqtrain.progress import Progress

if TYPE_CHECKING:
    from seqtrain.checkpoint.store import CheckpointStore
    from seqtrain.trainer import Trainer

logger = logging.getLogger(__name__)


class Checkpointing:
    """
    Saves the trainer's state when due, keeps what is to be kept, and restores the newest.

    Args:
        config: cadence and retention.
        store: the checkpoints on disk.
        metric: the validation measure that says which is best.
        higher_is_better: which way that is.
    """

    def __init__(
        self, config: CheckpointConfig, store: CheckpointStore, *, metric: str, higher_is_better: bool
    ) -> None:
        self._config, self._store = config, store
        self._metric, self._higher_is_better = metric, higher_is_better
        self._newest_step = 0

    def due(self, progress: Progress) -> bool:
        """Say whether to save after the step just counted."""
        return self._config.save.due(progress)

    def save(self, trainer: Trainer) -> None:
        """Save the present state, unless it is saved already."""
        progress = trainer.progress
        if progress.step == self._newest_step:
            return
        state = {name: part.state_dict() for name, part in trainer.state.items()}
        path = self._store.save(progress.step, progress.epoch, state, trainer.measures)
        self._newest_step = progress.step
        self._store.retain(
            keep_last=self._config.keep_last,
            keep_best=self._config.keep_best,
            metric=self._metric,
            higher_is_better=self._higher_is_better,
            keep_every=self._config.keep_every,
        )
        trainer.hooks.call("seqtrain_checkpoint_saved", trainer=trainer, path=path)

    def restore(self, trainer: Trainer) -> bool:
        """
        Go on from the newest good checkpoint; return whether there was one.

        Raises:
            CheckpointError: it is not one of this run's model and configuration, or none is good.
        """
        checkpoint = self._store.newest_good()
        trainer.reporter.forget_after(0 if checkpoint is None else checkpoint.step)
        if checkpoint is None:
            return False
        state = {name: checkpoint.load(name) for name in trainer.state}
        check_match(
            {name: tensor.shape for name, tensor in trainer.model.state_dict().items()},
            {name: tensor.shape for name, tensor in state["model"].items()},
            str(checkpoint.path),
        )
        try:
            trainer.load_state(state)
        except SeqtrainError:
            raise
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{checkpoint.path} does not fit this run: {error}. Start again with the config.yaml beside it, "
                "or in another --run-dir."
            ) from error
        self._newest_step = trainer.progress.step
        progress = trainer.progress
        logger.warning("Resuming from %s: epoch %d, step %d", checkpoint.path, progress.epoch, progress.step)
        return True
