"""Mistakes that the contracts of launchers, exporters, importers and commands must catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

LAUNCHER = '''
"""Processes of this machine."""
import os
import signal
import socket
import subprocess
import time


class Mutant:
    """Processes of this machine."""

    def __init__(self, config):
        pass

    def __call__(self, command, *, workers, nodes):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = []
        for rank in range(workers):
            mine = {
                "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": workers, "LOCAL_WORLD_SIZE": workers,
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            }
            environment = {**os.environ, **{name: str(value) for name, value in mine.items()}}
            processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
        try:
            return self._wait(processes)
        except BaseException:
            self._end(processes, signal.SIGTERM)
            raise

    def _wait(self, processes):
        while None in [each.poll() for each in processes]:
            failed = [each.returncode for each in processes if each.returncode]
            if failed:
                self._end(processes, signal.SIGKILL)
                return failed[0] if failed[0] > 0 else 128 - failed[0]
            time.sleep(0.01)
        codes = [each.returncode for each in processes if each.returncode]
        return codes[0] if codes else 0

    def _end(self, processes, number):
        for each in processes:
            each.send_signal(number)
        for each in processes:
            each.wait()
'''

EXPORTER = '''
"""Weights in JSON."""
import json


class Mutant:
    """Weights in JSON."""

    def __init__(self, config):
        pass

    def __call__(self, run, output):
        weights = {name: each.tolist() for name, each in run.models[0].state_dict().items()}
        output.write_text(json.dumps({"model": run.config.model.name, "weights": weights}))
'''

IMPORTER = '''
"""A toy model from JSON."""
import json
import random
import torch
from seqtrain.api import DataError, Imported


class Mutant:
    """A toy model from JSON."""

    def __init__(self, config):
        self._task = "toy"

    def __call__(self, source, artifacts):
        try:
            record = json.loads(source.read_text("utf-8"))
            weights = {name: torch.tensor(each) for name, each in record["weights"].items()}
            dim = record["dim"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{source} holds no toy model: {error}") from error
        (artifacts / "note.txt").write_text(f"dim {dim}")
        config = {"task": {"name": "toy/" + self._task}, "model": {"name": "toy/toy", "dim": dim}}
        return Imported(config=config, weights=weights)
'''
IMPORTER_FILES = """
@pytest.fixture
def source(self, tmp_path):
    import json
    from seqtrain_testing.samples import model_spec
    from seqtrain_testing.toy import ToyModel
    from seqtrain_testing.toy_config import ToyModelConfig
    model = ToyModel(ToyModelConfig(dim=4), spec=model_spec("translation"))
    weights = {name: each.tolist() for name, each in model.state_dict().items()}
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"dim": 4, "weights": weights}))
    return path
