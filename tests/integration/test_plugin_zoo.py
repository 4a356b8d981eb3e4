"""
A zoo of bad plugins, installed beside the good ones: none of them harms anybody but the run that uses it.

Every command runs in a process of its own, with a folder on its path in which the plugins lie as pip leaves them.
"""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from fake_distributions import GROUP, write_distribution

pytestmark = pytest.mark.slow

OFFER = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind={kind!r}, name={name!r}, ref="{module}_code:make", summary="Lives in the zoo")
"""
YIELD = "from seqtrain.plugin import Component, hookimpl\n@hookimpl\ndef seqtrain_components():\n"


def offer(module: str, name: str, kind: str = "criterion") -> str:
    """Return a plugin's module with one component, whose code is in MODULE_code."""
    return OFFER.format(kind=kind, name=name, module=module)


def record(name: str, ref: str = "zoo_good_code:make", more: str = "") -> str:
    """Return a line that yields a criterion."""
    return f"    yield Component(kind='criterion', name={name!r}, ref={ref!r}{more})\n"


@dataclass(frozen=True)
class Animal:
    """
    A plugin of the zoo, and what `seqtrain plugins list` should make of it.

    Args:
        plugin: the code of its module.
        state: the state it should be in.
        note, remedy: what these should contain; of the bad record where the plugin itself is well.
        code: of what its component points at, where there is such a module.
        distribution, group, requires: what its metadata says, where that is not as usual.
        entry_point: what it registers, likewise.
    """

    plugin: str
    state: str
    note: str = ""
    remedy: str = ""
    code: str | None = None
    distribution: str | None = None
    group: str = GROUP
    requires: tuple[str, ...] = ()
    entry_point: str | None = None


UPGRADE = "`pip install --upgrade zoo-{}`, or remove it: `pip uninstall zoo-{}`"
TRACEBACK = "`seqtrain plugins show {}` prints the traceback. Try `pip install --force-reinstall zoo-{}`"

