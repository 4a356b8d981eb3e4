"""The fields of a config dataclass: a default with a help text, a unit and a range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

_KEY = "seqtrain.option"


@dataclass(frozen=True, kw_only=True)
class Option:
    """
    What is known of one config field besides its name, type and default.

    Args:
        help: one line that says what the field means.
        unit: what a number counts, such as "steps" or "tokens".
        gt, ge, lt, le: bounds of a number (exclusive, inclusive).
        choices: the only values allowed.
        component: the kind of component that this field selects; its type is then `Selection`, or `tuple[str, ...]`
            for a list of names.
        may_change: a resumed run may change it freely (limits, cadences, retention, logging).
        excludes: fields beside it that a value for this one unsets, where they come from a lower source.
        is_path: its texts are paths, or begin with one: `~` in them is the home folder.
        allow_inf: a number may be infinite; implied by a default that is.
    """

    help: str
    unit: str | None = None
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    choices: tuple[object, ...] | None = None
    component: str | None = None
    may_change: bool = False
    excludes: tuple[str, ...] = ()
    is_path: bool = False
    allow_inf: bool = False


def option(  # noqa: PLR0913 - one for each thing there is to say
    default: Any = MISSING,
    *,
    default_factory: Any = MISSING,
    help: str,  # noqa: A002 - the word users and argparse know
    unit: str | None = None,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    choices: Sequence[object] | None = None,
    component: str | None = None,
    may_change: bool = False,
    excludes: Sequence[str] = (),
    is_path: bool = False,
    allow_inf: bool = False,
) -> Any:
    """
    Declare a field of a config dataclass; see `Option` for the arguments.

    A field without `default` must be given by the user.

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class RNNConfig:
        ...     hidden: int = option(256, help="size of the hidden state", unit="units", ge=1)
        >>> option_of(RNNConfig, "hidden").unit
        'units'
    """
    described = Option(
        help=help,
        unit=unit,
        gt=gt,
        ge=ge,
        lt=lt,
        le=le,
        choices=None if choices is None else tuple(choices),
        component=component,
        may_change=may_change,
        excludes=tuple(excludes),
        is_path=is_path,
        allow_inf=allow_inf,
    )
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata={_KEY: described})
    return field(default=default, metadata={_KEY: described})


def option_of(config_type: type, name: str) -> Option:
    """Return what `option` recorded for a field; a plain field has an empty help text."""
    for each in fields(config_type):
        if each.name == name:
            described = each.metadata.get(_KEY, Option(help=""))
            assert isinstance(described, Option)
            is_inf_by_default = isinstance(each.default, float) and math.isinf(each.default)
            return replace(described, allow_inf=True) if is_inf_by_default else described
    raise KeyError(f"{config_type.__name__} has no field {name!r}")


@dataclass(frozen=True)
class Selection:
    """
    A component chosen by name, with its settings.

    Args:
        kind: the component's kind, such as "model".
        name: its name as the user wrote it, such as "transformer" or "acme/rnn".
        config: an instance of the component's config dataclass.
    """

    kind: str
    name: str
    config: Any


def field_values(config: Any) -> dict[str, Any]:
    """Return the values of a dataclass's fields, by name; nothing is copied."""
    return {each.name: getattr(config, each.name) for each in fields(config)}
