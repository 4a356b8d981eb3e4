"""What is known of a component that is wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import pytest

from seqtrain.plugin import Component
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.registry import RegistryBuilder

Part = TypeVar("Part", bound=Any)


@dataclass(frozen=True)
class Mutant:
    """
    A component, and what its contract should say of it.

    Args:
        component: the class, function or command.
        contract: what it should satisfy.
        caught_by: the names of the tests that must fail; all others must not.
        record: fields of its record that are not as usual.
        members: further members of the test class.
    """

    component: Any
    contract: type[ComponentContract]
    caught_by: frozenset[str]
    record: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the component is called in its module."""
        made = self.component.callback if isinstance(self.component, click.Command) else self.component
        return str(made.__name__)

    def test_class(self, module: str) -> type[ComponentContract]:
        """Return the tests of the contract for the component, which is found in that module."""
        usual = {"kind": self.contract.kind, "name": "mutant", "ref": f"{module}:{self.name}", "summary": "Wrong"}
        record = Component(**{**usual, **self.record})

        def seqtrain_host(self: object) -> RegistryBuilder:
            host = RegistryBuilder.with_everything_installed()
            host.register(record)
            return host

        members = {"name": f"inline/{record.name}", "seqtrain_host": pytest.fixture(seqtrain_host), **self.members}
        return type(f"Test{self.name}", (self.contract,), members)


class Mutants(list[Mutant]):
    """
    The mutants of one contract.

    Args:
        contract: what they should satisfy.
        record: fields of their records.
    """

    def __init__(self, contract: type[ComponentContract], **record: Any) -> None:
        super().__init__()
        self._contract, self._record = contract, record

    def caught_by(self, *tests: str, record: Mapping[str, Any] | None = None, **members: Any) -> Callable[[Part], Part]:
        """Add the component that is decorated; with no tests, it has no mistake."""

        def add(component: Part) -> Part:
            whole = {**self._record, **(record or {})}
            self.append(Mutant(component, self._contract, frozenset(tests), whole, members))
            return component

        return add
