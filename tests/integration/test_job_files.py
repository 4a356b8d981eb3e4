"""The variables that schedulers set, as recorded from them, and the example files for their jobs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from seqtrain.errors import UsageError
from seqtrain.workers.world import WorldInfo

EXAMPLES = Path(__file__).parents[2] / "core" / "docs" / "examples"
RECORDED = json.loads(Path(__file__).with_name("recorded_environments.json").read_text())
OF_SRUN = [each for each in RECORDED if each["started by"].startswith(("srun", "sbatch")) and each["world"]]


def world(environ):
    """Return what is read from an environment, as far as it was written down."""
    found = WorldInfo.from_environment(environ)
    if found is None:
        return None
    return [found.rank, found.world_size, found.local_rank, found.local_world_size, found.master_addr]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each["started by"])
def test_a_worker_finds_its_place(recorded):
    """And a shell or a script that only knows of a job of several is none of its workers."""
    assert world(recorded["variables"]) == recorded["world"]


@pytest.mark.parametrize("name", ["SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_JOB_ID", "SLURM_STEP_ID"])
@pytest.mark.parametrize("recorded", OF_SRUN[:1], ids=lambda each: each["started by"])
def test_a_variable_that_srun_would_have_set_is_named(recorded, name):
    """The message says which one is missing."""
    variables = {key: value for key, value in recorded["variables"].items() if key != name}

    with pytest.raises(UsageError, match=f"{name} is not set"):
        WorldInfo.from_environment(variables)


def test_torchrun_counts_under_srun():
    """It was started by srun as one task, and has started workers of its own."""
    torchrun = next(each for each in RECORDED if each["started by"].startswith("torchrun"))
    for srun in OF_SRUN:
        assert world({**srun["variables"], **torchrun["variables"]}) == torchrun["world"]


# --- the job file for SLURM


def test_the_job_file_is_a_script():
    """Bash reads it, and all options stand before the first command, where sbatch reads them."""
    file = EXAMPLES / "slurm.sbatch"
    subprocess.run([shutil.which("bash"), "-n", file], check=True)
    lines = file.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))

    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in lines[:first] if line.startswith("#SBATCH"))
    assert [line for line in lines[first:] if line.startswith("#SBATCH")] == []


@pytest.mark.parametrize(("code", "requeued"), [(143, True), (0, False), (1, False), (130, False)])
def test_the_job_goes_back_into_the_queue_if_it_was_told_to_save(tmp_path, code, requeued):
    """And ends with the exit code of srun, which has all of the arguments."""
    for name, text in {
        "srun": f'printf "%s\\n" "$@" > arguments; exit {code}',
        "scontrol": 'echo "$@" > asked',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "6"}
    command = [shutil.which("bash"), EXAMPLES / "slurm.sbatch", "--task", "lm", "task.train=two words"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, check=False)

    assert ended.returncode == code
    assert (tmp_path / "arguments").read_text().splitlines() == [
        "--cpus-per-task=6", "seqtrain", "train", "--task", "lm", "task.train=two words",
    ]  # fmt: skip
    assert (tmp_path / "asked").exists() == requeued


# --- Kubernetes: no cluster, but the fields that decide


def documents(name):
    """Return what a file asks Kubernetes for, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((EXAMPLES / name).read_text())}


def check_pod(pod, container_name):
    """A pod trains in a folder that outlives it, has time to save, and comes back."""
    (container,) = pod["containers"]
    assert container["name"] == container_name
    assert container["command"] == ["seqtrain", "train"]
    assert "--run-dir=/runs/one" in container["args"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert mounts == {"runs": "/runs", "shared-memory": "/dev/shm"}
    assert volumes.keys() == mounts.keys()
    assert "persistentVolumeClaim" in volumes["runs"]
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory"}
    assert pod["terminationGracePeriodSeconds"] >= 60
    return container


def test_pods_of_the_indexed_job_find_their_places():
    """By the number that Kubernetes gives each, and the name that the Service gives the first."""
    found = documents("kubernetes_job.yaml")
    service, job = found["Service"], found["Job"]
    name, count = job["metadata"]["name"], job["spec"]["completions"]
    pod = job["spec"]["template"]["spec"]
    container = check_pod(pod, "seqtrain")

    assert job["apiVersion"] == "batch/v1"
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == count
    assert pod["restartPolicy"] == "OnFailure"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"job-name": name}  # a label that every pod of a Job has
    assert pod["subdomain"] == service["metadata"]["name"]

    given = {each["name"]: each for each in container["env"]}
    assert given["RANK"]["valueFrom"]["fieldRef"]["fieldPath"] == (
        "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    )
    variables = {key: each["value"] for key, each in given.items() if key != "RANK"}
    assert all(isinstance(value, str) for value in variables.values())
    address = f"{name}-0.{service['metadata']['name']}"  # hostname of pod 0, and the domain of the Service
    for index in range(count):
        here = {
            **variables,
            "RANK": str(index),
            "JOB_COMPLETION_INDEX": str(index),
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        }
        assert world(here) == [index, count, 0, 1, address]


def test_pods_of_the_pytorchjob_find_their_places():
    """By the variables that the operator sets: a pod is a worker, and the master is the first."""
    job = documents("kubernetes_pytorchjob.yaml")["PyTorchJob"]
    replicas = job["spec"]["pytorchReplicaSpecs"]
    count = sum(each["replicas"] for each in replicas.values())

    assert job["apiVersion"] == "kubeflow.org/v1"
    assert replicas["Master"]["replicas"] == 1
    assert "nprocPerNode" not in job["spec"]  # which multiplies WORLD_SIZE, for torchrun
    for each in replicas.values():
        assert each["restartPolicy"] == "OnFailure"
        container = check_pod(each["template"]["spec"], "pytorch")
        assert "env" not in container
    for rank in range(count):
        here = {
            "PYTHONUNBUFFERED": "1",
            "MASTER_PORT": "23456",
            "MASTER_ADDR": "seqtrain-master-0",
            "WORLD_SIZE": str(count),
            "RANK": str(rank),
            "PET_NODE_RANK": str(rank),
            "PET_NPROC_PER_NODE": "1",
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        }
        assert world(here) == [rank, count, 0, 1, "seqtrain-master-0"]
        assert WorldInfo.from_environment(here).started_by == "Kubernetes"


def test_a_job_that_starts_again_goes_on(cli, tmp_path, monkeypatch):
    """Though its command says `--fresh`, which was for its first life: SLURM says that this is another."""
    run = tmp_path / "run"
    made_up = {"examples": 30, "valid_examples": 12, "length": 9, "min_length": 4, "vocab_size": 40}
    model = ["model.layers=1", "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2"]
    given = [*model, *(f"task.dummy.{key}={value}" for key, value in made_up.items()), "trackers={}", "--fresh"]
    command = ["train", "--task", "lm", "--run-dir", run, *given, f"data.cache_dir={tmp_path / 'cache'}"]
    assert cli(*command, "trainer.max_steps=1").code == 0

    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    outcome = cli(*command, "trainer.max_steps=2")

    assert outcome.code == 0, outcome.err
    assert "Resuming in" in outcome.err
    assert not (tmp_path / "run.old-1").exists()
