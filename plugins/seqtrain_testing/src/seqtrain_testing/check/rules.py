"""
The rules that a plugin should keep before others rely on it.

A rule is a function from a plugin to what is wrong with it, one sentence without a full stop for each thing, and a line
in `RULES`. Codes stay: a number is never given to another rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from packaging.requirements import Requirement

from seqtrain.config.reader import read_yaml
from seqtrain.config.resolve import resolve
from seqtrain.config.tree import Problems
from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import ENTRY_POINT_GROUP, PROJECT
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.entry_points import API_MAJOR
from seqtrain.registry.records import SUMMARY_LIMIT
from seqtrain.registry.registry import Registry
from seqtrain_testing.check import components
from seqtrain_testing.check.subject import Subject
from seqtrain_testing.scaffold.names import RESERVED_IDS
from seqtrain_testing.scaffold.versions import suitable_range

_ID = re.compile(r"[a-z][a-z0-9_-]*")
_LOWER, _UPPER = {">", ">=", "~=", "=="}, {"<", "<=", "~=", "=="}


def is_usable(subject: Subject) -> Iterator[str]:
    """It is installed, its module can be imported, and it goes with this seqtrain."""
    plugin = subject.plugin
    if not plugin.usable:
        yield f"it is {plugin.state}: {plugin.note}. {plugin.remedy.rstrip('.')}"


def speaks_this_api(subject: Subject) -> Iterator[str]:
    """Its entry point is in the group of the present plugin API."""
    if subject.declared.api_major != API_MAJOR:
        yield f"it is made for plugin API {subject.declared.api_major}"


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
    requirements = [each for each in map(Requirement, subject.declared.requires) if each.name.lower() == PROJECT]
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
    yield from _each(components.record_is_right)(subject)


def settings_are_read_fast(subject: Subject) -> Iterator[str]:
    """The modules of settings import nothing heavy, so that help and the errors of a configuration come at once."""
    for module in subject.config_modules:
        if module in subject.heavy_imports:
            yield f"{module} imports {subject.heavy_imports[module]}"


def nothing_must_be_given(registered: RegisteredComponent) -> Iterator[str]:
    """It can be tried out without settings."""
    required = components.required_settings(registered)
    if required:
        yield f"{components.where(registered)} cannot be used before {', '.join(required)} is given"


def defaults_are_valid(subject: Subject) -> Iterator[str]:
    """The defaults pass the checks that hold for what a user gives."""
    yield from _each(partial(components.defaults_are_valid, subject.registry))(subject)


def presets_and_recipes_can_be_used(subject: Subject) -> Iterator[str]:
    """Files that a record names are in the package, and fit the settings."""
    yield from _each(partial(components.presets_can_be_used, subject.registry))(subject)
    yield from _each(partial(_problems_of_recipes, subject.registry))(subject)


def short_names_are_unique(subject: Subject) -> Iterator[str]:
    """No other plugin that is installed offers the same."""
    for each in subject.components:
        if subject.registry.is_ambiguous(each):
            where = components.where(each)
            yield f"{where} is offered by another plugin, too, so that users must write {each.qualified_name}"


def _each(rule: Callable[[RegisteredComponent], Iterable[str]]) -> Callable[[Subject], Iterator[str]]:
    """Make a rule for plugins of one for components; those that cannot be loaded are for other rules to report."""

    def look(subject: Subject) -> Iterator[str]:
        for each in subject.components:
            with suppress(PluginError):
                yield from rule(each)

    return look


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
         remedy=f"correct the record; a summary is one line of at most {SUMMARY_LIMIT} characters"),
    Rule("P07", "what it offers can be loaded", _each(components.reference_can_be_called),
         remedy="correct `ref` in the record, or the module that it names"),
    Rule("P08", "settings are frozen, keyword-only dataclasses", _each(components.settings_are_frozen_dataclasses),
         remedy="declare them with @dataclass(frozen=True, kw_only=True), and name them in `config` of the record"),
    Rule("P09", "settings can be read without torch, numpy or omegaconf", settings_are_read_fast,
         remedy="keep settings in a module of their own, which imports seqtrain.plugin and the standard library alone"),
    Rule("P10", "every setting has a help text", _each(components.settings_are_explained),
         remedy='declare it as `= option(DEFAULT, help="...")`'),
    Rule("P11", "no setting is called name", _each(components.name_is_free),
         remedy="call it otherwise: `name` selects the component"),
    Rule("P12", "defaults are valid", defaults_are_valid,
         remedy="change the default or its range"),
    Rule("P13", "presets and recipes can be used", presets_and_recipes_can_be_used,
         remedy="correct the file, and see that the package contains it"),
    Rule("P14", "what it offers is documented", _each(components.is_documented),
         remedy="write a docstring that says what it is for"),
    Rule("P15", "short names are unique among what is installed", short_names_are_unique, is_advice=True,
         remedy="rename it, or tell users to write the qualified name"),
    Rule("P16", "it can be used without settings", _each(nothing_must_be_given), is_advice=True,
         remedy="give a default if there is a sensible one, or say in its README what to set"),
)
# fmt: on


def _problems_of_recipes(registry: Registry, registered: RegisteredComponent) -> Iterator[str]:
    """Read a task's recipes, and use them as a run would where nothing else must be given."""
    references = [each for each in (registered.component.recipe, registered.component.builtin_recipe) if each]
    required = components.required_settings(registered)
    problems = Problems()
    try:
        for reference in references:
            read_yaml(registered.read_resource(reference), reference, problems, recipe=True)
        problems.raise_any()
        if references and not required:
            resolve(registry, task=registered.qualified_name)
    except (ConfigError, PluginError) as error:
        yield f"{components.where(registered)}: {components.one_line(error)}"
