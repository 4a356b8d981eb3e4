"""
The rules that a plugin should keep before others rely on it.

A rule is a function from a plugin to what is wrong with it, one sentence without a full stop for each thing, and a line
in `RULES`. Codes stay: a number is never given to another rule.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from packaging.requirements import Requirement

from seqtrain.authoring.documentation import undocumented
from seqtrain.authoring.names import RESERVED_IDS
from seqtrain.authoring.subject import Subject
from seqtrain.authoring.versions import suitable_range
from seqtrain.config.help import describe
from seqtrain.config.reader import read_yaml
from seqtrain.config.resolve import resolve
from seqtrain.config.standalone import from_text, resolve_component, to_text
from seqtrain.config.tree import Problems
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import ENTRY_POINT_GROUP, PROJECT
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.entry_points import API_MAJOR
from seqtrain.registry.records import SUMMARY_LIMIT

_ID = re.compile(r"[a-z][a-z0-9_-]*")
_LOWER, _UPPER = {">", ">=", "~=", "=="}, {"<", "<=", "~=", "=="}


def is_usable(subject: Subject) -> Iterator[str]:
    """It is installed, its module can be imported, and it goes with this seqtrain."""
    plugin = subject.plugin
    if not plugin.usable:
        yield f"it is {plugin.state}: {plugin.note}. {plugin.remedy.rstrip('.')}"


def speaks_this_api(subject: Subject) -> Iterator[str]:
    """Its entry point is in the group of the present plugin API."""
    if subject.candidate.api_major != API_MAJOR:
        yield f"it is made for plugin API {subject.candidate.api_major}"


def has_an_id_of_its_own(subject: Subject) -> Iterator[str]:
    """Its id is well formed, and not one of ours."""
    plugin_id = subject.plugin.id
    if not _ID.fullmatch(plugin_id):
        yield f"its id {plugin_id!r} is not of lower-case letters, digits, '_' and '-'"
    owner = RESERVED_IDS.get(plugin_id)
    if owner not in (None, subject.distribution):
        yield f"its id {plugin_id!r} belongs to {owner}"


def requires_a_range_of_core(subject: Subject) -> Iterator[str]:
    """Its distribution says which versions of seqtrain it goes with, so that pip can see to it."""
    if subject.distribution == PROJECT:
        return
    requirements = [each for each in map(Requirement, subject.candidate.requires) if each.name.lower() == PROJECT]
    operators = {clause.operator for each in requirements for clause in each.specifier}
    if not requirements:
        yield f"{PROJECT} is not among its dependencies"
    elif not operators & _LOWER:
        yield f"{requirements[0]} accepts any old version"
    elif not operators & _UPPER:
        yield f"{requirements[0]} accepts any later version, even one that is made to differ"


def is_listed_fast(subject: Subject) -> Iterator[str]:
    """Its cheap module imports nothing heavy, in a process in which nobody else has."""
    if subject.module in subject.heavy_imports:
        yield f"{subject.module} imports {subject.heavy_imports[subject.module]}"


def records_are_right(subject: Subject) -> Iterator[str]:
    """Every record can be used, and says in a line what it is."""
    yield from (each.note for each in subject.plugin.bad_records)
    for each in subject.components:
        summary = each.component.summary
        if not summary.strip():
            yield f"{_where(each)} has no summary"
        elif len(summary) > SUMMARY_LIMIT or "\n" in summary:
            yield f"{_where(each)} has a summary of {len(summary)} characters: {summary!r}"


def references_lead_somewhere(subject: Subject) -> Iterator[str]:
    """What a run would import is there, and can be called."""
    for each in subject.components:
        try:
            found = each.load()
        except PluginError as error:
            yield _one_line(error)
            continue
        if each.component.kind == "command" and not isinstance(found, click.Command):
            yield f"{_where(each)}: {each.component.ref} is not a click command"
        elif not callable(found):
            yield f"{_where(each)}: {each.component.ref} cannot be called"


def settings_are_frozen_dataclasses(subject: Subject) -> Iterator[str]:
    """Settings are given by name, and nobody changes them by accident."""
    for each in subject.components:
        try:
            config_type: Any = each.load_config()
        except PluginError as error:
            yield _one_line(error)
            continue
        if not config_type.__dataclass_params__.frozen:
            yield f"{_where(each)}: {config_type.__name__} is not frozen"
        positional = [field.name for field in dataclasses.fields(config_type) if field.init and not field.kw_only]
        if positional:
            yield f"{_where(each)}: {', '.join(positional)} of {config_type.__name__} can be given by position"


def settings_are_read_fast(subject: Subject) -> Iterator[str]:
    """The modules of settings import nothing heavy, so that help and the errors of a configuration come at once."""
    for module in subject.config_modules:
        if module in subject.heavy_imports:
            yield f"{module} imports {subject.heavy_imports[module]}"


def settings_are_explained(subject: Subject) -> Iterator[str]:
    """Every setting says what it means."""
    for each, config_type in subject.configs():
        silent = [row.key for row in describe(config_type) if not row.help.strip()]
        if silent:
            yield f"{_where(each)}: {', '.join(silent)} of {config_type.__name__} has no help text"


def name_is_free(subject: Subject) -> Iterator[str]:
    """In a configuration, `name` is the component's own."""
    for each, config_type in subject.configs():
        if "name" in {field.name for field in dataclasses.fields(config_type)}:
            yield f"{_where(each)}: {config_type.__name__} has a setting called name"


