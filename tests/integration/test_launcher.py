"""A run that a launcher starts in a process of its own is the run that this process would have made."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time

import pytest
import yaml

from seqtrain.workers.child import python_command

pytestmark = pytest.mark.slow

LOCAL = """
from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from seqtrain.plugin import Component, hookimpl, option


@hookimpl
def seqtrain_components():
    yield Component(
        kind="launcher", name="local", ref="acme_plugin:local", config="acme_plugin:LocalConfig", summary="Here"
    )
    yield Component(kind="launcher", name="bad", ref="acme_plugin:bad", config="acme_plugin:BadConfig", summary="No")


@dataclass(frozen=True, kw_only=True)
class LocalConfig:
    forget: bool = option(False, help="let the worker do without this plugin")


def local(config):
    def launch(command, *, workers, nodes):
        environment = {**os.environ, **({"PYTHONPATH": ""} if config.forget else {})}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            return process.wait()

    return launch


@dataclass(frozen=True, kw_only=True)
class BadConfig:
    result: str = option("", help="as JSON; otherwise it raises")
    log: str = option("/dev/null", help="where to write how it was called")


def bad(config):
    def launch(command, *, workers, nodes):
        with open(config.log, "w") as file:
            json.dump([command, workers, nodes], file)
        if not config.result:
            raise LookupError("no free machine")
        return json.loads(config.result)

    return launch
"""


OFFERS = """
from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components():
    yield Component(kind="model", name="unused", ref="nowhere:Model", summary="Never built")
