"""From docstrings and syntax trees to Markdown; see generate_reference.py."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

_SECTION = re.compile(r"(Args|Returns|Raises|Source|Example|Yields):")
_ITEM = re.compile(r"([\w., *]+): (.*)")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """Write a block of Python, with the quotes of the house."""
    text = text.replace("'", '"')
    return f"```python\n{text}\n```"


def documented(thing: Any) -> str:
    """Write the docstring of a class or function."""
    return markdown(inspect.getdoc(thing) or "")


def markdown(docstring: str) -> str:
    """Write a docstring: paragraphs in lines of their own, arguments as a list, indented blocks as code."""
    blocks = re.split(r"\n\s*\n", docstring.replace("::\n", ":\n"))
    return "\n\n".join(text for block in blocks if block for text in _block(block))


def _block(block: str) -> Iterator[str]:
    lines = block.splitlines()
    section = _SECTION.fullmatch(lines[0].strip())
    if section is None:
        is_code = lines[0].startswith("    ")
        yield f"```text\n{textwrap.dedent(block)}\n```" if is_code else " ".join(line.strip() for line in lines)
        return
    body = textwrap.dedent("\n".join(lines[1:]))
    if section[1] == "Example":
        yield f"```pycon\n{body}\n```"
    elif section[1] in ("Args", "Raises"):
        yield "\n".join(_items(body))
    else:
        yield f"{section[1]}: {' '.join(body.split())}"


def _items(body: str) -> Iterator[str]:
    """Yield `name: meaning` entries as items of a list."""
    for entry in re.split(r"\n(?! )", body):
        name, meaning = re.fullmatch(_ITEM, " ".join(entry.split())).groups()  # type: ignore[union-attr]
        yield f"- `{name}`: {meaning}"


def parsed(thing: Any) -> Any:
    """Return the syntax tree of a class or function."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def declaration(node: ast.FunctionDef) -> str:
    """Write a function's name, parameters and result."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){result}"


def fields(node: ast.ClassDef) -> list[str]:
    """Return the public fields and class attributes, with types and defaults."""
    found = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    return [_field(each) for each in found if not ast.unparse(each.target).startswith("_")]


def _field(node: ast.AnnAssign) -> str:
    default = node.value
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "option":
        default = default.args[0] if default.args else None
    value = f" = {ast.unparse(default)}" if default else ""
    return f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}{value}"


def attribute_texts(node: ast.ClassDef) -> list[str]:
    """Return what is written below fields and class attributes, as items of a list."""
    return [
        f"- `{ast.unparse(each.target)}`: {text.value.value!s}"
        for each, text in pairwise(node.body)
        if isinstance(each, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    ]


def methods(node: ast.ClassDef | ast.Module) -> list[ast.FunctionDef]:
    """Return what is called: functions, methods and properties, without those that only Python calls."""
    found = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    return [each for each in found if not each.name.startswith("_") or each.name in ("__call__", "__len__")]


def member(node: ast.FunctionDef) -> str:
    """Write a method or a property, as an item of a list."""
    marks = [ast.unparse(each) for each in node.decorator_list]
    head = declaration(node)
    if "property" in marks:
        head = f"{node.name}: {ast.unparse(node.returns)}" if node.returns else node.name
    note = " *to be defined*" if "abstractmethod" in marks else ""
    text = textwrap.indent(markdown(ast.get_docstring(node) or ""), "  ")
    return f"- `{head}`{note}\n\n{text}".rstrip()


def first_line(node: ast.FunctionDef) -> str:
    """Return the first line of a docstring."""
    return (ast.get_docstring(node) or "").partition("\n")[0]


def is_fixture(node: ast.FunctionDef) -> bool:
    """Say whether a function is a fixture of pytest."""
    return any(ast.unparse(each).startswith("pytest.fixture") for each in node.decorator_list)
