"""What the launcher asks of SLURM, played by scripts that write down how they are called."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from seqtrain.errors import ConfigError, PluginError
from seqtrain.training.signals import raise_on_sigterm
from seqtrain_submitit import jobs
from seqtrain_submitit.config import SubmititConfig
from seqtrain_submitit.launcher import SubmititLauncher

# A job that squeue shows in the states of the file `states`, line by line; scancel --signal takes it out.
SCRIPTS = {
    "srun": "exit 1",
    "sbatch": 'cp "$1" job_file; env > environment; echo "Submitted batch job 77"',
    "squeue": 'head -n 1 states; sed -i 1d states; [ -s states ] || echo "slurm_load_jobs error: Invalid job id specified" >&2',
    "scancel": 'echo "$@" >> cancelled; case "$*" in *signal*) : > states;; esac',
}
LIFE = "PENDING\nPENDING\nRUNNING\nRUNNING\nCOMPLETING\n"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder with a SLURM of scripts, where the launcher runs."""
    for name, code in SCRIPTS.items():
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{code}\n")
        script.chmod(0o755)
    (tmp_path / "states").write_text(LIFE)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(jobs, "_SECONDS_OF_QUEUE", 0.05)
    monkeypatch.setattr(jobs, "_SECONDS_OF_END", 0.05)
    monkeypatch.setattr(jobs, "_SECONDS_OF_FILES", 0.3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def launch(codes=(0, 0), *, nodes=1, **settings):
    """Launch workers that end with these codes, one after the other."""
    config = SubmititConfig(folder="logs", **settings)

    def end_workers():
        while not (folders := list(Path("logs").glob("*"))) or not list(folders[0].glob("77_submitted.pkl")):
            time.sleep(0.01)
        for rank, code in enumerate(codes):
            file = folders[0] / f"77_{rank}.unfinished"
            file.write_text(str(code))
            os.utime(file, (rank, rank))
            file.replace(folders[0] / f"77_{rank}_exit_code")

    ending = threading.Thread(target=end_workers)
    ending.start()
    try:
        return SubmititLauncher(config)(["true"], workers=len(codes) // nodes, nodes=nodes)
    finally:
        ending.join()


def test_the_job_file_asks_for_what_the_settings_say(cluster):
    """One task for each worker, and time to save before the end."""
    launch(
        (0,) * 4, nodes=2, partition="gpu", account="me", gpus_per_node=2, cpus_per_task=3, memory_gb=1.5,
        minutes=90, save_seconds=77, extra={"constraint": "a100|h100", "mail-type": "END"},
    )  # fmt: skip
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", Path("job_file").read_text(), re.MULTILINE))

    expected = {
        "nodes": "2", "ntasks-per-node": "2", "partition": "gpu", "account": "me", "gpus-per-node": "2",
        "cpus-per-task": "3", "mem": "1536MB", "time": "90", "signal": "USR2@77", "requeue": "",
        "constraint": "'a100|h100'", "mail-type": "END", "open-mode": "append", "job-name": "seqtrain",
    }  # fmt: skip
    assert {name: asked.get(name) for name in expected} == expected


def test_what_is_not_set_is_the_clusters(cluster):
    """And a job that is not to be requeued does not ask for it."""
    launch(requeues=0)
    asked = re.findall(r"^#SBATCH --([a-z-]+)", Path("job_file").read_text(), re.MULTILINE)

    assert {"partition", "account", "mem", "cpus-per-task", "gpus-per-node", "requeue"} & set(asked) == set()


def test_the_job_inherits_no_job(cluster, monkeypatch):
    """Nor does anything in this directory stand for a module of Python's."""
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("RANK", "3")
    launch()
    inherited = dict(line.split("=", 1) for line in Path("environment").read_text().splitlines() if "=" in line)

    assert {"SLURM_JOB_ID", "RANK"} & set(inherited) == set()
    assert inherited["PYTHONSAFEPATH"] == "1"
    assert os.environ["SLURM_JOB_ID"] == "1"


def test_the_user_sees_where_the_job_stands(cluster, capsys):
    """Each state once, on stderr."""
    assert launch() == 0
    said = capsys.readouterr()

    assert re.findall(r"SLURM job 77: (\w+)", said.err) == ["pending", "running", "completing"]
    assert re.search(r"SLURM job 77; its logs are in .*/logs/", said.err)
    assert said.out == ""
    assert not Path("cancelled").exists()


@pytest.mark.parametrize(
    ("codes", "code"), [((0, 0), 0), ((0, 5), 5), ((6, 5), 6), ((143, 5), 5), ((143, 143), 143), ((0, 130), 130)]
)
def test_the_exit_code_is_of_the_first_failure(cluster, codes, code):
    """A worker that was stopped has not failed."""
    assert launch(codes) == code


def test_a_worker_that_left_no_code_has_failed(cluster):
    """Its host is gone, or SLURM has killed it."""
    Path("states").write_text("RUNNING\n")

    assert SubmititLauncher(SubmititConfig(folder="logs"))(["true"], workers=2, nodes=1) == 1


@pytest.mark.parametrize(("codes", "told"), [((0, 5), True), ((143, 143), False)])
def test_the_others_are_told_of_a_failure(cluster, codes, told):
    """Not of a stop: SLURM may have taken the job back into the queue, from where it must not be taken."""
    Path("states").write_text("RUNNING\n" * 8)
    launch(codes)

    assert Path("cancelled").exists() == told


def test_an_interruption_takes_a_job_out_of_the_queue_or_tells_its_workers(cluster):
    """Whichever it is in at that time."""
    Path("states").write_text("PENDING\n" * 10_000)
    interrupting = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    interrupting.start()
    with raise_on_sigterm():
        launch((143, 143))
    interrupting.join()

    assert Path("cancelled").read_text().splitlines()[:2] == [
        "--quiet --state=PENDING 77",
        "--quiet --signal=TERM 77",
    ]


def test_workers_that_do_not_end_are_killed(cluster):
    """When their time to save is over."""
    (cluster / "bin" / "scancel").write_text(
        '#!/bin/sh\necho "$@" >> cancelled; [ "$*" = "--quiet 77" ] && : > states\n'
    )
    Path("states").write_text("RUNNING\n" * 10_000)
    launch((0, 5), stop_seconds=1)

    assert Path("cancelled").read_text().splitlines()[-1] == "--quiet 77"


def test_a_controller_that_does_not_answer_is_asked_again(cluster):
    """The job goes on without it."""
    (cluster / "bin" / "squeue").write_text(
        "#!/bin/sh\nif [ -s states ]; then sed -i 1d states; echo 'Unable to contact slurm controller' >&2; exit 1; fi\n"
    )

    assert launch() == 0
    assert Path("states").read_text() == ""


def test_what_sbatch_says_against_the_job_is_told(cluster):
    """In its own words."""
    (cluster / "bin" / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: no' >&2; exit 1\n"
    )

    with pytest.raises(PluginError, match=r"SLURM does not take the job: .*invalid partition specified: no"):
        SubmititLauncher(SubmititConfig())(["true"], workers=1, nodes=1)


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    """With what can be done."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"no `srun` on this machine.*distributed\.launcher\.executor=local"):
        SubmititLauncher(SubmititConfig())(["true"], workers=1, nodes=1)


def test_one_machine_is_one_host():
    """Two of them need SLURM."""
    with pytest.raises(ConfigError, match=r"distributed\.nodes is 2.*on one host"):
        SubmititLauncher(SubmititConfig(executor="local"))(["true"], workers=1, nodes=2)
