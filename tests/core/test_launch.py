"""What a worker is told, what it refuses, and the signals that reach a launcher."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seqtrain import launch
from seqtrain.config.option import Selection
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import ConfigError, DataError, PluginError, UsageError
from seqtrain.plugin import Component, option
from seqtrain.registry.filters import PluginFilters
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain.run.request import RunRequest
from seqtrain.run.results import Results
from seqtrain.training.signals import raise_on_sigterm
from seqtrain.workers import main as worker_main
from seqtrain.workers.spec import WorkerSpec

COMMAND = ("seqtrain", "train", "trainer.seed=3")


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """Of every component here."""

    text: str = option("", help="a text")


def part(kind: str, name: str = "part", ref: str = f"{__name__}:nothing") -> Component:
    return Component(kind=kind, name=name, ref=ref, config=f"{__name__}:PartConfig")


@pytest.fixture
def registry() -> Registry:
    """A component of each kind that a run needs, and two launchers."""
    kinds = ("task", "model", "criterion", "optimizer", "lr_scheduler", "launcher")
    components = (*map(part, kinds), part("tracker", "tensorboard"), part("launcher", "made", f"{__name__}:make"))
    return Registry([Plugin(id="acme", distribution="acme-parts", version="1.0", components=components)])


def nothing(config: PartConfig) -> None:
    """Stand for any part that is not built here."""


CALLS: list[Any] = []


def make(config: PartConfig) -> Any:
    """Make a launcher that notes how it is called; a text of `fail` lets making it fail."""
    if config.text == "fail":
        raise OSError("no such queue")

    def start(command: list[str], *, workers: int, nodes: int) -> int:
        CALLS.append((command, workers, nodes))
        return 3

    return start


@pytest.fixture
def request_of(registry: Registry, tmp_path: Path):
    """Make a request, with settings for its configuration."""

    def request(*settings: str, **fields: Any) -> RunRequest:
        names = dict.fromkeys(("task", "model", "criterion", "optimizer", "lr_scheduler"), "part")
        config = resolve(registry, overrides=settings, **names).config
        return RunRequest(config=config, **{"run_dir": tmp_path / "run", "command": COMMAND, **fields})

    return request


def test_a_request_survives_the_way_to_a_worker(registry, request_of) -> None:
    """All of it, but the launcher, which has done its part by then."""
    request = request_of(
        "distributed.launcher.name=part", r"task.text=a \${b} ' ü", "trainer.seed=7", fresh=True, accept_changes=True,
        verbose=True,
    )  # fmt: skip
    program, *_, text = WorkerSpec.of(request, registry).command_line()

    arrived = WorkerSpec.read(text).request(registry)

    assert program == sys.executable
    assert text.isascii()
    assert arrived.config.task.config.text == "a ${b} ' ü"
    distributed = replace(request.config.distributed, launcher=None)
    assert replace(arrived, command=COMMAND) == replace(
        request, config=replace(request.config, distributed=distributed)
    )
    assert tuple(arrived.command) == COMMAND


def test_a_relative_run_dir_is_made_absolute(registry, request_of, tmp_path, monkeypatch) -> None:
    """The worker may run elsewhere."""
    monkeypatch.chdir(tmp_path)

    assert WorkerSpec.of(request_of(run_dir=Path("run")), registry).run_dir == str(tmp_path / "run")
    monkeypatch.setenv("HOME", "/home/ada")
    assert WorkerSpec.of(request_of(run_dir=Path("~/run")), registry).run_dir == "/home/ada/run"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "1.1"}, "acme: acme-parts 1.0 there, acme-parts 1.1 here"),
        ({"distribution": "acme-fork"}, "acme: acme-parts 1.0 there, acme-fork 1.0 here"),
        ({"state": "broken"}, "acme: acme-parts 1.0 there, broken here"),
        ({"id": "other"}, "acme: acme-parts 1.0 there, none here\n  other: none there, acme-parts 1.0 here"),
        ({"version": None}, "acme: acme-parts 1.0 there, acme-parts ? here"),
    ],
)
def test_other_plugins_are_refused_with_what_differs(registry, request_of, changed, said) -> None:
    """Before the configuration is looked at."""
    spec = WorkerSpec.of(request_of(), registry)
    (plugin,) = registry.plugins

    with pytest.raises(PluginError) as caught:
        spec.request(Registry([replace(plugin, **changed)]))

    assert f"other plugins than the process that started the run:\n  {said}\n" in str(caught.value)


def test_a_plugin_that_cannot_be_used_on_either_side_does_not_matter(registry, request_of) -> None:
    """Nor does the order of the plugins."""
    spec = WorkerSpec.of(request_of(), registry)
    odd = Plugin(id="odd", state="broken")

    assert spec.request(Registry([odd, *registry.plugins])).config == request_of().config


@pytest.mark.parametrize("arguments", [[], ["{"], ["3"], ["{}"], ["{}", "{}"], ['{"config": "x", "size": 3}']])
def test_a_worker_that_is_told_nonsense_says_what_it_is(capsys, arguments) -> None:
    """Somebody may try it out by hand."""
    assert worker_main.main(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seqtrain: error: This is not what `seqtrain train` tells a worker")
    assert err.count("\n") == 1


@pytest.fixture
def work(registry, request_of, monkeypatch: pytest.MonkeyPatch):
    """Run a worker in this process, with what `distributed_main` returns or raises; return its exit code."""

    def run(result: Results | BaseException, **fields: Any) -> int:
        def distributed_main(request: RunRequest, registry: Registry) -> Results:
            run.asked = request
            if isinstance(result, BaseException):
                raise result
            return result

        def discover(environ: dict[str, str]) -> Registry:
            run.environ = environ
            return registry

        monkeypatch.setattr(worker_main, "discover", discover)
        monkeypatch.setattr(launch, "distributed_main", distributed_main)
        return worker_main.main([WorkerSpec.of(request_of(**fields), registry).command_line()[-1]])

    return run


def test_a_worker_prints_the_results(work, capsys, tmp_path) -> None:
    """As `seqtrain train` does."""
    results = Results(tmp_path / "run", split="test", checkpoint="step-1", measures={"loss": 1.5})

    assert work(results) == 0

    assert capsys.readouterr().out == f"{results.summary()}\n"
    assert work.asked.run_dir == tmp_path / "run"


def test_a_worker_switches_off_what_the_user_switched_off(work, registry, monkeypatch, tmp_path) -> None:
    """By options of the command, which reach it on its command line; not what its own environment says."""
    monkeypatch.setenv("SEQTRAIN_DISABLE_PLUGINS", "other")
    registry.plugin_filters = PluginFilters(no_plugin=("a", "b"), no_plugins=True)

    assert work(Results(tmp_path)) == 0
    assert PluginFilters.from_environment(work.environ) == PluginFilters(disabled=("a", "b"), allowed=("core",))
    assert work.environ["PATH"] == os.environ["PATH"]


def test_a_stopped_worker_prints_nothing(work, capsys, tmp_path) -> None:
    """The log has said it."""
    assert work(Results(tmp_path, exit_code=143)) == 143
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("train.en:3: no"), 5, "seqtrain: error: train.en:3: no\n"),
        (ConfigError("trainer: no"), 3, "seqtrain: error: trainer: no\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_worker_ends_as_the_command_line_would(work, capsys, error, code, said) -> None:
    """Message and exit code."""
    assert work(error) == code
    assert capsys.readouterr() == ("", said)


def test_a_worker_shows_tracebacks_where_the_user_wanted_them(work, capsys) -> None:
    """`-v` was typed elsewhere, and holds here."""
    assert work(DataError("no"), verbose=True) == 5

    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("seqtrain: error: no\n")


def test_a_bug_shows_its_traceback(work, capsys) -> None:
    """In a worker, too."""
    assert work(ZeroDivisionError("oops")) == 1
    assert "ZeroDivisionError: oops" in capsys.readouterr().err


def test_a_launcher_is_called_in_place_of_training(registry, request_of, monkeypatch, tmp_path) -> None:
    """With its own selection; its exit code is the result, of which there is nothing more to tell."""
    CALLS.clear()

    results = launch.call_main(request_of("distributed.launcher.name=made"), registry, {})

    (((*_, text), workers, nodes),) = CALLS
    assert (results.exit_code, results.is_told, results.run_dir) == (3, True, tmp_path / "run")
    assert (workers, nodes) == (1, 1)
    assert WorkerSpec.read(text) == WorkerSpec.of(request_of(), registry)


def of_job(world_size: int, **more: str) -> dict[str, str]:
    """Return the environment of one of several workers."""
    return {"RANK": "1", "WORLD_SIZE": str(world_size), "MASTER_ADDR": "n1", "MASTER_PORT": "29500", **more}


@pytest.fixture
def decided(registry, request_of, monkeypatch: pytest.MonkeyPatch):
    """Return what `call_main` decides to do, for settings of `distributed` and an environment."""

    def decide(environ: dict[str, str], **settings: Any) -> str:
        done = []
        monkeypatch.setattr(launch, "distributed_main", lambda *_: done.append("train here"))
        monkeypatch.setattr(launch, "launch", lambda *_: done.append("launcher") or 0)
        monkeypatch.setattr(launch, "start_workers", lambda *_: done.append("agent") or 0)
        request = request_of()
        launch.call_main(
            replace(request, config=replace(request.config, distributed=DistributedConfig(**settings))),
            registry,
            environ,
        )
        (what,) = done
        return str(what)

    return decide


SRUN = {
    "SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0", "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_STEP_NODELIST": "n[1-2]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "settings", "what"),
    [
        ({}, {}, "train here"),
        ({}, {"workers": 2}, "agent"),
        ({}, {"nodes": 2, "rendezvous": "n1:29400"}, "agent"),
        ({}, {"workers": 2, "launcher": Selection("launcher", "made", PartConfig())}, "launcher"),
        (of_job(4), {}, "train here"),
        (of_job(4), {"launcher": Selection("launcher", "made", PartConfig())}, "train here"),
        (of_job(1, RANK="0"), {"workers": 2}, "agent"),
        (SRUN, {}, "train here"),
        (SRUN, {"nodes": 2, "rendezvous": "n1:29400"}, "agent"),
    ],
)
def test_one_command_finds_out_which_processes_it_takes(decided, environ, settings, what) -> None:
    """A job is joined; with a rendezvous, srun starts the agents; a launcher or the agent starts workers."""
    assert decided(environ, **settings) == what


def test_joining_is_told_by_the_main_worker(decided, capsys) -> None:
    """In one line."""
    decided(of_job(4, RANK="0", TORCHELASTIC_RUN_ID="x"))
    decided(of_job(4))

    assert capsys.readouterr().err == "seqtrain: Joining the job that torchrun started: worker 0 of 4\n"


def test_hosts_that_meet_have_to_be_several(decided) -> None:
    """Or each would train by itself."""
    with pytest.raises(ConfigError, match=r"distributed\.rendezvous=n1:29400 .*--nodes"):
        decided({}, rendezvous="n1:29400")


@pytest.mark.parametrize(
    ("environ", "settings", "kind", "said"),
    [
        (of_job(4), {"workers": 2}, ConfigError, r"a launcher started 4 workers, but .* say 2"),
        ({}, {"workers": 2}, UsageError, r"one of 2 .* RANK, WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, {}, UsageError, r"RANK is not set"),
    ],
)
def test_a_worker_refuses_what_contradicts_its_job(registry, request_of, environ, settings, kind, said) -> None:
    """Before it joins anybody."""
    request = request_of(*(f"distributed.{name}={value}" for name, value in settings.items()))

    with pytest.raises(kind, match=said):
        launch.distributed_main(request, registry, environ)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("config", 3), ("run_dir", None), ("fresh", 1), ("accept_changes", "yes"), ("command", "seqtrain"),
        ("command", [1]), ("verbose", None), ("plugins", []), ("plugins", {"a": "x"}), ("plugins", {"a": [1]}),
        ("plugin_filters", {"a": None}),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused(registry, request_of, field, value) -> None:
    """JSON knows nothing of annotations."""
    fields = json.loads(WorkerSpec.of(request_of(), registry).command_line()[-1])

    with pytest.raises(UsageError, match="not what `seqtrain train` tells a worker"):
        WorkerSpec.read(json.dumps({**fields, field: value}))


def test_a_launcher_that_cannot_be_made_is_named(registry, request_of) -> None:
    """Its own error is in the message."""
    request = request_of("distributed.launcher.name=made", "distributed.launcher.text=fail")

    with pytest.raises(
        PluginError, match=r"launcher 'made' of plugin 'acme' .* cannot be built: OSError: no such queue"
    ):
        launch.call_main(request, registry, {})


@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_raises_while_a_launcher_waits(number: signal.Signals, code: int) -> None:
    """So that it can clean up, which no hang-up disturbs; afterwards the signal means what it did."""
    before = signal.getsignal(number)

    with pytest.raises(SystemExit) as stop, raise_on_sigterm():
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGHUP)

    assert stop.value.code == code
    assert signal.getsignal(number) == before


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raise_on_sigterm():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    """Python takes signals there alone."""
    done = []

    def run() -> None:
        with raise_on_sigterm():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert done == [signal.getsignal(signal.SIGTERM)]


def test_a_usage_error_tells_where_workers_come_from() -> None:
    """From the setting that chooses a launcher."""
    with pytest.raises(UsageError, match=r"distributed\.launcher"):
        WorkerSpec.read("{")
