"""From a merged tree to frozen dataclasses: every text is read by the type of its field, and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from seqtrain.config.annotations import (
    allows_list,
    allows_null,
    alternatives,
    config_type_in,
    enum_text,
    field_types,
    in_range,
    is_list,
    is_map,
    item_type,
    range_text,
    type_name,
)
from seqtrain.config.option import Option, Selection, option_of
from seqtrain.config.paths import expand_home
from seqtrain.config.schema import COMPONENT_SECTIONS, CORE_SECTIONS, MAP_SECTIONS, RunConfig
from seqtrain.config.tree import ListNode, MapNode, Node, Problems, Scalar, SelectionNode, Value, is_null
from seqtrain.errors import PluginError

_INT = re.compile(r"[+-]?\d+(_\d+)*", re.ASCII)
_LONGEST_INT = 300  # characters; longer ones are beyond any float
_SHORT_INT = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+?\d{1,2}", re.ASCII)  # 1e6, 2.5e3
_FLOAT = re.compile(r"[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITY = re.compile(r"[+-]?(\.?inf|\.Inf)", re.ASCII)


def read_int(text: str) -> int:
    """
    Read a whole number: digits, perhaps with `_` between them, or a power form such as `1e6` that comes out whole.

    Raises:
        ValueError: it is none.
    """
    with suppress(ValueError):
        return _read_plain_int(text)
    if _SHORT_INT.fullmatch(text):  # computed on digits, as floats are not exact
        mantissa, _, exponent = text.lower().partition("e")
        whole, _, fraction = mantissa.partition(".")
        zeros = int(exponent) - len(fraction)
        if zeros >= 0:
            return int(whole + fraction + "0" * zeros)
    raise ValueError(text)


def read_float(text: str) -> float:
    """
    Read a number, `inf` and `.inf` included; there is no NaN, which does not equal itself.

    Raises:
        ValueError: it is none, or too large for a float.
    """
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    if not _FLOAT.fullmatch(text) or math.isinf(float(text)):
        raise ValueError(text)
    return float(text)


def read_bool(text: str) -> bool:
    """
    Read `true` or `false`; `yes`, `on` and `1` are left to mean what they say.

    Raises:
        ValueError: it is neither.
    """
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def read_any(text: str) -> int | float | bool | str:
    """Read a text where no type is known: a number or boolean if it looks like one, else itself."""
    for read in (_read_plain_int, read_float, read_bool):  # 1e6 is a float here
        with suppress(ValueError):
            return read(text)
    return text


def _read_plain_int(text: str) -> int:
    if not _INT.fullmatch(text) or len(text) > _LONGEST_INT:
        raise ValueError(text)
    return int(text)


INVALID: Final = object()  # stands for a value that a problem has been added for
_DIGITS_OF_64_BITS = 19
_SHOWN = 60  # characters of a wrong value that a message repeats
_READERS: Mapping[Any, Callable[[str], Any]] = {int: read_int, float: read_float, bool: read_bool, str: str}


class Converter:
    """Converts trees, adding to `problems` what does not fit."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def run(self, tree: MapNode) -> Any:
        """Convert a whole configuration; INVALID if a problem was found."""
        values: dict[str, Any] = {}
        for name in COMPONENT_SECTIONS:
            values[name] = self.selection(name, tree.entries[name]) if name in tree.entries else INVALID
        for name, config_type in CORE_SECTIONS.items():
            section = tree.entries[name]
            assert isinstance(section, MapNode)
            values[name] = self.config(name, config_type, section)
        for name in MAP_SECTIONS:
            section = tree.entries[name]
            assert isinstance(section, MapNode)
            found = [self.selection(f"{name}.{each}", node) for each, node in section.entries.items()]
            values[name] = INVALID if INVALID in found else tuple(found)
        return INVALID if INVALID in values.values() else RunConfig(**values)

    def selection(self, key: str, node: Node) -> Any:
        """Convert a component's section."""
        if isinstance(node, SelectionNode):
            config = self.config(key, node.config_type, node.fields)
            return INVALID if config is INVALID else Selection(kind=node.kind, name=node.name.text, config=config)
        self.problems.add(node.location, key, f"expected fields, as in {key}.name=NAME")
        return INVALID

    def config(self, key: str, config_type: type, node: MapNode) -> Any:
        """Convert the fields of a config dataclass and make one."""
        types = field_types(config_type)
        values: dict[str, Any] = {}
        for each in fields(config_type):
            name = f"{key}.{each.name}"
            if each.name in node.entries:
                described = option_of(config_type, each.name)
                values[each.name] = self.value(name, types[each.name], described, node.entries[each.name])
            elif each.init and each.default is MISSING and each.default_factory is MISSING:
                self.problems.add("", name, f"is required: {option_of(config_type, each.name).help or 'set it'}")
                values[each.name] = INVALID
        if INVALID in values.values() or self.problems.concern(key):
            return INVALID
        try:
            return config_type(**values)
        except ValueError as error:  # what its __post_init__ checks
            self.problems.add("", key, str(error))
            return INVALID

    def value(self, key: str, annotation: Any, option: Option, node: Node) -> Any:
        """Convert one field's value, put the home folder into paths, and check its range and choices."""
        if isinstance(node, Value):
            return node.value
        if is_null(node) and allows_null(annotation):
            return None
        if option.component is not None and not allows_list(annotation):
            return self.selection(key, node)
        value = self.read(key, annotation, option, node)
        if value is INVALID:
            return INVALID
        for each in value if isinstance(value, (list, tuple)) else (value,):
            is_number = isinstance(each, (int, float)) and not isinstance(each, bool)
            if (is_number and not in_range(each, option)) or (
                option.choices is not None and each not in option.choices
            ):
                return self.refuse(key, annotation, option, node)
        return expand_home(value) if option.is_path or isinstance(value, Path) else value

    def read(self, key: str, annotation: Any, option: Option, node: Node) -> Any:
        """Convert a node by the first alternative of a type that it fits."""
        members = alternatives(annotation)
        if len(members) > 1:
            members = tuple(sorted(members, key=lambda member: _rank(member, node)))
        trials = [Problems() for _ in members]
        for member, trial in zip(members, trials, strict=True):
            value = Converter(trial).member(key, member, node)
            if not trial.messages and value is not INVALID:
                return value
        speaking = [trial for trial in trials if trial.messages]
        if len(speaking) == 1:  # only one alternative has this shape, so its complaint is the one that helps
            self.problems.messages += speaking[0].messages
            return INVALID
        return self.refuse(key, annotation, option, node)

    def member(self, key: str, annotation: Any, node: Node) -> Any:
        """Convert by a type without alternatives; INVALID alone says that the node has another shape."""
        config_type = config_type_in(annotation)
        if config_type is not None:
            return self.config(key, config_type, node) if isinstance(node, MapNode) else INVALID
        if annotation in (Any, object):
            return _read_anything(node)
        if is_list(annotation):
            return self.sequence(key, annotation, node) if isinstance(node, ListNode) else INVALID
        if is_map(annotation):
            return self.mapping(key, annotation, node) if isinstance(node, MapNode) else INVALID
        return _read_scalar(annotation, node) if isinstance(node, Scalar) else INVALID

    def sequence(self, key: str, annotation: Any, node: ListNode) -> Any:
        """Convert a list or a tuple."""
        types = [each for each in get_args(annotation) if each is not ...]
        if len(types) <= 1:
            types = [item_type(annotation)] * len(node.items)
        if len(types) != len(node.items):
            self.problems.add(node.location, key, f"expected {len(types)} items, got {len(node.items)}")
            return INVALID
        pairs = enumerate(zip(types, node.items, strict=True))
        values = [self.value(f"{key}[{i}]", each, Option(help=""), item) for i, (each, item) in pairs]
        if INVALID in values:
            return INVALID
        return tuple(values) if get_origin(annotation) is tuple or annotation is tuple else values

    def mapping(self, key: str, annotation: Any, node: MapNode) -> Any:
        """Convert a map from names to values."""
        each_type = item_type(annotation)
        values = {
            name: self.value(f"{key}.{name}", each_type, Option(help=""), each) for name, each in node.entries.items()
        }
        return INVALID if INVALID in values.values() else values

    def refuse(self, key: str, annotation: Any, option: Option, node: Node) -> Any:
        """Say what was allowed, and what was found."""
        allowed = [type_name(annotation, option), option.unit, range_text(option)]
        hint = ""
        if is_null(node) and str in alternatives(annotation):
            hint = ' (in quotes, "null" is a text)'
        elif isinstance(node, Scalar) and _INFINITY.fullmatch(node.text):
            hint = " (this number is finite)"
        elif isinstance(node, Scalar) and _INT.fullmatch(node.text) and len(node.text) >= _DIGITS_OF_64_BITS:
            hint = " (no whole number here has more than 64 bits)"
        elif isinstance(node, Scalar) and is_list(alternatives(annotation)[0]):
            hint = f" (write [{node.text}])"
        what = f"expected {', '.join(part for part in allowed if part)}, got {_shown(node)}{hint}"
        self.problems.add(node.location, key, what)
        return INVALID