ANIMALS = {
    "good": Animal(
        offer("zoo_good", "ok_loss"), "ok",
        code="""
        from torch.nn.functional import cross_entropy

        class make:
            def __init__(self, config, *, spec):
                self.padding = spec.padding

            def __call__(self, model, sample):
                logits = model(**sample.net_input).flatten(0, 1)
                loss = cross_entropy(logits, sample.target.flatten(), ignore_index=self.padding, reduction="sum")
                return loss, sample.num_targets, {"loss": loss.detach(), "num_targets": sample.num_targets}
        """,
    ),
    # What can be told without importing.
    "old_api": Animal("raise SystemExit", "incompatible", "made for plugin API 0; this seqtrain speaks 1",
                      "`pip install --upgrade seqtrain zoo-old_api`", group="seqtrain.plugins.v0"),
    "needs_more": Animal("raise SystemExit", "incompatible", "needs seqtrain>=99; installed is ",
                         "`pip install --upgrade zoo-needs_more` or `pip install 'seqtrain>=99'`", requires=("seqtrain>=99",)),
    "twin": Animal("raise SystemExit", "conflict", "its id is taken by plugin 'twin' (zoo-a-twin 1.0)",
                   "`pip uninstall zoo-a-twin` or `pip uninstall zoo-twin`"),
    "slash/ed": Animal("", "broken", "its id 'slash/ed' is not made of letters", UPGRADE.format("slash", "slash"), distribution="zoo-slash"),
    "no_module": Animal("", "broken", "its entry point is 'zoo/no_module.py', not of the form 'package.module'", UPGRADE.format("no_module", "no_module"),
                        entry_point="zoo/no_module.py"),
    # What fails when it is imported.
    "import_error": Animal("import no_such_module_at_all", "broken", "ModuleNotFoundError: No module named 'no_such_module_at_all'", TRACEBACK.format("import_error", "import_error")),
    "exits": Animal("print('bye')\nimport sys\nsys.exit('no licence found')", "broken", "SystemExit: no licence found", TRACEBACK.format("exits", "exits")),
    "recursive": Animal("def f():\n    f()\nf()", "broken", "RecursionError: maximum recursion depth exceeded", TRACEBACK.format("recursive", "recursive")),
    "speechless": Animal("class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E", "broken", "zoo_speechless.E: <", TRACEBACK.format("speechless", "speechless")),
    "syntax": Animal("def oops(:", "broken", "SyntaxError: invalid syntax", TRACEBACK.format("syntax", "syntax")),
    "half_way": Animal(YIELD + record("half") + "    raise OSError('the second is on another disk')\n", "broken", "OSError: the second is on another disk", TRACEBACK.format("half_way", "half_way")),
    # What its author has got wrong.
    "unknown_hook": Animal("from seqtrain.plugin import hookimpl\n@hookimpl\ndef seqtrain_componets():\n    return []", "broken",
                           "'seqtrain_componets', and there is no such hook. Did you mean 'seqtrain_components'?", UPGRADE.format("unknown_hook", "unknown_hook")),
    "wrong_argument": Animal("from seqtrain.plugin import hookimpl\n@hookimpl\ndef seqtrain_components(registry):\n    return []", "broken",
                             "seqtrain_components with the argument 'registry', which that hook does not have", UPGRADE.format("wrong_argument", "wrong_argument")),
    "misplaced": Animal("from seqtrain.plugin import hookimpl\n@hookimpl\ndef seqtrain_step_end(trainer):\n    pass", "broken",
                        "seqtrain_step_end is called on the instances of a run, never on a plugin's module", UPGRADE.format("misplaced", "misplaced")),
    "forgot_yield": Animal(YIELD + "    Component(kind='model', name='m', ref='a:B')", "broken", "gave None, not components; perhaps a `yield` is missing", UPGRADE.format("forgot_yield", "forgot_yield")),
    "no_component": Animal(YIELD + "    yield 'transformer'\n", "broken", "gave 'transformer', which is not a Component", UPGRADE.format("no_component", "no_component")),
    "bad_name": Animal(YIELD + record("Big Loss"), "broken", "criterion/Big Loss: a name is lower-case letters", UPGRADE.format("bad_name", "bad_name")),
    # One bad record beside a good one.
    "malformed_ref": Animal(YIELD + record("fine") + record("crooked", "zoo.code.Loss"), "ok", "criterion/crooked: ref is 'zoo.code.Loss', not of the form 'package.module:Name'", UPGRADE.format("malformed_ref", "malformed_ref")),
    "stutters": Animal(YIELD + record("once") + record("echo") + record("echo"), "ok", "criterion/echo is offered twice", UPGRADE.format("stutters", "stutters")),
    "bad_types": Animal(YIELD + record("typed") + record("untyped", more=", for_tasks='lm'"), "ok", "criterion/untyped: for_tasks is 'lm', not a tuple of names", UPGRADE.format("bad_types", "bad_types")),
    # What does things to the process.
    "torch_lover": Animal("import torch\n" + offer("zoo_good", "heavy_loss"), "slow", "imports ", "`seqtrain --no-plugin torch_lover ...`"),
    "vandal": Animal("import os, sys\nos.environ.pop('PATH')\nos.environ['SEQTRAIN_VANDAL'] = '1'\nsys.path.clear()\nos.chdir('/')\n" + offer("zoo_good", "vandal_loss"), "ok",
                     "changes os.environ (PATH, SEQTRAIN_VANDAL) and changes sys.path and changes the working directory", "`seqtrain --no-plugin vandal ...`"),
    "chatty": Animal("import warnings\nprint('hello from a plugin')\nwarnings.warn('old')\nwarnings.simplefilter('error')\n" + offer("zoo_good", "chatty_loss"), "ok"),
    # Two plugins with one short name.
    "rival_a": Animal(offer("zoo_good", "contested"), "ok"),
    "rival_b": Animal(offer("zoo_good", "contested"), "ok"),
    # Takes names that the translation task's recipe uses.
    "greedy": Animal(
        YIELD
        + "    yield Component(kind='model', name='transformer', ref='zoo_good_code:make', summary='Not ours')\n"
        + "    yield Component(kind='lr_scheduler', name='inverse_sqrt', ref='zoo_good_code:make', summary='Not ours')\n",
        "ok",
    ),
    # What shows only when a run uses it.
    "nowhere": Animal(offer("zoo_nowhere_at_all", "nowhere_loss"), "ok"),
    "needs_extra": Animal(offer("zoo_needs_extra", "extra_loss"), "ok", code="import zoo_extra_that_is_not_there\n"),
    "unbuildable": Animal(offer("zoo_unbuildable", "unbuilt_loss"), "ok", code="def make(config):\n    pass\n"),
    "bad_config": Animal(YIELD + record("plain_config", more=", config='zoo_bad_config_code:make'"), "ok", code="def make(): pass\n"),
    "bad_hooks": Animal(offer("zoo_bad_hooks", "hooked", "callback"), "ok", code="""
        from seqtrain.plugin import hookimpl
        class make:
            def __init__(self, config): pass
            @hookimpl
            def seqtrain_step_end(self, trainer, loss): pass
        """),
    "raises": Animal(offer("zoo_raises", "raising", "callback"), "ok", code="""
        from seqtrain.plugin import hookimpl
        class make:
            def __init__(self, config): pass
            @hookimpl
            def seqtrain_step_end(self, trainer):
                raise IndexError("step 1 is out of range")
            @hookimpl
            def seqtrain_run_exception(self, error):
                print("told of:", type(error).__name__)
        """),
    "bad_tracker": Animal(offer("zoo_bad_tracker", "wandering", "tracker"), "ok", code="""
        from seqtrain.plugin import hookimpl
        class make:
            def __init__(self, config, *, folder): pass
            @hookimpl
            def seqtrain_metrics(self, step, metrics):
                raise ConnectionError("the server has gone")
        """),
    "no_tracker": Animal(offer("zoo_no_tracker", "unstarted", "tracker"), "ok", code="""
        def make(config, *, folder):
            raise ConnectionError("no server")
        """),
}  # fmt: skip


