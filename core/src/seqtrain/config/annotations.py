"""What the annotation of a config field says: its alternatives, and its name in help and error messages."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seqtrain.config.option import Option, option_of
from seqtrain.errors import PluginError

_LARGEST_INT = 2**63  # what arrays, files and the random numbers of torch can hold
_NAMES = {Path: "path", Any: "any", object: "any", type(None): "null"}


@cache
def field_types(config_type: type) -> Mapping[str, Any]:
    """
    Return the annotation of each field that can be set, by name.

    Raises:
        PluginError: an annotation names something that the module does not import at run time.
    """
    try:
        hints = get_type_hints(config_type)
    except (NameError, TypeError) as error:
        raise PluginError(
            f"The annotations of {config_type.__module__}.{config_type.__qualname__} cannot be read: {error}. "
            "A config module must import them at run time, not under TYPE_CHECKING."
        ) from error
    return {each.name: hints[each.name] for each in fields(config_type) if each.init}


def kinds_of_lists(config_type: type) -> dict[str, str]:
    """Return, for each field of a config dataclass that is a list of names of components, their kind."""
    kinds = {name: option_of(config_type, name).component for name in field_types(config_type)}
    return {
        name: kind for name, kind in kinds.items() if kind is not None and allows_list(field_types(config_type)[name])
    }


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union without None; of another annotation, itself."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return tuple(member for member in members if member is not type(None))


def allows_null(annotation: Any) -> bool:
    """Say whether None is one of the values."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return annotation in (Any, object, None, type(None)) or (is_union and type(None) in get_args(annotation))


def config_type_in(annotation: Any) -> type | None:
    """Return the dataclass among the alternatives, if there is one."""
    return next((each for each in alternatives(annotation) if isinstance(each, type) and is_dataclass(each)), None)


def item_type(annotation: Any) -> Any:
    """Return the type of a list's items or a map's values, where all have the same; else Any."""
    arguments = [each for each in get_args(annotation) if each is not ...]
    if is_map(annotation) and len(arguments) == 2:
        return arguments[1]
    return arguments[0] if is_list(annotation) and len(arguments) == 1 else Any


def is_list(annotation: Any) -> bool:
    """Say whether values are lists or tuples."""
    return annotation in (list, tuple) or get_origin(annotation) in (list, tuple, Sequence)


def allows_list(annotation: Any) -> bool:
    """Say whether one of a type's alternatives is a list; a field that selects components is then a list of names."""
    return any(is_list(member) for member in alternatives(annotation))


def is_map(annotation: Any) -> bool:
    """Say whether values are maps from names."""
    return annotation is dict or get_origin(annotation) in (dict, Mapping)


def enum_text(member: Enum) -> str:
    """Return what a user writes for an enum's member: its value if that is a text, else its name."""
    return member.value if isinstance(member.value, str) else member.name


def type_name(annotation: Any, option: Option | None = None) -> str:
    """Name a type for people: "int", "list of str", "fp32 | bf16", "float or null"."""
    if option and option.component:
        what = f"list of {option.component} names" if allows_list(annotation) else option.component
        return what + (" or null" if allows_null(annotation) else "")
    names = [_name(each) for each in alternatives(annotation)]
    if option and option.choices is not None:
        names = [" | ".join(map(str, option.choices))]
    if allows_null(annotation) and annotation not in (Any, object):
        names.append("null")
    return " or ".join(names)


def _name(annotation: Any) -> str:
    choices: list[object] = []
    if get_origin(annotation) is Literal:
        choices = list(get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        choices = [enum_text(member) for member in annotation]
    if choices:
        return " | ".join(map(str, choices))
    if is_map(annotation):
        return f"map of {type_name(item_type(annotation))}"
    if is_list(annotation):
        items = [type_name(each) for each in get_args(annotation) if each is not ...]
        return f"[{', '.join(items)}]" if len(items) > 1 else f"list of {items[0] if items else 'any'}"
    if isinstance(annotation, type) and is_dataclass(annotation):
        return f"map of fields ({', '.join(field_types(annotation))})"
    return _NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def range_text(option: Option) -> str:
    """Write the bounds of a number: ">= 1", "in [0, 1)" or nothing."""
    lower = option.gt if option.gt is not None else option.ge
    upper = option.lt if option.lt is not None else option.le
    if lower is not None and upper is not None:
        opening = "(" if option.gt is not None else "["
        closing = ")" if option.lt is not None else "]"
        return f"in {opening}{lower:g}, {upper:g}{closing}"
    if lower is not None:
        return f"{'>' if option.gt is not None else '>='} {lower:g}"
    if upper is not None:
        return f"{'<' if option.lt is not None else '<='} {upper:g}"
    return ""


def in_range(value: float, option: Option) -> bool:
    """Say whether a number is within the bounds: finite unless it may be infinite, and no larger than 64 bits."""
    fits = -_LARGEST_INT <= value < _LARGEST_INT if isinstance(value, int) else option.allow_inf or math.isfinite(value)
    return fits and not (
        (option.gt is not None and not value > option.gt)
        or (option.ge is not None and not value >= option.ge)
        or (option.lt is not None and not value < option.lt)
        or (option.le is not None and not value <= option.le)
    )
