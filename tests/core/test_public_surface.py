"""
The public surface, frozen: a line for each name, parameter, field and hook that plugins may rely on.

`public_surface.txt` beside this file has the lines; `python tests/core/test_public_surface.py` writes them anew. They
are read from the source and nothing is imported, so they are the same on every Python.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

FROZEN = Path(__file__).with_name("public_surface.txt")
STABILITY = Path(__file__).parents[2] / "core" / "docs" / "stability.md"
CONTRACTS = "seqtrain_testing.contracts"
COMMAND = "python tests/core/test_public_surface.py"
SPECIAL = {"__call__", "__len__"}  # methods with underscores that somebody calls or implements
PREVIEW = {  # within reach of plugins and not promised to them; core/docs/stability.md says so
    "seqtrain.api.Progress": {"advance", "start_next_epoch", "state_dict", "load_state_dict"},
    "seqtrain.api.TrainedRun": {"evaluator"},
    "seqtrain.api.WorkerGroup": {
        "local_rank", "local_world_size", "all_gather_object", "all_gather", "sum", "broadcast", "main_process_first", "share",
        "node_local_first", "new_group", "all_gather_tensor",
    },
    "seqtrain.api.Trainer": {
        "checkpointer", "after_step", "engine", "evaluator", "hooks", "load_state", "log", "metric_logger", "recover",
        "requests", "restore", "run", "run_epoch", "save", "stateful", "step_check", "train_data", "train_step", "validate",
    },
}  # fmt: skip
WHAT_TO_DO = f"""\
The public surface is not what {FROZEN.name} says.

A line that is gone or different (-) breaks plugins that are installed already: that takes a new API major, or must wait
until what it replaces has been deprecated for as long as core/docs/stability.md says. So do a new abstract method, a
new member of a protocol that plugins implement, and a new parameter without a default.
Anything else that is new (+) is an addition: write it down with `{COMMAND}`, and say so in CHANGELOG.md.

"""


def surface() -> list[str]:
    """Return the lines, in the order of the sources."""
    lines = [line for name in exported("seqtrain.plugin") for line in lines_of("seqtrain.plugin", name)]
    lines += [f"hook {signature(each)}" for each in functions(tree("seqtrain.plugin")) if decorated(each, "hookspec")]
    lines += [line for name in exported("seqtrain.api") for line in lines_of("seqtrain.api", name)]
    contracts = [line for name in exported(CONTRACTS) for line in contract_lines(CONTRACTS, name)]
    lines += dict.fromkeys(contracts)  # once, as contracts share the classes they are made from
    return lines + [f"fixture {name}" for name in fixtures(tree("seqtrain_testing.pytest_plugin"))]


def lines_of(module: str, name: str) -> Iterator[str]:
    """Yield what a public name means: a constant, a type, a function, or a class with its members."""
    node, _ = definition(module, name)
    where = f"{module}.{name}"
    if isinstance(node, ast.Assign):
        yield f"{where} = {ast.unparse(node.value)}"
    elif isinstance(node, ast.FunctionDef):
        yield f"{module}.{signature(node)}"
    else:
        assert isinstance(node, ast.ClassDef)
        yield f"{where}{bases(node)}{decorators(node)}"
        members = {ast.unparse(each.target): field(each) for each in annotated(node)}
        members |= {each: each for each in attributes(node)}
        members |= {each.name: signature(each) for each in functions(node) if is_public(each.name)}
        yield from (f"{where}.{line}" for key, line in members.items() if key not in PREVIEW.get(where, ()))


def contract_lines(module: str, name: str) -> Iterator[str]:
    """Yield a contract and those it extends, with what a subclass may set or override; their tests may grow."""
    node, home = definition(module, name)
    assert isinstance(node, ast.ClassDef)
    for base in map(ast.unparse, node.bases):
        yield from contract_lines(home, base)
    yield f"contract {name}{bases(node)}"
    yield from (
        f"contract {name}.{ast.unparse(each.target)}: {ast.unparse(each.annotation)}" for each in annotated(node)
    )
    yield from (f"contract {name}.{each} @pytest.fixture" for each in fixtures(node))


def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module of one of our packages."""
    package, *names = module.split(".")
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent.joinpath(*names)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def exported(module: str) -> list[str]:
    """Return what a module lists in `__all__`."""
    node, _ = definition(module, "__all__")
    assert isinstance(node, ast.Assign)
    names: list[str] = ast.literal_eval(node.value)
    return names