def install(folder: Path, plugin_id: str, animal: Animal) -> None:
    """Lay a plugin into the folder as pip does."""
    distribution = animal.distribution or f"zoo-{plugin_id}"
    module = distribution.replace("-", "_")
    entry_point = (plugin_id, animal.entry_point or module)
    write_distribution(folder, distribution, entry_point, group=animal.group, requires=animal.requires)
    (folder / f"{module}.py").write_text(animal.plugin)
    if animal.code is not None:
        (folder / f"{module}_code.py").write_text(textwrap.dedent(animal.code))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, cli_process):
    """Run command lines where all of the zoo is installed; keywords are variables of the environment."""
    folder = tmp_path_factory.mktemp("zoo")
    for plugin_id, animal in ANIMALS.items():
        install(folder, plugin_id, animal)
    install(folder, "twin", Animal(offer("zoo_good", "twin_loss"), "ok", distribution="zoo-a-twin"))

    def run(*arguments: object, **variables: str) -> SimpleNamespace:
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        process = cli_process(*arguments, env={**os.environ, "PYTHONPATH": path, **variables})
        out, err = process.communicate(timeout=300)
        return SimpleNamespace(code=process.returncode, out=out.decode(), err=err.decode())

    return run


@pytest.fixture
def train(zoo, workshop):
    """Train for some steps in the zoo: `train("callbacks.raising={}")`."""

    def run(*words: str, before: tuple[str, ...] = (), **variables: str) -> SimpleNamespace:
        # torch is imported by a plugin while it is listed, which takes longer than all the rest of a run that fails.
        settings = workshop.settings(trainer__max_steps=4, checkpoint__save="{steps: 2}")
        return zoo(
            *before, "train", *settings, *words, "--run-dir", workshop.run,
            SEQTRAIN_DISABLE_PLUGINS="torch_lover", **variables,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def listed(zoo):
    """What `plugins list --json` says, by distribution."""
    outcome = zoo("plugins", "list", "--json")
    assert outcome.code == 0, outcome.err
    return {each["distribution"]: each for each in json.loads(outcome.out)["plugins"]}


@pytest.mark.parametrize(("plugin_id", "animal"), ANIMALS.items(), ids=ANIMALS)
def test_each_is_listed_with_its_state_and_what_to_type(listed, plugin_id, animal):
    """Whatever it does, and none of them ends the command."""
    found = listed[animal.distribution or f"zoo-{plugin_id}"]

    remarks = "\n".join([found["note"], *(each["note"] for each in found["bad_records"])])
    assert found["state"] == animal.state
    assert (animal.note in remarks) if animal.note else (remarks == "")
    assert found["traceback"].startswith("Traceback") or "prints the traceback" not in animal.remedy
    if found["note"]:
        assert animal.remedy in found["remedy"]


def test_the_table_has_a_line_for_everything_that_is_wrong(zoo):
    """With what to type; the plugins that are well have none, and the ambiguous name is told."""
    outcome = zoo("plugins", "list")

    remarks = [line for line in outcome.out.splitlines() if line.startswith("! ")]
    assert (outcome.code, "Traceback" in outcome.err) == (0, False)
    for plugin_id, animal in ANIMALS.items():
        found = [line for line in remarks if line.startswith(f"! {plugin_id}: ") and animal.note in line]
        assert [animal.remedy in line for line in found] == ([True] if animal.note else []), plugin_id
    for kind, name, one, other in AMBIGUOUS:
        assert f"! 2 plugins offer a {kind} '{name}': write '{one}/{name}' or '{other}/{name}'." in remarks
    assert len(remarks) == sum(1 for animal in ANIMALS.values() if animal.note) + len(AMBIGUOUS)


def test_a_distribution_whose_metadata_cannot_be_read_is_listed(tmp_path, cli_process):
    """In an environment of its own: torch reads everybody's entry points, so it cannot be imported beside this one."""
    install(tmp_path, "k\u00e4fer", Animal("", "broken", distribution="zoo-beetle"))
    entry_points = tmp_path / "zoo_beetle-1.0.dist-info" / "entry_points.txt"
    entry_points.write_bytes(entry_points.read_text().encode("latin-1"))

    process = cli_process(
        "plugins",
        "list",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )
    out, _ = process.communicate(timeout=300)

    assert process.returncode == 0
    assert b"! zoo-beetle: its entry_points.txt cannot be read: 'utf-8' codec can't decode" in out
    assert b"Reinstall it: `pip install --force-reinstall zoo-beetle`." in out


def test_a_plugin_that_kills_the_process_can_be_found_and_left_out(tmp_path, cli_process):
    """It is listed in a process of its own, so that it ends nothing but that."""
    install(tmp_path, "killer", Animal("import os\nos._exit(7)", "broken"))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ends = []

    for options in ([], ["--no-plugins"], ["--no-plugin", "killer"]):
        process = cli_process(*options, "plugins", "list", env={**os.environ, "PYTHONPATH": path})
        out, _ = process.communicate(timeout=300)
        ends.append((process.returncode, b"! killer: switched off by --no-plugin" in out, b"exit code 7" in out))

    assert ends == [(0, False, True), (0, True, False), (0, True, False)]


@pytest.mark.parametrize("criterion", ["cross_entropy", "fine", "rival_b/contested"])
def test_everything_else_goes_on_working(zoo, workshop, criterion):
    """A run on first-party parts, and runs with the good components of good and of odd plugins."""
    outcome = zoo(
        "train", *workshop.settings(trainer__max_steps=2), "--criterion", criterion, "--run-dir", workshop.run
    )

    environment = json.loads((workshop.run / "environment.json").read_text())
    assert outcome.code == 0, outcome.err
    assert workshop.checkpoints() == ["step-00000002"]
    assert environment["plugins"]["good"] == {"distribution": "zoo-good", "version": "1.0"}
    assert "exits" not in environment["plugins"]


AMBIGUOUS = (
    ("criterion", "contested", "rival_a", "rival_b"),
    ("model", "transformer", "transformer", "greedy"),
    ("lr_scheduler", "inverse_sqrt", "optim", "greedy"),
)
USES_A_BAD_ONE = {
    # What is found out before torch is imported: words of the command line -> what the error says.
    "old_api/x": ("old_api", "incompatible: made for plugin API 0"),
    "needs_more/x": ("needs_more", "incompatible: needs seqtrain>=99"),
    "twin/other": ("twin", "in conflict: its id is taken by plugin 'twin' (zoo-a-twin 1.0)"),
    "import_error/x": ("import_error", "No module named 'no_such_module_at_all'"),
    "import_error": ("import_error", "No module named 'no_such_module_at_all'"),
    "exits/x": ("exits", "SystemExit: no licence found"),
    "half": ("half_way", "the second is on another disk"),
    "unknown_hook/x": ("unknown_hook", "Did you mean 'seqtrain_components'?"),
    "wrong_argument/x": ("wrong_argument", "the argument 'registry'"),
    "crooked": ("malformed_ref", "ref is 'zoo.code.Loss'"),
    "stutters/echo": ("stutters", "criterion/echo is offered twice"),
    "contested": ("rival_a", "write 'rival_a/contested' or 'rival_b/contested'"),
    "plain_config": ("bad_config", "its config zoo_bad_config_code:make is not a dataclass"),
    # What is found out when it is built.
    "nowhere_loss": ("nowhere", "No module named 'zoo_nowhere_at_all_code'. Reinstall it with"),
    "extra_loss": ("needs_extra", "Install what brings the module 'zoo_extra_that_is_not_there', which it needs"),
    "unbuilt_loss": ("unbuildable", "cannot be built: TypeError: make() got an unexpected keyword argument 'spec'"),
}


@pytest.mark.parametrize(("name", "said"), USES_A_BAD_ONE.items(), ids=USES_A_BAD_ONE)
def test_a_run_that_uses_a_bad_one_fails_before_the_first_step(train, workshop, name, said):
    """With that plugin's own error, and without a traceback."""
    outcome = train("--criterion", name)

    plugin_id, error = said
    assert outcome.code == 4, outcome.err
    assert plugin_id in outcome.err
    assert error in outcome.err
    assert "Traceback" not in outcome.err
    assert not (workshop.run / "metrics.jsonl").exists()
    assert not workshop.run.exists() or workshop.checkpoints() == []


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("callbacks.hooked={}", "callbacks.hooked of plugin 'bad_hooks' (zoo-bad_hooks 1.0) implements seqtrain_step_end with the argument 'loss'"),
        ("trackers.unstarted={}", "tracker 'unstarted' of plugin 'no_tracker' (zoo-no_tracker 1.0) cannot be built: ConnectionError: no server"),
    ],
)  # fmt: skip
def test_a_callback_or_tracker_that_cannot_be_used_fails_the_run_before_the_first_step(train, workshop, word, said):
    """Hours later would be too late."""
    outcome = train(word)

    assert outcome.code == 4, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert not (workshop.run / "metrics.jsonl").exists()


