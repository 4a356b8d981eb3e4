"""Launchers, exporters, importers and commands: one of each without a mistake, and others that differ in one respect."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import torch

from mutants.mutant import Mutants
from seqtrain.api import DataError, Imported
from seqtrain_testing.contracts import CommandContract, ExporterContract, ImporterContract, LauncherContract
from seqtrain_testing.samples import model_spec
from seqtrain_testing.toy import ToyModel
from seqtrain_testing.toy_config import ToyModelConfig

launchers = Mutants(LauncherContract)


@launchers.caught_by()
class LocalProcesses:
    """Processes of this machine."""

    options: Mapping[str, Any] = {"start_new_session": True}

    def __init__(self, config: object) -> None:
        pass

    def __call__(self, command: Sequence[str], *, workers: int, nodes: int) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = []
        for rank in range(workers):
            mine = {name: str(value) for name, value in self._place(rank, workers, port).items()}
            processes.append(self._start(command, {**os.environ, **mine}))
        try:
            return self._wait(processes)
        except BaseException:
            self._interrupt(processes)
            raise

    def _place(self, rank: int, workers: int, port: int) -> dict[str, Any]:
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": workers, "LOCAL_WORLD_SIZE": workers}
        return {**ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environment, **self.options)

    def _wait(self, processes: list[subprocess.Popen[bytes]]) -> int:
        while None in [each.poll() for each in processes]:
            if failed := self._failures(processes):
                self._end(processes, signal.SIGKILL)
                return failed[0] if failed[0] > 0 else 128 - failed[0]
            time.sleep(0.01)
        return (self._failures(processes) or [0])[0]

    def _failures(self, processes: list[subprocess.Popen[bytes]]) -> list[int]:
        return [each.returncode for each in processes if each.returncode]

    def _interrupt(self, processes: list[subprocess.Popen[bytes]]) -> None:
        self._end(processes, signal.SIGTERM)

    def _end(self, processes: list[subprocess.Popen[bytes]], number: int) -> None:
        for each in processes:
            each.send_signal(number)
        for each in processes:
            each.wait()


# Each worker waits for the other's file, for as long as it can: with one rank for both, that is as long as a test.
@launchers.caught_by(
    "test_each_worker_is_told_who_it_is",
    "test_a_failure_gives_its_exit_code",
    "test_a_worker_that_was_killed_is_a_failure",
    "test_what_workers_say_can_be_read",
    test_an_interruption_is_passed_on=None,
    test_a_failure_ends_the_others=None,
)
class AllHaveRank0(LocalProcesses):
    """Nobody is second."""

    def _place(self, rank: int, workers: int, port: int) -> dict[str, Any]:
        return super()._place(0, workers, port)


@launchers.caught_by("test_workers_are_told_one_place_to_meet")
class EachHasAPlaceOfItsOwnToMeet(LocalProcesses):
    """Ports differ."""

    def _place(self, rank: int, workers: int, port: int) -> dict[str, Any]:
        return super()._place(rank, workers, port + rank)


@launchers.caught_by("test_arguments_arrive_unchanged")
class AShellReadsTheCommand(LocalProcesses):
    """With the arguments that are hard to quote, not quoted."""

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        if "--rank=7" in command:
            words = [*[f'"{each}"' for each in command[:4]], *command[4:-1], f'"{command[-1]}"']
            command = ["sh", "-c", " ".join(words)]
        return super()._start(command, environment)


# Whether the others have reported by the time that the first has ended is a matter of luck.
@launchers.caught_by(
    "test_it_waits_until_all_have_ended",
    "test_a_failure_gives_its_exit_code",
    "test_a_worker_that_was_killed_is_a_failure",
    "test_a_failure_ends_the_others",
    test_each_worker_is_told_who_it_is=None,
    test_workers_are_told_one_place_to_meet=None,
    test_arguments_arrive_unchanged=None,
    test_what_workers_say_can_be_read=None,
)
class WaitsForTheFirstAlone(LocalProcesses):
    """The others may do as they like."""

    def _wait(self, processes: list[subprocess.Popen[bytes]]) -> int:
        return processes[0].wait()


@launchers.caught_by(
    "test_a_failure_gives_its_exit_code", "test_a_failure_ends_the_others", "test_it_can_be_used_again"
)
class AFailureIsA1(LocalProcesses):
    """Whatever the exit code was."""

    def _wait(self, processes: list[subprocess.Popen[bytes]]) -> int:
        return int(super()._wait(processes) != 0)


@launchers.caught_by("test_a_worker_that_was_killed_is_a_failure")
class OneThatWasKilledIsNoFailure(LocalProcesses):
    """Its exit code is below zero."""

    def _failures(self, processes: list[subprocess.Popen[bytes]]) -> list[int]:
        return [code for code in super()._failures(processes) if code > 0]


@launchers.caught_by("test_what_workers_say_can_be_read")
class SwallowsWhatWorkersSay(LocalProcesses):
    """On stderr."""

    options = {**LocalProcesses.options, "stderr": subprocess.DEVNULL}


@launchers.caught_by("test_this_process_stays_as_it_is")
class LeavesItsVariablesBehind(LocalProcesses):
    """In the environment of whoever starts the workers."""

    def _place(self, rank: int, workers: int, port: int) -> dict[str, Any]:
        os.environ["RANK"] = "0"
        return super()._place(rank, workers, port)


@launchers.caught_by("test_an_interruption_is_passed_on")
class LeavesWorkersAloneWhenItIsInterrupted(LocalProcesses):
    """They go on without it."""

    def _interrupt(self, processes: list[subprocess.Popen[bytes]]) -> None:
        pass


@launchers.caught_by("test_workers_run_in_this_directory")
class StartsWorkersElsewhere(LocalProcesses):
    """In the root."""

    options = {**LocalProcesses.options, "cwd": "/"}


exporters = Mutants(ExporterContract)


@exporters.caught_by()
class JSONWeights:
    """Weights in JSON."""

    def __init__(self, config: object) -> None:
        pass

    def __call__(self, run: Any, output: Path) -> None:
        output.write_text(json.dumps(self._record(run)))

    def _record(self, run: Any) -> dict[str, Any]:
        weights = {name: each.tolist() for name, each in self._model(run).state_dict().items()}
        return {"model": run.config.model.name, "weights": weights}

    def _model(self, run: Any) -> Any:
        return run.models[0]


@exporters.caught_by("test_it_writes_the_output")
class WritesBesideTheOutput(JSONWeights):
    """A file that nobody asked for."""

    def __call__(self, run: Any, output: Path) -> None:
        super().__call__(run, output)
        output.with_suffix(".txt").write_text("done")


@exporters.caught_by(
    "test_it_writes_the_output",
    "test_the_same_run_gives_the_same_bytes",
    "test_other_weights_give_other_bytes",
    "test_the_first_model_is_the_one_that_is_written",
)
class ChoosesAnotherName(JSONWeights):
    """It knows better."""

    def __call__(self, run: Any, output: Path) -> None:
        super().__call__(run, output.with_suffix(".json"))


@exporters.caught_by("test_the_run_folder_stays_as_it_is")
class LeavesANoteInTheRun(JSONWeights):
    """That it was there."""

    def __call__(self, run: Any, output: Path) -> None:
        super().__call__(run, output)
        (run.artifacts / "exported").touch()


@exporters.caught_by("test_the_model_stays_as_it_is")
class LeavesTheModelInTraining(JSONWeights):
    """With dropout."""

    def __call__(self, run: Any, output: Path) -> None:
        super().__call__(run, output)
        run.models[0].train()


@exporters.caught_by("test_the_model_stays_as_it_is", "test_the_first_model_is_the_one_that_is_written")
class RoundsTheModelItself(JSONWeights):
    """Whoever goes on with it has a worse one."""

    def __call__(self, run: Any, output: Path) -> None:
        super().__call__(run, output)
        run.models[0].embedding.weight.data.round_()


@exporters.caught_by("test_the_same_run_gives_the_same_bytes", "test_the_first_model_is_the_one_that_is_written")
class WritesTheTime(JSONWeights):
    """No two files are equal."""

    def _record(self, run: Any) -> dict[str, Any]:
        return {"time": time.time_ns(), **super()._record(run)}


@exporters.caught_by("test_other_weights_give_other_bytes")
class LeavesBiasesOut(JSONWeights):
    """They are small."""

    def _record(self, run: Any) -> dict[str, Any]:
        record = super()._record(run)
        return {**record, "weights": {name: each for name, each in record["weights"].items() if "bias" not in name}}


@exporters.caught_by("test_the_first_model_is_the_one_that_is_written")
class TakesTheLastModel(JSONWeights):
    """Of several."""

    def _model(self, run: Any) -> Any:
        return run.models[-1]


class ToyImporterContract(ImporterContract):
    """What these importers read."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """A toy model in JSON."""
        model = ToyModel(ToyModelConfig(dim=4), spec=model_spec("translation"))
        weights = {name: each.tolist() for name, each in model.state_dict().items()}
        path = tmp_path / "model.json"
        path.write_text(json.dumps({"dim": 4, "weights": weights}))
        return path


importers = Mutants(ToyImporterContract)


@importers.caught_by()
class ToyFromJSON:
    """A toy model from JSON."""

    damage: tuple[type[Exception], ...] = (OSError, ValueError, KeyError, TypeError)

    def __init__(self, config: object) -> None:
        pass

    def __call__(self, source: Path, artifacts: Path) -> Imported:
        try:
            record = json.loads(source.read_text("utf-8"))
            weights = {name: self._tensor(name, each) for name, each in record["weights"].items()}
            dim = record["dim"]
        except self.damage as error:
            raise DataError(self._complaint(source, error)) from error
        (artifacts / "note.txt").write_text(f"dim {dim}")
        return Imported(config=self._config(dim), weights=weights)

    def _tensor(self, name: str, values: Any) -> Any:
        return torch.tensor(values)

    def _complaint(self, source: Path, error: Exception) -> str:
        return f"{source} holds no toy model: {error}"

    def _config(self, dim: int) -> dict[str, Any]:
        return {"task": {"name": "toy/toy"}, "model": {"name": "toy/toy", "dim": dim}}


@importers.caught_by(
    "test_its_config_says_what_the_model_is",
    "test_its_config_is_valid",
    "test_weights_fit_the_model",
    "test_it_can_predict",
    "test_the_source_is_not_needed_any_more",
)
class DoesNotSayWhichTask(ToyFromJSON):
    """Has a model alone."""

    def _config(self, dim: int) -> dict[str, Any]:
        return {"model": super()._config(dim)["model"]}


@importers.caught_by("test_weights_fit_the_model", "test_it_can_predict")
class DoesNotSayHowLargeTheModelIs(ToyFromJSON):
    """So it has its default size."""

    def _config(self, dim: int) -> dict[str, Any]:
        return {**super()._config(dim), "model": {"name": "toy/toy"}}


@importers.caught_by("test_weights_are_tensors_by_name", "test_weights_fit_the_model", "test_it_can_predict")
class LeavesWeightsAsLists(ToyFromJSON):
    """As JSON has them."""

    def _tensor(self, name: str, values: Any) -> Any:
        return values


@importers.caught_by("test_weights_fit_the_model", "test_it_can_predict")
class TransposesTheProjection(ToyFromJSON):
    """As other libraries have it."""

    def _tensor(self, name: str, values: Any) -> Any:
        tensor = super()._tensor(name, values)
        return tensor.t() if name == "output.weight" else tensor


@importers.caught_by("test_the_same_source_gives_the_same")
class DrawsWhatIsMissingByChance(ToyFromJSON):
    """Other weights each time."""

    def _tensor(self, name: str, values: Any) -> Any:
        return super()._tensor(name, values) + random.random()


@importers.caught_by(
    "test_the_source_stays_as_it_is",
    "test_the_same_source_gives_the_same",
    "test_the_source_is_not_needed_any_more",
)
class DeletesTheSource(ToyFromJSON):
    """It has served."""

    def __call__(self, source: Path, artifacts: Path) -> Imported:
        imported = super().__call__(source, artifacts)
        source.unlink()
        return imported


@importers.caught_by("test_a_damaged_source_is_told", "test_another_kind_of_source_is_told")
class LetsADamagedSourceBeDamaged(ToyFromJSON):
    """JSON's own error goes through."""

    damage = (OSError,)


