"""What comes of holding the rules against a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtrain.authoring.rules import RULES, Rule
from seqtrain.authoring.subject import Subject
from seqtrain.registry.isolation import contained

Status = Literal["PASS", "FAIL", "WARN", "SKIP"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    What a rule says of a plugin.

    Args:
        code: of the rule.
        title: what it asks for.
        status: "WARN" where a plugin may go without what is asked for; "SKIP" where there is no telling.
        problems: what is wrong, one sentence without a full stop for each thing.
        remedy: what the author does about it; empty where the problems say so, or nothing is wrong.
    """

    code: str
    title: str
    status: Status
    problems: tuple[str, ...] = ()
    remedy: str = ""


def check_plugin(subject: Subject) -> list[Finding]:
    """Hold every rule against a plugin; it cannot stop that, whatever it does when its modules are imported."""
    with contained():
        return [_hold(rule, subject) for rule in RULES]


def _hold(rule: Rule, subject: Subject) -> Finding:
    if rule.needs_import and not subject.plugin.usable:
        return Finding(code=rule.code, title=rule.title, status="SKIP")
    try:
        problems = tuple(rule.look(subject))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the code of a stranger raises
        problems = (" ".join(f"there is no telling, because of {type(error).__name__}: {error}".split()),)
    if not problems:
        return Finding(code=rule.code, title=rule.title, status="PASS")
    status: Status = "WARN" if rule.is_advice else "FAIL"
    return Finding(code=rule.code, title=rule.title, status=status, problems=problems, remedy=rule.remedy)