@pytest.mark.fault("F27")
def test_a_hook_that_fails_ends_the_run_with_its_owners_name(train):
    """Plugin, distribution, version and hook; those who clean up are told, and `-v` shows the plugin's own line."""
    outcome = train("callbacks.raising={}", before=("-v",))

    assert outcome.code == 4, outcome.err
    assert (
        "error: callbacks.raising of plugin 'raises' (zoo-raises 1.0) failed in seqtrain_step_end: "
        "IndexError: step 1 is out of range."
    ) in outcome.err
    assert "told of: PluginError" in outcome.out
    assert "zoo_raises_code.py" in outcome.err
    assert 'raise IndexError("step 1 is out of range")' in outcome.err


@pytest.mark.fault("F26")
def test_a_failing_tracker_is_dropped_and_the_run_goes_on(train, workshop):
    """After three errors, with one warning; the metrics are in metrics.jsonl all the same."""
    outcome = train("trackers.wandering={}", "logging.every={steps: 1}")

    warnings = [line for line in outcome.err.splitlines() if "WARNING" in line or "is no longer called" in line]
    assert outcome.code == 0, outcome.err
    assert len(warnings) == 1, outcome.err
    assert "trackers.wandering of plugin 'bad_tracker' (zoo-bad_tracker 1.0) failed in seqtrain_metrics" in warnings[0]
    assert "ConnectionError: the server has gone" in warnings[0]
    assert [line["step"] for line in workshop.metrics() if line["split"] == "train"] == [1, 2, 3, 4]