def definition(module: str, name: str) -> tuple[ast.stmt, str]:
    """Return what defines a name, and the module it stands in, which may be another one that it is imported from."""
    for each in tree(module).body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name:
            return each, module
        if isinstance(each, ast.Assign) and name in map(ast.unparse, each.targets):
            return each, module
        if isinstance(each, ast.ImportFrom) and name in [alias.name for alias in each.names]:
            assert each.module is not None
            return definition(each.module, name)
    raise LookupError(f"{module} does not define {name}")


def bases(node: ast.ClassDef) -> str:
    """Write what a class is derived from."""
    return f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""


def field(node: ast.AnnAssign) -> str:
    """Write a field with its type and default; what else `option` is told, such as the help text, may change."""
    default = node.value
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "option":
        default = default.args[0] if default.args else None
    value = f" = {ast.unparse(default)}" if default else ""
    return f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}{value}"


def signature(node: ast.FunctionDef) -> str:
    """Write a function's parameters and result, and what it is decorated with."""
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returned}{decorators(node)}"


def decorators(node: ast.ClassDef | ast.FunctionDef) -> str:
    """Write the decorators but those of the hooks, which say it twice."""
    return "".join(f" @{ast.unparse(each)}" for each in node.decorator_list if ast.unparse(each) != "hookspec")


def decorated(node: ast.FunctionDef, name: str) -> bool:
    """Say whether a function has a decorator."""
    return any(ast.unparse(each).startswith(name) for each in node.decorator_list)


def functions(node: ast.Module | ast.ClassDef) -> list[ast.FunctionDef]:
    """Return the functions of a module, or the methods of a class."""
    return [each for each in node.body if isinstance(each, ast.FunctionDef)]


def annotated(node: ast.ClassDef) -> list[ast.AnnAssign]:
    """Return the public fields and class attributes."""
    found = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    return [each for each in found if is_public(ast.unparse(each.target))]


def attributes(node: ast.ClassDef) -> list[str]:
    """Return the public attributes that a constructor sets; whoever is handed the object reads these."""
    constructors = [each for each in functions(node) if each.name == "__init__"]
    stored = [each for function in constructors for each in ast.walk(function) if isinstance(each, ast.Attribute)]
    return sorted({each.attr for each in stored if isinstance(each.ctx, ast.Store) and is_public(each.attr)})


def fixtures(node: ast.Module | ast.ClassDef) -> list[str]:
    """Return the names of pytest fixtures."""
    return [each.name for each in functions(node) if decorated(each, "pytest.fixture")]


def is_public(name: str) -> bool:
    """Say whether plugins may use a name."""
    return not name.startswith("_") or name in SPECIAL


def test_the_public_surface_is_what_was_promised() -> None:
    """Every signature of `seqtrain.plugin`, `seqtrain.api` and the testing kit is the one that was written down."""
    promised = FROZEN.read_text(encoding="utf-8").splitlines()
    difference = difflib.unified_diff(promised, surface(), FROZEN.name, "this tree", lineterm="", n=0)

    assert promised == surface(), WHAT_TO_DO + "\n".join(difference)


def test_a_removed_argument_a_new_field_and_a_renamed_fixture_would_show() -> None:
    """The lines hold what plugins depend on, down to arguments and defaults."""
    lines = surface()

    assert "hook seqtrain_metrics(step: int, metrics: Mapping[str, float]) -> None" in lines
    assert "seqtrain.plugin.Component.summary: str = ''" in lines
    assert "seqtrain.api.Trainer.progress: Progress = field(default_factory=Progress)" in lines
    assert "contract ComponentContract.settings: ClassVar[Mapping[str, Any]]" in lines
    assert "fixture make_run" in lines
    assert len(lines) == len(set(lines))


def test_what_is_not_promised_is_named_where_authors_read_it() -> None:
    """Each class and attribute that is within reach and may change."""
    text = STABILITY.read_text(encoding="utf-8")
    moves_progress = {"advance", "start_next_epoch", "state_dict", "load_state_dict"}  # told in words there
    names = {name for attributes in PREVIEW.values() for name in attributes} - moves_progress

    assert [name for name in sorted(names) if f"`{name}`" not in text and f".{name}`" not in text] == []


if __name__ == "__main__":
    FROZEN.write_text("".join(f"{line}\n" for line in surface()), encoding="utf-8")
