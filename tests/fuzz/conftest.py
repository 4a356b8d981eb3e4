"""How inputs are broken, as a disk, a network, an editor or a stranger may break them, and how many there were."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import strategies as st

from seqtrain.errors import SeqtrainError

PIECES = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",  # half of a character
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\t",
    "\u2028\u0085\u202e".encode(),
    b'"',
    b"'",
    b"\\",
    b"{",
    b"]",
    b": ",
    b"- ",
    b"null",
    b"NaN",
    b"-Infinity",
    b"-1",
    b"1e999",
    b"9" * 40,
    b"9" * 5000,
    b"[" * 150,
    b'{"a":' * 150,
    b"&a [*a, *a]",
    b"!!python/object/apply:os.system [x]",
    b"${x}",
    b"${",
    b"\\ud800",
    b'"\\UFFFFFFFF"',
    b'"\\0"',
    b"../../x",
    struct.pack("<q", -1),
    struct.pack("<Q", 1 << 63),
    struct.pack("<q", 1 << 40),
]
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    -(10**400),
    1e308,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "x" * 3000,
    "\ud800",
    "\0",
    "../../../x",
    "nan",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"$tensor": "x"},
    {"$float": []},
    {"$dict": [1]},
]


def nested(depth: int) -> Any:
    """Return lists within lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def broken_bytes(data: st.DataObject, content: bytes) -> bytes:
    """Change some of a valid file: flip, cut, leave out, repeat, put in."""
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        at = data.draw(st.integers(0, len(content)), label="at")
        length = data.draw(st.integers(1, 40), label="length")
        kind = data.draw(st.sampled_from(["flip", "cut", "leave out", "repeat", "put in", "put over"]), label="kind")
        if kind == "flip" and at < len(content):
            flipped = content[at] ^ (1 << data.draw(st.integers(0, 7)))
            content = content[:at] + bytes([flipped]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "leave out":
            content = content[:at] + content[at + length :]
        elif kind == "repeat":
            content = content[: at + length] + content[at:]
        else:
            piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=8), label="piece")
            content = content[:at] + piece + content[at + (len(piece) if kind == "put over" else 0) :]
    return content


def broken_tree(data: st.DataObject, tree: Any) -> Any:
    """Change some entries of what a JSON or YAML file holds: another kind of value, gone, renamed, repeated."""
    root = {"": copy.deepcopy(tree)}
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        places = list(_places(root))
        container, key = places[data.draw(st.integers(0, len(places) - 1), label="place")]
        kind = data.draw(st.sampled_from(["replace", "replace", "leave out", "rename", "repeat", "nest"]), label="kind")
        if kind == "replace" or container is root:
            container[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES), label="value"))
        elif kind == "nest":
            container[key] = nested(data.draw(st.sampled_from([1, 20, 150]), label="depth"))
        elif kind == "leave out":
            del container[key]
        elif isinstance(container, dict):
            container[data.draw(st.sampled_from(["", "x", f"{key}x", "$tensor"]))] = container[key]
        else:
            container.append(copy.deepcopy(container[key]))
    return root[""]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every entry, as what holds it and its key."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


@contextmanager
def only_our_errors(*named: str) -> Iterator[None]:
    """Let errors of ours pass that name what they are about; any other exception fails the test."""
    try:
        yield
    except SeqtrainError as error:
        message = str(error)
        assert any(name in message for name in named), f"no {named} in {message}"
        assert len(message) < 10_000


@pytest.fixture(scope="session")
def breaking_bytes() -> Callable[[st.DataObject, bytes], bytes]:
    """Change some of a valid file."""
    return broken_bytes


@pytest.fixture(scope="session")
def breaking_tree() -> Callable[[st.DataObject, Any], Any]:
    """Change some entries of a tree."""
    return broken_tree


@pytest.fixture(scope="session")
def ours() -> Callable[..., Any]:
    """Let errors of ours pass."""
    return only_our_errors


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Count an input; the sum is in the table of faults."""
    properties, place, number = request.node.user_properties, len(request.node.user_properties), [0]
    properties.append(("inputs", 0))

    def add() -> None:
        number[0] += 1
        properties[place] = ("inputs", number[0])

    return add
