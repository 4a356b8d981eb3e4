"""
Write the pages in `reference/` from the code: `python core/docs/generate_reference.py`.

What stands in them are signatures, docstrings and help texts; to change a page, change those. A test compares the pages
with what this writes: `--check` prints the difference and writes nothing.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import reference_text as md
from reference_commands import commands

import seqtrain.api
import seqtrain.plugin
import seqtrain_testing.contracts
import seqtrain_testing.pytest_plugin
from seqtrain.config.help import Row, describe
from seqtrain.config.schema import CORE_SECTIONS
from seqtrain.plugin import KINDS, Component, Every, Option, Selection, option
from seqtrain.registry.discovery import discover
from seqtrain.registry.first_party import FIRST_PARTY

FOLDER = Path(__file__).parent / "reference"
COMMAND = "python core/docs/generate_reference.py"
NOTE = f"<!-- Written by `{COMMAND}`. To change this page, change the docstrings and help texts it is made from. -->"

# What is passed to a component's ref besides its config, what comes of it, and where it is named.
MADE = {
    "task": ("under the name of each field with `component=`, a function that makes one", "`Task`", "`task`"),
    "model": ("`spec`, a `ModelSpec`", "`torch.nn.Module`", "`model`"),
    "criterion": ("`spec`, a `ModelSpec`", "`Criterion`", "`criterion`"),
    "optimizer": ("`parameters`, those to be trained", "`torch.optim.Optimizer`", "`optimizer`"),
    "lr_scheduler": ("`total_steps`, None if unknown", "`LRScheduler`", "`lr_scheduler`"),
    "tokenizer": ("", "`Tokenizer`", "a field of a task"),
    "reader": ("", "`Reader`", "a field of a task"),
    "metric": ("", "`Metric`", "a field of a task"),
    "tracker": ("`folder`, a `Path` of its own in RUN", "an object with hooks", "`trackers`"),
    "callback": ("", "an object with hooks", "`callbacks`"),
    "launcher": ("", "`Launcher`", "`distributed.launcher`"),
    "exporter": ("", "`Exporter`", "`seqtrain export`"),
    "importer": ("", "`Importer`", "`seqtrain import`"),
    "command": ("it is not made: `ref` is a `click.Command`", "", "`seqtrain NAME`"),
}

# What a hook may rely on of a trainer; the rest is core's own.
TRAINER = {
    "config": "the section `trainer` of the configuration",
    "task": "the `Task`",
    "model": "the model that is trained",
    "criterion": "the `Criterion`",
    "optimizer": "the optimizer; `lr` is the learning rate of the last update",
    "progress": "the counters, a `Progress`",
    "measures": "measures of the validation at the present step; empty if there was none",
    "validations": "measures of all validations since the start, by step",
    "higher_is_better": "the validation measures of which more is better",
    "stop_reason": "why the run ends after this step; None while it goes on",
    "reached_limit": "whether it ends because it is done, not because it was interrupted",
    "total_steps": "updates from first to last, as far as the limits tell; else None",
}


def hooks() -> Iterator[str]:
    """Yield the page of hooks."""
    yield "# Hooks"
    yield (
        "All of them are declared in `seqtrain.plugin`, and implemented by functions and methods marked `@hookimpl`.\n"
        "An implementation names those of the arguments that it wants.\n"
        "Arguments are added over time and never removed.\n"
        "When each is called: [How a run works](../architecture.md#hooks)."
    )
    for name, function in vars(seqtrain.plugin).items():
        if name.startswith("seqtrain_"):
            on = "a plugin's module, once a process" if name == "seqtrain_components" else "the instances of a run"
            yield f"## {name}"
            yield md.code(md.declaration(md.parsed(function)))
            yield f"{md.documented(function)}\nCalled on {on}."


def records() -> Iterator[str]:
    """Yield the page of records and kinds, and of how the fields of a config are declared."""
    yield "# Records and kinds"
    yield (
        "A plugin's `seqtrain_components` yields a `Component` for each thing it offers.\n"
        "All names on this page are imported from `seqtrain.plugin`."
    )
    yield from class_section(Component)
    yield "## Kinds"
    yield (
        "A component is made by calling its `ref` with an instance of its `config`, and by keyword with what its kind "
        "is supplied with.\n"
        "What the made object must do is on [Protocols and types](protocols.md); its contract tests it."
    )
    contract_of = {vars(each)["kind"]: name for name, each in contract_classes().items() if "kind" in vars(each)}
    yield md.table(
        ("kind", "is supplied with", "makes", "is named in", "contract"),
        [(f"`{kind}`", *MADE[kind], link(contract_of[kind], "contracts.md")) for kind in KINDS],
    )
    yield from function_section(option)
    for each in (Option, Every, Selection):
        yield from class_section(each)


def protocols() -> Iterator[str]:
    """Yield the page of all that `seqtrain.api` offers."""
    yield "# Protocols and types"
    yield (
        "All of this is imported from `seqtrain.api`, which imports torch.\n"
        "A protocol need not be inherited from: whatever has its members is one.\n"
        "`Task` is the one class to derive from."
    )
    for name in seqtrain.api.__all__:
        value = getattr(seqtrain.api, name)
        if value is seqtrain.api.Trainer:
            yield f"## {name}"
            yield md.documented(value).partition("\n\n- ")[0]
            yield "A hook may rely on these of its attributes:"
            yield md.table(("attribute", "meaning"), [(f"`{key}`", text) for key, text in TRAINER.items()])
            methods = md.methods(md.parsed(value))
            yield from (
                md.member(each) for each in methods if each.name in ("stop", "request_checkpoint", "save_soon", "state")
            )
        elif inspect.isclass(value):
            yield from class_section(value)
        elif inspect.isfunction(value):
            yield from function_section(value)
        else:
            yield f"## {name}"
            yield from alias(name)


def contracts() -> Iterator[str]:
    """Yield the page of contracts and fixtures."""
    yield "# Contracts and fixtures"
    yield (
        "A class derived from the contract of its kind, with a `name`, tests a component: "
        "`from seqtrain_testing.contracts import ModelContract` (`pip install seqtrain-testing`).\n"
        "A contract has the tests of those it extends.\n"
        "`ComponentContract`, `TrainedComponentContract` and `BatchContract` are there to be extended by the others."
    )
    for name, contract in contract_classes().items():
        yield f"## {name}"
        yield from (f"Extends {link(each.__name__)}." for each in contract.__bases__ if each is not object)
        yield md.documented(contract)
        node = md.parsed(contract)
        if md.fields(node):
            yield "To be set: " + ", ".join(f"`{each}`" for each in md.fields(node)) + "."
        yield from fixture_table(md.methods(node))
        tests = [each for each in md.methods(node) if each.name.startswith("test_")]
        if tests:
            rows = [(f"`{each.name}`", md.first_line(each)) for each in tests]
            yield md.table(("test", "what it checks"), rows)
    yield "## Fixtures"
    yield "They come with seqtrain-testing, as a plugin of pytest; no import is needed."
    yield from fixture_table(md.methods(ast.parse(inspect.getsource(seqtrain_testing.pytest_plugin))))


def config() -> Iterator[str]:
    """Yield the page of settings: core's own sections, then every component of ours."""
    yield "# Settings, one by one"
    yield (
        "How they are given, merged and checked: [Settings](../configuration.md).\n"
        "Those of whatever is installed: `seqtrain plugins show KIND/NAME`."
    )
    for section, config_type in CORE_SECTIONS.items():
        yield f"## {section}"
        yield md.documented(config_type)
        yield from settings(describe(config_type, section))
    ours = {"core", *FIRST_PARTY}
    offered = [
        each
        for each in discover(environ={}).components()
        if each.plugin.id in ours and each.component.kind != "command"  # options are on the page of commands
    ]
    for each in sorted(offered, key=lambda one: (KINDS.index(one.component.kind), one.component.name)):
        component = each.component
        yield f"## {component.kind} {component.name}"
        yield f"{component.summary}.\nFrom `{each.plugin.distribution}`."
        yield from settings(describe(each.load_config()))
        presets = [(f"`{component.name}/{one.name}`", one.summary) for one in each.load_presets().values()]
        if presets:
            yield md.table(("preset", "meaning"), presets)


