"""
Settings of made-up data, for benchmarks and dry runs.

Light, because the configs of tasks import it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from seqtrain.plugin import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class DummyConfig:
    """Made-up examples instead of files: token ids drawn at random, for benchmarks and dry runs."""

    examples: int | None = option(
        None, help="train on so many made-up examples instead of files", unit="examples", ge=1
    )
    valid_examples: int = option(100, help="examples of the validation set", unit="examples", ge=1)
    length: int = option(64, help="length of an example, its end included, on either side", unit="tokens", ge=2)
    min_length: int | None = option(
        None, help="draw lengths from this one to `length`; default: all are `length` long", unit="tokens", ge=2
    )
    vocab_size: int = option(8000, help="ids there are, the 4 special ones included", unit="tokens", ge=5)
    seed: int = option(1, help="another seed, other examples", ge=0)

    def __post_init__(self) -> None:
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        if self.examples is None and given:
            raise ConfigError(
                f"{given[0]} is set, but no examples are made up. Set task.dummy.examples=N too, "
                f"or leave out task.dummy.{given[0]}."
            )
        if self.shortest > self.length:
            raise ConfigError(f"min_length={self.min_length} is above length={self.length}. Lower it, or leave it out.")

    @property
    def shortest(self) -> int:
        """The least length of an example."""
        return self.length if self.min_length is None else self.min_length

    @property
    def counts(self) -> dict[str, int]:
        """How many examples there are, by split."""
        return {"train": self.examples or 0, "valid": self.valid_examples}
