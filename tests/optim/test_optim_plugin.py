"""What the package offers, and that offering it is cheap."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from seqtrain.config.option import option_of
from seqtrain.plugin import KINDS, Component
from seqtrain_optim import plugin

COMPONENTS = list(plugin.seqtrain_components())


def resolve(ref: str):
    module, name = ref.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda each: each.name)
def test_references_lead_somewhere(component: Component):
    """Every record names a builder and a config that exist, and says what it is in one line."""
    assert component.kind in KINDS
    assert callable(resolve(component.ref))
    assert is_dataclass(resolve(component.config))
    assert 0 < len(component.summary) <= 72


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda each: each.name)
def test_every_field_has_a_help_text_and_the_defaults_are_valid(component: Component):
    """A config can be made from its defaults alone, and every field says what it means."""
    config_type = resolve(component.config)
    config_type()
    assert all(option_of(config_type, each.name).help for each in fields(config_type))


def test_listing_imports_nothing_heavy():
    """Records and configs load without torch, numpy and omegaconf."""
    code = (
        "import sys, seqtrain_optim.plugin, seqtrain_optim.config\n"
        "list(seqtrain_optim.plugin.seqtrain_components())\n"
        "print(sorted({'torch', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