def class_section(cls: type) -> Iterator[str]:
    """Yield a class: what it is, its fields, its members."""
    node = md.parsed(cls)
    yield f"## {cls.__name__}"
    yield md.documented(cls)
    if issubclass(cls, seqtrain.api.SeqtrainError):
        parents = " and ".join(f"`{each.__name__}`" for each in cls.__bases__)
        yield f"A kind of {parents}; its `exit_code`, with which a command ends, is {cls.exit_code}."
    elif md.fields(node):
        yield md.code("\n".join(md.fields(node)))
        yield "\n".join(md.attribute_texts(node))
    yield from map(md.member, md.methods(node))


def function_section(function: Callable[..., object]) -> Iterator[str]:
    """Yield a function: how it is called, and what it does."""
    yield f"## {function.__name__}"
    yield md.code(md.declaration(md.parsed(function)))
    yield md.documented(function)


def contract_classes() -> dict[str, type]:
    """Return the contracts by name, each after those it extends."""
    listed = [getattr(seqtrain_testing.contracts, name) for name in seqtrain_testing.contracts.__all__]
    return {part.__name__: part for each in listed for part in reversed(each.__mro__) if part is not object}


def fixture_table(functions: Sequence[ast.FunctionDef]) -> Iterator[str]:
    """Yield a table of those functions that are fixtures, if there are any."""
    rows = [(f"`{each.name}`", md.first_line(each)) for each in functions if md.is_fixture(each)]
    if rows:
        yield md.table(("fixture", "what it is"), rows)


