"""
A new plugin from templates: a package that installs, passes its own tests and can be used at once.

The files of `templates/common` and of `templates/KIND` lie there as they will lie in the new folder, with `.template`
after their names. Where both have a file of the same name, the kind's is taken. `$placeholders` are filled in, in
names as in texts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template as Text

from seqtrain.errors import UsageError
from seqtrain.plugin import PROJECT
from seqtrain_testing.scaffold.kinds import TEMPLATES
from seqtrain_testing.scaffold.names import Names
from seqtrain_testing.scaffold.versions import suitable_range

_FOLDER = Path(__file__).parent / "templates"
_SUFFIX = ".template"


@dataclass(frozen=True, kw_only=True)
class NewPlugin:
    """
    A plugin that was written.

    Args:
        folder: where it is.
        files: what is in it, relative to the folder.
        use: command lines that use it once it is installed.
    """

    folder: Path
    files: tuple[str, ...]
    use: tuple[str, ...]


def write_plugin(names: Names, kind: str, directory: Path) -> NewPlugin:
    """
    Write a new plugin into a folder of its name, all of it or nothing.

    Args:
        names: what it is called.
        kind: what it offers.
        directory: the folder to make its folder in; made if need be.

    Raises:
        UsageError: there is something at that place, or it cannot be written.
    """
    folder = directory / names.distribution
    placeholders = _placeholders(names, kind)
    texts = {Text(path).substitute(placeholders): text for path, text in _templates(kind).items()}
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise UsageError(f"{folder} is there already. Choose another name or --directory, or move it away.")
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=f".{names.distribution}-") as temporary:
            unfinished = Path(temporary) / names.distribution
            for path, text in texts.items():
                file = unfinished / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(Text(text).substitute(placeholders), encoding="utf-8")
            unfinished.rename(folder)
    except OSError as error:
        raise UsageError(f"Cannot write {folder}: {error.strerror}. Choose another --directory.") from error
    return NewPlugin(folder=folder, files=tuple(sorted(texts)), use=tuple(placeholders["use"].splitlines()))


def _placeholders(names: Names, kind: str) -> dict[str, str]:
    template = TEMPLATES[kind]
    known = {
        "distribution": names.distribution,
        "package": names.package,
        "component": names.component,
        "stem": names.stem,
        "kind": kind,
        "suffix": _class_suffix(kind),
        "summary": template.summary,
        "dot": ".",  # so that no tool takes a template for the file that it becomes
    }
    requires = [suitable_range(), *(suitable_range(each) if _is_ours(each) else each for each in template.requires)]
    return {
        **known,
        "use": Text("\n".join(template.use)).substitute(known),
        "more": Text("".join(f"\n        {each}," for each in template.more)).substitute(known),
        "testing": suitable_range(f"{PROJECT}-testing"),
        "dependencies": "\n".join(f'  "{each}",' for each in requires),
    }


def _class_suffix(kind: str) -> str:
    return "LRScheduler" if kind == "lr_scheduler" else kind.capitalize()


def _is_ours(distribution: str) -> bool:
    return distribution.startswith(f"{PROJECT}-")


def _templates(kind: str) -> Mapping[str, str]:
    """Return the texts of the templates by the path that each will have, placeholders still in both."""
    texts = {}
    for folder in (_FOLDER / "common", _FOLDER / kind):
        for file in folder.rglob(f"*{_SUFFIX}"):
            path = file.relative_to(folder).as_posix().removesuffix(_SUFFIX)
            texts[path] = file.read_text(encoding="utf-8")
    return texts
