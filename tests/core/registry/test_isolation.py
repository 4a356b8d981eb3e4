from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

from seqtrain.registry.isolation import contained


def test_nothing_is_said_where_nothing_was_done():
    """As with nearly every plugin."""
    with contained() as undone:
        pass

    assert undone == []


def test_the_environment_is_put_back(monkeypatch):
    """What was removed, changed and added."""
    for name, value in {"ZOO_CHANGED": "1", "ZOO_REMOVED": "2"}.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)

    with contained() as undone:
        del os.environ["ZOO_REMOVED"]
        os.environ.update(ZOO_CHANGED="9", ZOO_ADDED="3")

    assert dict(os.environ) == before
    assert undone == ["changes os.environ (ZOO_ADDED, ZOO_CHANGED, ZOO_REMOVED)"]


def test_the_working_directory_is_put_back(tmp_path):
    """Else the paths on the command line would mean something else."""
    before = Path.cwd()

    with contained() as undone:
        os.chdir(tmp_path)

    assert Path.cwd() == before
    assert undone == ["changes the working directory"]


def test_a_working_directory_that_is_gone_harms_nothing(tmp_path, monkeypatch):
    """Neither before nor after."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with contained() as undone:
        gone.rmdir()
        os.chdir(tmp_path)
    assert undone == ["changes the working directory"]

    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    with contained() as undone:
        pass

    assert undone == []


def test_the_path_keeps_what_it_had(monkeypatch, tmp_path):
    """What is added may be needed, but must not come before what others import."""
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))

    with contained() as undone:
        sys.path.append("/added/last")
    assert (sys.path, undone) == ([*before, "/added/last"], [])

    with contained() as undone:
        sys.path[:] = ["/added/first"]

    assert sys.path == [*before, "/added/last", "/added/first"]
    assert undone == ["changes sys.path"]


def test_filters_of_warnings_are_put_back():
    """Else the next plugin that warns would fail."""
    with contained(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
    before = list(warnings.filters)

    with contained() as undone:
        warnings.simplefilter("ignore")

    assert warnings.filters == before
    assert undone == []


def test_everything_is_put_back_after_an_error(tmp_path):
    """That is when it is most likely to be needed."""
    before = Path.cwd()

    with pytest.raises(RuntimeError), contained():
        os.chdir(tmp_path)
        raise RuntimeError

    assert Path.cwd() == before
    assert sys.stdout is not sys.stderr