"""


@pytest.fixture
def workshop(workshop, plugin_folder, monkeypatch):
    """The workshop, with the launchers installed for this process and its children."""
    folder = plugin_folder("acme", LOCAL)
    plugin_folder("unused", OFFERS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return workshop


def start_run(workshop, cli_process, *options, **changed):
    """Start `seqtrain train` with the launcher `local`."""
    chosen = workshop.settings(distributed__launcher__name="local", **changed)
    return cli_process("train", *chosen, "--run-dir", workshop.run, *options)


def test_the_run_is_the_same_as_without_a_launcher(workshop, cli_process, tmp_path):
    """Weights, configuration and what is printed; the command is the user's, and the worker's log is in its place."""
    process = start_run(workshop, cli_process)
    out, err = process.communicate(timeout=300)
    plain = workshop.train(run=tmp_path / "plain")

    assert process.returncode == 0, err
    assert workshop.weights(6) == workshop.weights(6, tmp_path / "plain")
    assert out.decode() == plain.out.replace(str(tmp_path / "plain"), str(workshop.run))
    assert err.decode().count("done training") == 1
    assert "done training" in (workshop.run / "train.log").read_text()
    config = (workshop.run / "config.yaml").read_text()
    assert config == (tmp_path / "plain" / "config.yaml").read_text()
    assert yaml.safe_load(config)["distributed"]["launcher"] is None
    command = json.loads((workshop.run / "environment.json").read_text())["command"]
    assert "distributed.launcher.name=local" in command


def test_an_error_of_the_worker_is_said_once(workshop, cli_process):
    """In its own words, and its exit code is that of the command."""
    process = start_run(workshop, cli_process, task__train="/nowhere/train")
    out, err = process.communicate(timeout=300)

    assert process.returncode == 5, err
    assert out == b""
    assert err.decode().count("seqtrain: error: ") == 1
    assert b"/nowhere/train.en" in err
    assert b"Traceback" not in err


def test_a_worker_with_other_plugins_refuses(workshop, cli_process):
    """Before it does anything, naming what differs."""
    process = start_run(workshop, cli_process, distributed__launcher__forget="true")
    _, err = process.communicate(timeout=300)

    assert process.returncode == 4, err
    assert b"acme: acme 1.0 there, none here" in err
    assert b"translation" not in err
    assert err.decode().count("seqtrain: error: ") == 1
    assert not workshop.run.exists()


def test_a_plugin_that_is_switched_off_is_off_in_the_worker(workshop, cli_process):
    """An option before the command reaches it."""
    words = workshop.settings(distributed__launcher__name="local", trainer__max_steps=1)
    process = cli_process("--no-plugin", "unused", "train", *words, "--run-dir", workshop.run)
    _, err = process.communicate(timeout=300)

    assert process.returncode == 0, err
    assert "unused" not in json.loads((workshop.run / "environment.json").read_text())["plugins"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_worker_which_saves(workshop, cli_process, number):
    """The command ends with the exit code of the worker, and typed again it goes on."""
    endless = {
        "trainer__max_steps": 100_000,
        "trainer__validate": "{epochs: 1000}",
        "checkpoint__save": "{steps: 90000}",
    }
    process = start_run(workshop, cli_process, **endless)
    try:
        deadline = time.monotonic() + 120
        metrics = workshop.run / "metrics.jsonl"
        while not (metrics.is_file() and metrics.stat().st_size):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()

    assert process.returncode == 143, err
    assert out == b""
    assert b"SIGTERM received; the same command resumes" in err
    (saved,) = workshop.checkpoints()
    steps = int(saved.removeprefix("step-"))
    assert steps == workshop.metrics()[-1]["step"]
    again = workshop.train(**{**endless, "trainer__max_steps": steps + 1})
    assert again.code == 0, again.err
    assert "Resuming from" in again.err


def test_a_launcher_is_told_the_command_and_how_many(workshop, tmp_path):
    """The command holds references alone; what the launcher returns is the exit code, and nothing is added to it."""
    log = tmp_path / "log.json"

    outcome = workshop.train(
        "--fresh",
        distributed__launcher__name="acme/bad",
        distributed__launcher__result="7",
        distributed__launcher__log=log,
    )

    assert (outcome.code, outcome.out, outcome.err) == (7, "", "")
    (*command, spec), workers, nodes = json.loads(log.read_text())
    assert (command, workers, nodes) == (python_command("seqtrain.workers.main"), 1, 1)
    spec = json.loads(spec)
    assert spec["run_dir"] == str(workshop.run)
    assert spec["fresh"]
    assert not spec["accept_changes"]
    assert spec["plugins"]["acme"] == ["acme", "1.0"]
    assert yaml.safe_load(spec["config"])["distributed"]["launcher"] is None
    assert not workshop.run.exists()


@pytest.mark.parametrize(("result", "code"), [("0", 0), ("-15", 143), ("-9", 137), ("255", 255)])
def test_exit_codes_are_those_of_a_shell(workshop, result, code):
    """A signal is counted from 128, as whoever started the command expects it."""
    outcome = workshop.train(distributed__launcher__name="bad", distributed__launcher__result=result)

    assert (outcome.code, outcome.out, outcome.err) == (code, "", "")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("", "launcher 'bad' of plugin 'acme' (acme 1.0) failed: LookupError: no free machine"),
        ('"null"', "launcher 'bad' of plugin 'acme' (acme 1.0) returned None, which is no exit code"),
        ("256", "launcher 'bad' of plugin 'acme' (acme 1.0) returned 256"),
        ("'\"0\"'", "launcher 'bad' of plugin 'acme' (acme 1.0) returned '0'"),
    ],
)
def test_a_launcher_that_fails_is_named(workshop, result, said):
    """Exit code 4, in one paragraph."""
    outcome = workshop.train(distributed__launcher__name="bad", distributed__launcher__result=result)

    assert outcome.code == 4
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not workshop.run.exists()


def test_a_launcher_is_told_how_many_workers(workshop, tmp_path):
    """By the same option that the elastic agent heeds."""
    chosen = {"distributed__launcher__name": "bad", "distributed__launcher__result": "0"}
    outcome = workshop.train("--workers", "2", distributed__launcher__log=tmp_path / "log", **chosen)

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert json.loads((tmp_path / "log").read_text())[1:] == [2, 1]


def test_an_unknown_launcher_is_refused(workshop):
    """As any component."""
    outcome = workshop.train(distributed__launcher__name="locall")

    assert outcome.code == 4
    assert "No launcher is named 'locall'. Did you mean 'local'?" in outcome.err


@pytest.fixture
def trained(workshop):
    """The workshop with a run that was trained without a launcher."""
    workshop.train()
    return workshop


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_others_start_evaluate_and_predict(trained, cli_process, workers, tmp_path):
    """As this process does, and so do two workers; they have the command's stdin and stdout, or the files it names."""
    chosen = ["distributed.launcher.name=local"] if workers == 1 else [f"distributed.workers={workers}"]
    lines = b"one two\nthree\n"
    (tmp_path / "lines").write_bytes(lines)

    def output(*command, stdin=b""):
        process = cli_process(*command, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=300)
        assert process.returncode == 0, err
        return out

    expected = output("predict", trained.run, stdin=lines)
    assert 2 == expected.count(b"\n")
    assert expected == output("predict", trained.run, *chosen, stdin=lines)
    files = ("--input", tmp_path / "lines", "--output", tmp_path / "predictions")
    assert b"" == output("predict", trained.run, *chosen, *files)
    assert expected == (tmp_path / "predictions").read_bytes()
    plain, launched = (json.loads(output("evaluate", trained.run, "--json", *each)) for each in ([], chosen))
    assert plain["measures"] == pytest.approx(launched["measures"], rel=1e-6)
    assert {**plain, "measures": None} == {**launched, "measures": None}


def test_a_job_that_another_has_started_evaluates(trained, cli_process):
    """Two processes that find each other by torchrun's variables; the main one prints."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    processes = [
        cli_process("evaluate", trained.run, "--json", env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    printed = [process.communicate(timeout=300) for process in processes]

    assert [0, 0] == [process.returncode for process in processes], printed
    assert b"" == printed[1][0]
    assert "loss" in json.loads(printed[0][0])["measures"]


def test_how_a_run_was_trained_does_not_say_where_it_is_used(trained, cli_process):
    """A configuration of two workers is evaluated by this process alone, unless it is told otherwise."""
    config = trained.run / "config.yaml"
    config.write_text(
        config.read_text().replace("workers: 1", "workers: 2").replace("max_restarts: 0", "max_restarts: 3")
    )
    assert "workers: 2" in config.read_text()
    process = cli_process("evaluate", trained.run)
    _, err = process.communicate(timeout=300)

    assert (0, b"") == (process.returncode, err)
