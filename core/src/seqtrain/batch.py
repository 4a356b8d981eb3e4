"""A batch of examples, as models and criteria see it, and the batches of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """
    A batch of examples.

    The counts are known where the batch is made, so that nobody waits for the device to learn them.

    Args:
        ids: (B,) int64 on the host: the examples' indices in their dataset, for reports.
        net_input: what the model is called with, by keyword; each tensor has B rows.
        target: (B, T) int64 token ids, `ModelSpec.padding` where there is none; or (B,) labels.
        num_targets: real targets (no padding).
        num_source_tokens: real tokens of the source; None where what is read is the target itself, or there are labels.
        num_tokens: real tokens of the longer side, source or target.
        num_positions: the same with padding, so that 1 - num_tokens / num_positions is the share of padding.
    """

    ids: Tensor
    net_input: Mapping[str, Tensor]
    target: Tensor
    num_targets: int
    num_tokens: int
    num_positions: int
    num_source_tokens: int | None = None

    @property
    def num_target_tokens(self) -> int:
        """Real tokens of the target; of the input where targets are no tokens but labels or numbers."""
        is_tokens = self.target.dim() > 1 and not self.target.is_floating_point()
        return self.num_targets if is_tokens else self.num_tokens

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: object) -> Batch:
        """Return the batch with its tensors (but not the ids) on `device`."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.net_input.items()}  # type: ignore[call-overload]
        return replace(self, net_input=moved, target=self.target.to(device, non_blocking=True))  # type: ignore[call-overload]


@dataclass(frozen=True)
class MicroBatchOutput:
    """
    What came of a micro-batch.

    Args:
        sample: the micro-batch.
        loss: (), summed over its targets, without its graph.
        sample_size: its targets.
        logging_output: sums to log.
    """

    sample: Batch
    loss: Tensor
    sample_size: int
    logging_output: Mapping[str, Tensor | float]


@dataclass(frozen=True)
class Step:
    """
    What one worker has to do of an optimizer step.

    The step's micro-batches go to worker 0, 1, ... and so on in turn. A worker that is left with fewer than another one
    has the step's first as a stand-in besides, which counts for nothing: all workers go through equally many.

    Args:
        samples: this worker's micro-batches.
        size: the micro-batches of the step over all workers, without stand-ins.
    """

    samples: Sequence[Batch]
    size: int
