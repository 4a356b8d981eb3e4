"""What holds for a component of any kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import pytest

from seqtrain.config.option import Selection
from seqtrain.config.standalone import from_text, resolve_component, to_text
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.registry import Registry
from seqtrain_testing.check import components
from seqtrain_testing.check.probe import heavy_imports
from seqtrain_testing.registry import RegistryBuilder


class ComponentContract:
    """
    The tests of every contract; subclass the one of the component's kind.

    Set `name`, and `settings` where the defaults are too large for a test. Override a fixture to change what the
    component is tried on.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def registry(self, seqtrain_host: RegistryBuilder) -> Registry:
        """Where the component is looked up."""
        return seqtrain_host.registry

    @pytest.fixture
    def registered(self, registry: Registry) -> RegisteredComponent:
        """The component's record, and the plugin that offers it."""
        return registry.get(self.kind, self.name)

    @pytest.fixture
    def given(self) -> Mapping[str, Any]:
        """The fields that are set: `settings`, and what only a fixture can know."""
        return self.settings

    @pytest.fixture
    def selection(self, registry: Registry, given: Mapping[str, Any]) -> Selection:
        """The component with its settings."""
        return resolve_component(registry, self.kind, self.name, given)

    def build(self, registry: Registry, selection: Selection, **supplied: Any) -> Any:
        """Build the component as a run would."""
        return registry.build(selection, **supplied)

    @property
    def setting_words(self) -> list[str]:
        """What selects the component in a run, as `key=value`."""
        return words_of(self.kind, {"name": self.name, **self.settings})

    def test_its_record_is_valid(self, registered: RegisteredComponent) -> None:
        """Kind, name and references are well formed, and a summary says in one line what it is."""
        assert list(components.record_is_right(registered)) == []

    def test_listing_it_imports_nothing_heavy(self, registered: RegisteredComponent) -> None:
        """Its plugin's module and its config's can be imported without torch, numpy or omegaconf."""
        component = registered.component
        modules = [component.config.partition(":")[0]] if component.config else []
        if registered.plugin.entry_point:
            modules.append(registered.plugin.entry_point.partition(":")[0])

        assert _heavy_imports(tuple(modules)) == {}

    def test_its_config_is_a_frozen_dataclass(self, registered: RegisteredComponent) -> None:
        """Settings cannot be changed by accident, and are given by name."""
        assert list(components.settings_are_frozen_dataclasses(registered)) == []

    def test_every_setting_has_a_help_text(self, registered: RegisteredComponent) -> None:
        """`plugins show` and `--help` can say what each setting means."""
        assert list(components.settings_are_explained(registered)) == []

    def test_no_setting_is_called_name(self, registered: RegisteredComponent) -> None:
        """In a configuration, `name` is the component's own."""
        assert list(components.name_is_free(registered)) == []

    def test_its_defaults_are_valid(
        self, registry: Registry, registered: RegisteredComponent, given: Mapping[str, Any]
    ) -> None:
        """It can be used without settings, but for those that must be given; each default is within its range."""
        assert list(components.defaults_are_valid(registry, registered, given)) == []

    def test_its_config_survives_being_written_and_read(self, registry: Registry, selection: Selection) -> None:
        """RUN/config.yaml gives back the same settings."""
        assert from_text(registry, self.kind, self.name, to_text(selection)) == selection

    def test_its_presets_are_valid(
        self, registry: Registry, registered: RegisteredComponent, given: Mapping[str, Any]
    ) -> None:
        """Every preset can be chosen."""
        assert list(components.presets_can_be_used(registry, registered, given)) == []

    def test_what_it_exports_is_documented(self, registered: RegisteredComponent) -> None:
        """The class or function, its public methods, its config and their modules have docstrings."""
        assert list(components.is_documented(registered)) == []


@lru_cache
def _heavy_imports(modules: tuple[str, ...]) -> Mapping[str, str]:
    return heavy_imports(modules)  # the tests of a plugin ask about the same modules again and again


def words_of(section: str, values: Mapping[str, Any]) -> list[str]:
    """Return the fields of a section as `section.key=value`."""
    return [f"{section}.{key}={_word(value)}" for key, value in values.items()]


def _word(value: Any) -> str:
    """Write a value as YAML; JSON is YAML, but for a text, which needs no quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
