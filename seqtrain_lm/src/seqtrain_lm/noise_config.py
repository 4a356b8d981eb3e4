"""What is hidden from a model that is to restore it."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """
    What is hidden of a block, and how.

    Source:
        Devlin et al. 2019, arXiv:1810.04805, section 3.1, for `masked`; Raffel et al. 2020, arXiv:1910.10683,
        section 3.1.4, for `span`.
    """

    mask_prob: float = option(0.15, help="share of the tokens that are to be restored", gt=0, lt=1)
    random_share: float = option(
        0.1, help="objective=masked: share of these that are replaced by a random token", ge=0, le=1
    )
    leave_share: float = option(0.1, help="objective=masked: share of these that are left as they are", ge=0, le=1)
    mean_span: float = option(3.0, help="objective=span: mean length of a hidden span", unit="tokens", ge=1)
    seed: int = option(1, help="seed of the noise", ge=0)

    def __post_init__(self) -> None:
        if self.random_share + self.leave_share > 1:
            raise ConfigError(
                f"random_share={self.random_share} and leave_share={self.leave_share} are more than 1 together. "
                "Lower one of them."
            )