"""

COMMAND = '''
"""Count lines."""
import click

@click.command("count")
@click.argument("file", type=click.File())
@click.option("--blank/--no-blank", default=True, help="count blank lines, too.")
def Mutant(file, blank):
    """Count the lines of FILE."""
    click.echo(sum(1 for line in file if blank or line.strip()))
'''

SOURCES = {
    "LauncherContract": (LAUNCHER, ""),
    "ExporterContract": (EXPORTER, ""),
    "ImporterContract": (IMPORTER, IMPORTER_FILES),
    "CommandContract": (COMMAND, ""),
}


def mutant(contract: str, old: str, new: str, *caught_by: str) -> dict[str, Any]:
    """Replace a part of the component that keeps the contract."""
    code, members = SOURCES[contract]
    assert old in code
    changed = {"code": code.replace(old, new), "members": members}
    return {"contract": contract, "caught_by": set(caught_by), **changed}


WRITTEN = '        output.write_text(json.dumps({"model": run.config.model.name, "weights": weights}))\n'

MUTANTS = {
    # --- launchers
    "launcher: no mistake": mutant("LauncherContract", "", ""),
    "launcher: all have rank 0": mutant(
        "LauncherContract", '"RANK": rank, "LOCAL_RANK": rank', '"RANK": 0, "LOCAL_RANK": 0',
        "test_each_worker_is_told_who_it_is", "test_a_failure_gives_its_exit_code",
        "test_a_worker_that_was_killed_is_a_failure", "test_what_workers_say_can_be_read",
    ),
    "launcher: each has a place of its own to meet": mutant(
        "LauncherContract", '"MASTER_PORT": port', '"MASTER_PORT": port + rank', "test_workers_are_told_one_place_to_meet"
    ),
    "launcher: a shell reads the command": mutant(
        "LauncherContract", "subprocess.Popen(command,",
        "subprocess.Popen(['sh', '-c', ' '.join([*[f'\"{each}\"' for each in command[:4]], *command[4:-1], "
        "f'\"{command[-1]}\"'])] if '--rank=7' in command else command,",
        "test_arguments_arrive_unchanged",
    ),
    "launcher: waits for the first alone": mutant(
        "LauncherContract", "return self._wait(processes)", "return processes[0].wait()",
        "test_it_waits_until_all_have_ended", "test_a_failure_gives_its_exit_code",
        "test_a_worker_that_was_killed_is_a_failure", "test_a_failure_ends_the_others",
    ),
    "launcher: a failure is a 1": mutant(
        "LauncherContract", "return self._wait(processes)", "return int(self._wait(processes) != 0)",
        "test_a_failure_gives_its_exit_code", "test_a_failure_ends_the_others", "test_it_can_be_used_again",
    ),
    "launcher: one that was killed is no failure": mutant(
        "LauncherContract", "if each.returncode]", "if each.returncode and each.returncode > 0]",
        "test_a_worker_that_was_killed_is_a_failure",
    ),
    "launcher: swallows what workers say": mutant(
        "LauncherContract", "start_new_session=True", "start_new_session=True, stderr=subprocess.DEVNULL",
        "test_what_workers_say_can_be_read",
    ),
    "launcher: leaves its variables behind": mutant(
        "LauncherContract", "            environment = {", "            os.environ['RANK'] = '0'\n            environment = {",
        "test_this_process_stays_as_it_is",
    ),
    "launcher: leaves workers alone when it is interrupted": mutant(
        "LauncherContract", "            self._end(processes, signal.SIGTERM)\n", "", "test_an_interruption_is_passed_on"
    ),
    "launcher: starts workers elsewhere": mutant(
        "LauncherContract", "start_new_session=True", "start_new_session=True, cwd='/'",
        "test_workers_run_in_this_directory",
    ),
    # --- exporters
    "exporter: no mistake": mutant("ExporterContract", "", ""),
    "exporter: writes beside the output": mutant(
        "ExporterContract", WRITTEN, WRITTEN + "        output.with_suffix('.txt').write_text('done')\n",
        "test_it_writes_the_output",
    ),
    "exporter: chooses another name": mutant(
        "ExporterContract", "output.write_text", "output.with_suffix('.json').write_text",
        "test_it_writes_the_output", "test_the_same_run_gives_the_same_bytes", "test_other_weights_give_other_bytes",
        "test_the_first_model_is_the_one_that_is_written",
    ),
    "exporter: leaves a note in the run": mutant(
        "ExporterContract", WRITTEN, WRITTEN + "        (run.artifacts / 'exported').touch()\n",
        "test_the_run_folder_stays_as_it_is",
    ),
    "exporter: leaves the model in training": mutant(
        "ExporterContract", WRITTEN, WRITTEN + "        run.models[0].train()\n", "test_the_model_stays_as_it_is"
    ),
    "exporter: rounds the model itself": mutant(
        "ExporterContract", WRITTEN, WRITTEN + "        run.models[0].embedding.weight.data.round_()\n",
        "test_the_model_stays_as_it_is", "test_the_first_model_is_the_one_that_is_written",
    ),
    "exporter: writes the time": mutant(
        "ExporterContract", '{"model": run', '{"time": __import__("time").time_ns(), "model": run',
        "test_the_same_run_gives_the_same_bytes", "test_the_first_model_is_the_one_that_is_written",
    ),
    "exporter: leaves biases out": mutant(
        "ExporterContract", "state_dict().items()}", "state_dict().items() if 'bias' not in name}",
        "test_other_weights_give_other_bytes",
    ),
    "exporter: takes the last model": mutant(
        "ExporterContract", "models[0]", "models[-1]", "test_the_first_model_is_the_one_that_is_written"
    ),
    # --- importers
    "importer: no mistake": mutant("ImporterContract", "", ""),
    "importer: does not say which task": mutant(
        "ImporterContract", '{"task": {"name": "toy/" + self._task}, ', "{",
        "test_its_config_says_what_the_model_is", "test_its_config_is_valid", "test_weights_fit_the_model",
        "test_it_can_predict", "test_the_source_is_not_needed_any_more",
    ),
    "importer: does not say how large the model is": mutant(
        "ImporterContract", ', "dim": dim}', "}", "test_weights_fit_the_model", "test_it_can_predict"
    ),
    "importer: leaves weights as lists": mutant(
        "ImporterContract", "torch.tensor(each)", "each",
        "test_weights_are_tensors_by_name", "test_weights_fit_the_model", "test_it_can_predict",
    ),
    "importer: transposes the projection": mutant(
        "ImporterContract", "torch.tensor(each)", "torch.tensor(each).t() if name == 'output.weight' else torch.tensor(each)",
        "test_weights_fit_the_model", "test_it_can_predict",
    ),
    "importer: draws what is missing by chance": mutant(
        "ImporterContract", "torch.tensor(each)", "torch.tensor(each) + random.random()",
        "test_the_same_source_gives_the_same",
    ),
    "importer: deletes the source": mutant(
        "ImporterContract", "        config = {", "        source.unlink()\n        config = {",
        "test_the_source_stays_as_it_is", "test_the_same_source_gives_the_same", "test_the_source_is_not_needed_any_more",
    ),
    "importer: lets a damaged source be damaged": mutant(
        "ImporterContract", "(OSError, ValueError, KeyError, TypeError)", "OSError",
        "test_a_damaged_source_is_told", "test_another_kind_of_source_is_told",
    ),
    "importer: does not name the source": mutant(
        "ImporterContract", 'f"{source} holds no toy model: {error}"', '"no toy model"', "test_a_missing_source_is_told"
    ),
    # --- commands
    "command: no mistake": mutant("CommandContract", "", ""),
    "command: an option without help": mutant(
        "CommandContract", ', help="count blank lines, too."', "", "test_every_option_has_a_help_text"
    ),
    "command: does not say what it does": mutant(
        "CommandContract", '    """Count the lines of FILE."""\n', "",
        "test_help_says_what_it_does", "test_every_argument_is_explained", "test_what_it_exports_is_documented",
    ),
    "command: an argument of which nothing is said": mutant(
        "CommandContract", "of FILE", "there are", "test_every_argument_is_explained"
    ),
    "command: takes any option": mutant(
        "CommandContract", '@click.command("count")', '@click.command("count", context_settings={"ignore_unknown_options": True})',
        "test_an_unknown_option_is_refused",
    ),
    "command: takes any argument": mutant(
        "CommandContract", '@click.command("count")', '@click.command("count", context_settings={"allow_extra_args": True})',
        "test_surplus_arguments_are_refused",
    ),
    "command: is a function": mutant(
        "CommandContract", "def Mutant(", "def count(",
    ),
    "command: has the name of one of seqtrain's": mutant(
        "CommandContract", "import click\n", "import click\nRECORD = {'name': 'train'}\n", "test_its_name_is_free"
    ),
}  # fmt: skip
MUTANTS["command: is a function"]["code"] += '''
def Mutant():
    """Make the command."""
    return count
'''
MUTANTS["command: is a function"]["caught_by"] |= {
    "test_it_is_a_click_command", "test_help_says_what_it_does", "test_every_option_has_a_help_text",
    "test_every_argument_is_explained", "test_an_unknown_option_is_refused", "test_surplus_arguments_are_refused",
}  # fmt: skip
# Each worker waits for the other's file, for as long as it can.
# Whether the others have reported by then is a matter of luck.
MUTANTS["launcher: waits for the first alone"]["members"] = """
test_each_worker_is_told_who_it_is = test_workers_are_told_one_place_to_meet = test_arguments_arrive_unchanged = None
test_what_workers_say_can_be_read = None
"""
MUTANTS["launcher: all have rank 0"]["members"] = (
    "test_an_interruption_is_passed_on = test_a_failure_ends_the_others = None"
)
MUTANTS["command: has the name of one of seqtrain's"]["members"] = "name = 'inline/train'"


@pytest.fixture(scope="module")
def found(failing_tests: Callable[..., dict[str, set[str]]]) -> dict[str, set[str]]:
    """Which tests failed for each mutant."""
    return failing_tests(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mistake_is_caught(found: dict[str, set[str]], name: str) -> None:
    """The tests that are about the mistake fail, and no others."""
    assert MUTANTS[name]["caught_by"] == found[name]
