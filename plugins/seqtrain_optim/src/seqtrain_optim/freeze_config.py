"""Settings of what is not trained; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class FreezeConfig:
    """Parameters that stay as they are."""

    parameters: tuple[str, ...] = option(
        help="names of the parameters that are not trained, or patterns in which * stands for anything, "
        "such as [encoder.*, '*.bias']"
    )

    def __post_init__(self) -> None:
        if not self.parameters:
            raise ConfigError("parameters is empty, so nothing would be frozen. Name some, or leave the callback out.")