def nothing_must_be_given(subject: Subject) -> Iterator[str]:
    """It can be tried out without settings."""
    for each, config_type in subject.configs():
        required = _required(config_type)
        if required:
            yield f"{_where(each)} cannot be used before {', '.join(required)} is given"


def defaults_are_valid(subject: Subject) -> Iterator[str]:
    """The defaults pass the checks that hold for what a user gives."""
    for each, config_type in subject.configs():
        if not _required(config_type):
            yield from _problems_of(subject, each, each.qualified_name)


def presets_and_recipes_can_be_used(subject: Subject) -> Iterator[str]:
    """Files that a record names are in the package, and fit the settings."""
    for each, config_type in subject.configs():
        must_be_given = bool(_required(config_type))
        try:
            presets: Mapping[str, object] = each.load_presets()
        except PluginError as error:
            yield _one_line(error)
            presets = {}
        for preset in presets if not must_be_given else ():
            yield from _problems_of(subject, each, f"{each.qualified_name}/{preset}")
        yield from _problems_of_recipes(subject, each, must_be_given=must_be_given)


def short_names_are_unique(subject: Subject) -> Iterator[str]:
    """No other plugin that is installed offers the same."""
    for each in subject.components:
        if subject.registry.is_ambiguous(each):
            yield f"{_where(each)} is offered by another plugin, too, so that users must write {each.qualified_name}"


def is_documented(subject: Subject) -> Iterator[str]:
    """Modules, classes, functions and public methods say what they are for."""
    for each, config_type in subject.configs():
        try:
            found = each.load()
        except PluginError:  # told by another rule
            continue
        references = [each.component.ref, each.component.config or each.component.ref]
        modules = (import_module(reference.partition(":")[0]) for reference in dict.fromkeys(references))
        silent = [name for thing in (*modules, found, config_type) for name in undocumented(thing)]
        if silent:
            yield f"{_where(each)}: no docstring on {', '.join(silent)}"


@dataclass(frozen=True)
class Rule:
    """
    A rule.

    Args:
        code: its name for programs and in conversations.
        title: what it asks for.
        look: says what is wrong.
        remedy: what the author does about it.
        is_advice: a plugin may go without.
        needs_import: nothing can be said about a plugin that cannot be imported.
    """

    code: str
    title: str
    look: Callable[[Subject], Iterable[str]]
    remedy: str = ""
    is_advice: bool = False
    needs_import: bool = True


