"""A plugin that fails to import harms nobody but the run that uses it."""

from __future__ import annotations

import json
import os
import sys

import pytest

FAILS = """
raise RuntimeError("libquantum.so.3 is missing")
"""
OFFERS_A_MODEL_THAT_FAILS = """
from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components():
    yield Component(kind="model", name="quantum", ref="no_such_module_at_all:Quantum", summary="Fails when used")
"""


@pytest.fixture
def broken(plugin_folder, monkeypatch):
    """The plugin `quantum`, whose module cannot be imported, on this process's and its children's path."""
    folder = plugin_folder("quantum", FAILS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return folder


@pytest.mark.usefixtures("broken")
def test_plugins_list_shows_what_is_wrong(cli_process):
    """And ends well, in a process of its own."""
    process = cli_process("plugins", "list", "--json")
    out, err = process.communicate(timeout=300)

    assert process.returncode == 0, err
    listed = json.loads(out)
    plugins = listed["plugins"] if isinstance(listed, dict) else listed
    (found,) = [each for each in plugins if each["id"] == "quantum"]
    assert found["state"] == "broken"
    assert "libquantum.so.3 is missing" in json.dumps(found)


@pytest.mark.usefixtures("broken")
def test_a_run_that_does_not_use_it_trains(workshop):
    """As if it were not there."""
    outcome = workshop.train(trainer__max_steps=1)

    assert outcome.code == 0, outcome.err


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", ["quantum", "quantum/net"])
def test_a_run_that_names_it_fails_with_its_error(workshop, name):
    """Exit code 4, and nothing was made."""
    outcome = workshop.train("--criterion", name)

    assert outcome.code == 4, outcome.err
    assert "quantum" in outcome.err
    assert "libquantum.so.3 is missing" in outcome.err
    assert "Traceback" not in outcome.err
    assert not workshop.run.exists()


def test_a_component_that_cannot_be_loaded_fails_its_run(workshop, plugin_folder, monkeypatch):
    """Its reference is followed when a run uses it, and then told."""
    monkeypatch.syspath_prepend(plugin_folder("lazily", OFFERS_A_MODEL_THAT_FAILS))
    shrunk = dict.fromkeys(("model__encoder_layers", "model__decoder_layers", "model__embed_dim", "model__ffn_dim", "model__attention_heads"))  # fmt: skip

    outcome = workshop.train("--model", "quantum", **shrunk)

    assert outcome.code == 4, outcome.err
    assert "no_such_module_at_all" in outcome.err
    assert "lazily" in outcome.err
    assert "Traceback" not in outcome.err
    assert "no_such_module_at_all" not in sys.modules
