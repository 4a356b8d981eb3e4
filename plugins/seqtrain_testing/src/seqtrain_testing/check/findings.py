"""Apply the rules to a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtrain.registry.isolation import contained
from seqtrain_testing.check.rules import RULES, Rule
from seqtrain_testing.check.subject import Subject

Status = Literal["PASS", "FAIL", "WARN", "SKIP"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    What a rule says of a plugin.

    Args:
        code: of the rule.
        title: what it asks for.
        status: "WARN" where the rule is advice; "SKIP" where the plugin cannot be imported and the rule needs that.
        problems: what is wrong, one sentence without a full stop for each thing.
        remedy: what the author does about it; empty where the problems say so, or nothing is wrong.
    """

    code: str
    title: str
    status: Status
    problems: tuple[str, ...] = ()
    remedy: str = ""


def check_plugin(subject: Subject) -> list[Finding]:
    """Apply every rule to a plugin; whatever it does when its modules are imported, the rest are applied as well."""
    with contained():
        return [_apply(rule, subject) for rule in RULES]


def _apply(rule: Rule, subject: Subject) -> Finding:
    if rule.needs_import and not subject.plugin.usable:
        return Finding(code=rule.code, title=rule.title, status="SKIP")
    try:
        problems = tuple(rule.look(subject))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the code of a stranger raises
        problems = (" ".join(f"it cannot be checked because of {type(error).__name__}: {error}".split()),)
    if not problems:
        return Finding(code=rule.code, title=rule.title, status="PASS")
    status: Status = "WARN" if rule.is_advice else "FAIL"
    return Finding(code=rule.code, title=rule.title, status=status, problems=problems, remedy=rule.remedy)