# fmt: off
RULES = (
    Rule("P01", "it can be found and imported", is_usable, needs_import=False),
    Rule("P02", f"its entry point is in the group {ENTRY_POINT_GROUP}", speaks_this_api, needs_import=False,
         remedy=f'name the group [project.entry-points."{ENTRY_POINT_GROUP}"]'),
    Rule("P03", "its id is well formed and its own", has_an_id_of_its_own, needs_import=False,
         remedy="rename the entry point, for example like the distribution"),
    Rule("P04", "it requires a range of versions of seqtrain", requires_a_range_of_core, needs_import=False,
         remedy=f'write "{suitable_range()}" among its dependencies, and install it anew'),
    Rule("P05", "listing it imports nothing heavy", is_listed_fast,
         remedy="import that in the module of the component, and name the component by a string"),
    Rule("P06", "every record is right, with a summary", records_are_right,
         remedy=f"mend the record; a summary is one line of at most {SUMMARY_LIMIT} characters"),
    Rule("P07", "what it offers can be loaded", references_lead_somewhere,
         remedy="mend `ref` in the record, or the module that it names"),
    Rule("P08", "settings are frozen, keyword-only dataclasses", settings_are_frozen_dataclasses,
         remedy="declare them with @dataclass(frozen=True, kw_only=True), and name them in `config` of the record"),
    Rule("P09", "settings can be read without torch, numpy or omegaconf", settings_are_read_fast,
         remedy="keep settings in a module of their own, which imports seqtrain.plugin and the standard library alone"),
    Rule("P10", "every setting has a help text", settings_are_explained,
         remedy='declare it as `= option(DEFAULT, help="...")`'),
    Rule("P11", "no setting is called name", name_is_free,
         remedy="call it otherwise: `name` selects the component"),
    Rule("P12", "defaults are valid", defaults_are_valid,
         remedy="change the default or its range"),
    Rule("P13", "presets and recipes can be used", presets_and_recipes_can_be_used,
         remedy="mend the file, and see that the package contains it"),
    Rule("P14", "what it offers is documented", is_documented,
         remedy="write a docstring that says what it is for"),
    Rule("P15", "short names are unique among what is installed", short_names_are_unique, is_advice=True,
         remedy="rename it, or tell users to write the qualified name"),
    Rule("P16", "it can be used without settings", nothing_must_be_given, is_advice=True,
         remedy="give a default if there is a sensible one, or say in its README what to set"),
)
# fmt: on


def _where(registered: RegisteredComponent) -> str:
    return f"{registered.component.kind}/{registered.component.name}"


def _required(config_type: type) -> list[str]:
    missing = dataclasses.MISSING
    return [
        each.name
        for each in dataclasses.fields(config_type)
        if each.init and each.default is missing and each.default_factory is missing
    ]


def _problems_of(subject: Subject, registered: RegisteredComponent, name: str) -> Iterator[str]:
    """Choose a component by name, perhaps with a preset, and give it all its settings, as a user would."""
    registry, kind = subject.registry, registered.component.kind
    try:
        from_text(registry, kind, name, to_text(resolve_component(registry, kind, name)))
    except (ConfigError, PluginError) as error:
        yield f"{_where(registered)}, chosen as {name}: {_one_line(error)}"


def _problems_of_recipes(subject: Subject, registered: RegisteredComponent, *, must_be_given: bool) -> Iterator[str]:
    """Read a task's recipes, and use them as a run would where nothing else must be given."""
    references = [each for each in (registered.component.recipe, registered.component.builtin_recipe) if each]
    problems = Problems()
    try:
        for reference in references:
            read_yaml(registered.read_resource(reference), reference, problems, recipe=True)
        problems.raise_any()
        if references and not must_be_given:
            resolve(subject.registry, task=registered.qualified_name)
    except (ConfigError, PluginError) as error:
        yield f"{_where(registered)}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