def _rank(annotation: Any, node: Node) -> int:
    """Order the alternatives of a type: a text is anything, so it comes last, unless it stands in quotes."""
    return (-1 if isinstance(node, Scalar) and node.quoted else 1) if annotation is str else 0


def _read_scalar(annotation: Any, node: Scalar) -> Any:
    """Convert a text by a type that is neither a list nor a map; INVALID if it does not fit."""
    if node.is_null:
        return INVALID
    if get_origin(annotation) is Literal:
        return next((each for each in get_args(annotation) if _plain_text(each) == node.text), INVALID)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next((each for each in annotation if enum_text(each) == node.text), INVALID)
    if annotation is Path:
        return Path(node.text) if node.text else INVALID
    if annotation not in _READERS:
        raise PluginError(f"A config field has the type {annotation}, which a configuration cannot express.")
    try:
        return _READERS[annotation](node.text)
    except ValueError:
        return INVALID


def _plain_text(value: object) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _read_anything(node: Node) -> Any:
    """Convert by the looks of the texts, where a field accepts any value."""
    if isinstance(node, Scalar):
        return None if node.is_null else node.text if node.quoted else read_any(node.text)
    if isinstance(node, ListNode):
        return [_read_anything(each) for each in node.items]
    if isinstance(node, MapNode):
        return {name: _read_anything(each) for name, each in node.entries.items()}
    assert isinstance(node, Value)
    return node.value


def _shown(node: Node) -> str:
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, Scalar):
        return "null" if node.is_null else repr(node.text[:_SHOWN])
    return "a map"
