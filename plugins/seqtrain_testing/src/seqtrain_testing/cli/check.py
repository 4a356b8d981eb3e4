"""`seqtrain plugins check`: is a plugin ready to be published?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from seqtrain.cli.invocation import installed_plugins, print_json
from seqtrain.errors import PluginError

if TYPE_CHECKING:
    from seqtrain_testing.check.findings import Finding
    from seqtrain_testing.check.subject import Subject


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(name: str, as_json: bool) -> None:
    """
    Check an installed plugin against the rules, before others rely on it.

    NAME is a plugin or a distribution. Ends with 4 if a rule fails; a warning is advice.
    """
    from seqtrain_testing.check.findings import check_plugin
    from seqtrain_testing.check.subject import find_subjects

    checked = [(subject, check_plugin(subject)) for subject in find_subjects(installed_plugins(), name)]
    if as_json:
        plugins = [_as_json(subject, findings) for subject, findings in checked]
        print_json("seqtrain.plugins.check/1", passed=all(each["passed"] for each in plugins), plugins=plugins)
    else:
        for subject, findings in checked:
            _print(subject, findings)
    if not all(_passed(findings) for _, findings in checked):
        sys.exit(PluginError.exit_code)


def _passed(findings: Sequence[Finding]) -> bool:
    return all(finding.status != "FAIL" for finding in findings)


def _as_json(subject: Subject, findings: Sequence[Finding]) -> dict[str, object]:
    plugin = subject.plugin
    return {
        "id": plugin.id,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "passed": _passed(findings),
        "rules": [asdict(finding) for finding in findings],
    }


def _print(subject: Subject, findings: Sequence[Finding]) -> None:
    click.echo(str(subject.plugin))
    for finding in findings:
        click.echo(f"  {finding.status}  {finding.code}  {finding.title}")
        for problem in finding.problems:
            click.echo(f"             {problem}.")
        if finding.remedy:
            click.echo(f"             To do: {finding.remedy}.")
    counts = Counter[str](finding.status for finding in findings)
    named = {"PASS": "passed", "FAIL": "failed", "WARN": "with a warning", "SKIP": "skipped"}
    told = ", ".join(f"{counts[status]} {text}" for status, text in named.items() if counts[status])
    click.echo(f"{len(findings)} rules: {told}")