def settings(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table of the fields of a config, if it has any."""
    cells = [
        (f"`{each.key}`", each.type.replace("|", "\\|"), f"`{each.default}`" if each.default else "",
         each.range, each.unit, each.help.replace("|", "\\|"))
        for each in rows
    ]  # fmt: skip
    yield md.table(("key", "type", "default", "range", "unit", "meaning"), cells) if cells else "It has no settings."


def alias(name: str) -> Iterator[str]:
    """Yield what a type alias stands for, and the text below it."""
    for module in [each for key, each in sys.modules.items() if key.startswith("seqtrain.protocols.")]:
        body = ast.parse(inspect.getsource(module)).body
        for node, following in pairwise(body):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                assert isinstance(following, ast.Expr)
                yield md.code(ast.unparse(node))
                yield str(ast.literal_eval(following.value))


def link(name: str, page: str = "") -> str:
    """Write a link to a section."""
    return f"[{name}]({page}#{name.lower()})"


def pages() -> dict[Path, str]:
    """Return the text of each page by its path."""
    sources = (hooks, records, protocols, contracts, config, commands)
    texts = {FOLDER / f"{each.__name__}.md": [*each()] for each in sources}
    return {path: "\n\n".join([NOTE, *filter(None, parts)]) + "\n" for path, parts in texts.items()}


def difference() -> str:
    """Return how the pages differ from what they should be."""
    lines: list[str] = []
    for path, text in pages().items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        name = f"reference/{path.name}"
        lines += difflib.unified_diff(found.splitlines(), text.splitlines(), name, "the code", lineterm="", n=0)
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        found_difference = difference()
        sys.exit(f"{found_difference}\n\nThe code says otherwise. Run `{COMMAND}`." if found_difference else 0)
    FOLDER.mkdir(exist_ok=True)
    for file, content in pages().items():
        file.write_text(content, encoding="utf-8")