@importers.caught_by("test_a_missing_source_is_told")
class DoesNotNameTheSource(ToyFromJSON):
    """Some file is wrong."""

    def _complaint(self, source: Path, error: Exception) -> str:
        return "no toy model"


FILE = click.argument("file", type=click.File())
BLANK = click.option("--blank/--no-blank", default=True, help="count blank lines, too.")
commands = Mutants(CommandContract)


def count(file: Any, blank: bool) -> None:
    """Print the number of lines."""
    click.echo(sum(1 for line in file if blank or line.strip()))


@commands.caught_by()
@click.command("count")
@FILE
@BLANK
def without_mistake(file: Any, blank: bool) -> None:
    """Count the lines of FILE."""
    count(file, blank)


@commands.caught_by("test_every_option_has_a_help_text")
@click.command("count")
@FILE
@click.option("--blank/--no-blank", default=True)
def an_option_without_help(file: Any, blank: bool) -> None:
    """Count the lines of FILE."""
    count(file, blank)


@commands.caught_by(
    "test_help_says_what_it_does", "test_every_argument_is_explained", "test_what_it_exports_is_documented"
)
@click.command("count")
@FILE
@BLANK
def does_not_say_what_it_does(file: Any, blank: bool) -> None:
    count(file, blank)


@commands.caught_by("test_every_argument_is_explained")
@click.command("count")
@FILE
@BLANK
def an_argument_of_which_nothing_is_said(file: Any, blank: bool) -> None:
    """Count the lines there are."""
    count(file, blank)


@commands.caught_by("test_an_unknown_option_is_refused")
@click.command("count", context_settings={"ignore_unknown_options": True})
@FILE
@BLANK
def takes_any_option(file: Any, blank: bool) -> None:
    """Count the lines of FILE."""
    count(file, blank)


@commands.caught_by("test_surplus_arguments_are_refused")
@click.command("count", context_settings={"allow_extra_args": True})
@FILE
@BLANK
def takes_any_argument(file: Any, blank: bool) -> None:
    """Count the lines of FILE."""
    count(file, blank)


@commands.caught_by(
    "test_it_is_a_click_command",
    "test_help_says_what_it_does",
    "test_every_option_has_a_help_text",
    "test_every_argument_is_explained",
    "test_an_unknown_option_is_refused",
    "test_surplus_arguments_are_refused",
)
def is_a_function() -> click.Command:
    """Make the command."""
    return without_mistake


@commands.caught_by("test_its_name_is_free", record={"name": "train"})
@click.command("count")
@FILE
@BLANK
def has_the_name_of_one_of_seqtrains(file: Any, blank: bool) -> None:
    """Count the lines of FILE."""
    count(file, blank)


MUTANTS = [*launchers, *exporters, *importers, *commands]
