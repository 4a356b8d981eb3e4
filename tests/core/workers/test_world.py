"""Which worker a process is, found in the environments that torchrun, srun and Kubernetes make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtrain.errors import UsageError
from seqtrain.workers.report import AGENT, RENDEZVOUS_ID
from seqtrain.workers.world import PORTS, WorldInfo, first_host

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "n1",
    "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0",
}  # fmt: skip
POD = {"RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456",
       "KUBERNETES_SERVICE_HOST": "10.0.0.1"}  # fmt: skip
SRUN = {
    "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_PROCID": "6", "SLURM_NTASKS": "7", "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_LOCALID": "0", "SLURM_NODEID": "3", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_TASKS_PER_NODE": "2(x3),1",
    "SLURM_STEP_NODELIST": "gpu[07-09,12]", "SLURM_JOB_NODELIST": "gpu[07-09,12]",
    "SLURM_LAUNCH_NODE_IPADDR": "10.1.1.1",
}  # fmt: skip
BATCH_SCRIPT = {
    "SLURM_JOB_ID": "4711", "SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
    "SLURM_TASKS_PER_NODE": "2(x2)", "SLURM_JOB_NODELIST": "gpu[07-08]",
}  # fmt: skip


def test_torchrun_says_all() -> None:
    """And is told from others by its run id."""
    world = WorldInfo.from_environment(TORCHRUN)

    assert world == WorldInfo(
        rank=3, world_size=4, local_rank=1, local_world_size=2, master_addr="n1", master_port=29500,
        started_by="torchrun", rendezvous_id="0",
    )  # fmt: skip
    assert world.several_hosts


def test_our_agent_and_launchers_say_the_same() -> None:
    """They set what torchrun sets; ours names each rendezvous."""
    ours = WorldInfo.from_environment({**TORCHRUN, AGENT: "7", RENDEZVOUS_ID: "n1-7-2"})
    others = WorldInfo.from_environment({name: TORCHRUN[name] for name in TORCHRUN if "ELASTIC" not in name})

    assert (ours.started_by, ours.rendezvous_id) == ("seqtrain", "n1-7-2")
    assert (others.started_by, others.rendezvous_id) == ("a launcher", "first")


def test_in_a_pod_there_is_one_worker() -> None:
    """A PyTorchJob sets nothing that is local."""
    world = WorldInfo.from_environment(POD)

    assert (world.rank, world.world_size) == (1, 3)
    assert (world.local_rank, world.local_world_size) == (0, 1)
    assert world.started_by == "Kubernetes"


def test_srun_says_it_in_its_own_words() -> None:
    """The main worker is on the first host of the step, and not where srun was typed."""
    world = WorldInfo.from_environment(SRUN)

    assert (world.rank, world.world_size) == (6, 7)
    assert (world.local_rank, world.local_world_size) == (0, 1)
    assert (world.master_addr, world.started_by) == ("gpu07", "srun")
    assert world.master_port in PORTS
    first = WorldInfo.from_environment({**SRUN, "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0"})
    assert (first.local_rank, first.local_world_size) == (1, 2)
    assert first.master_port == world.master_port


def test_steps_and_jobs_side_by_side_meet_at_different_ports() -> None:
    """They may run on the same hosts; the user's own port is taken where there is one."""
    ports = {
        WorldInfo.from_environment({**SRUN, "SLURM_JOB_ID": str(4711 + job), "SLURM_STEP_ID": str(step)}).master_port
        for job in range(10)
        for step in range(10)
    }
    chosen = WorldInfo.from_environment({**SRUN, "MASTER_PORT": "29400", "MASTER_ADDR": "here"})

    assert len(ports) == 100
    assert (chosen.master_addr, chosen.master_port) == ("here", 29400)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WORLD_SIZE": "1"},
        {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"},
        {"WORLD_SIZE": "", "RANK": ""},
        {"LOCAL_RANK": "0", "MASTER_ADDR": "left-over", "MASTER_PORT": "1"},
        BATCH_SCRIPT,
        {name: value for name, value in BATCH_SCRIPT.items() if name != "SLURM_PROCID"},
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1"},
        {**SRUN, "SLURM_STEP_ID": "4294967290"},
    ],
    ids=["none", "one", "torchrun of one", "empty", "left over", "sbatch", "salloc", "srun of one", "interactive step"],
)
def test_a_process_by_itself_is_none_of_several(environ) -> None:
    """Whatever else stands in its environment: the script of a batch job and an interactive shell included."""
    assert WorldInfo.from_environment(environ) is None


def test_torchrun_within_srun_is_torchrun() -> None:
    """What is started last says who a process is."""
    assert WorldInfo.from_environment({**SRUN, **TORCHRUN}).started_by == "torchrun"


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
@pytest.mark.parametrize("value", [None, "", "two", "-1", "9999999", "1.5", "¹"])
def test_a_wrong_variable_of_torchrun_is_named(name, value) -> None:
    """With what it should have been."""
    environ = {key: each for key, each in TORCHRUN.items() if key != name} | ({} if value is None else {name: value})
    if name == "MASTER_ADDR" and value:
        return

    with pytest.raises(UsageError, match=rf"\b{name}\b.*expected") as caught:
        WorldInfo.from_environment(environ)
    if value:
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLURM_PROCID", None), ("SLURM_PROCID", "7"), ("SLURM_LOCALID", "1"), ("SLURM_LOCALID", None),
        ("SLURM_NODEID", "4"), ("SLURM_JOB_ID", None), ("SLURM_STEP_ID", "x"), ("SLURM_STEP_NUM_TASKS", "many"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(3x)"), ("SLURM_STEP_NODELIST", "gpu[07"), ("MASTER_PORT", "0"),
    ],
)  # fmt: skip
def test_a_wrong_variable_of_srun_is_named(name, value) -> None:
    """With what it should have been."""
    environ = {key: each for key, each in SRUN.items() if key != name} | ({} if value is None else {name: value})

    with pytest.raises(UsageError, match=rf"\b{name}\b.*expected"):
        WorldInfo.from_environment(environ)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("node[01-03,7]", "node01"),
        ("node[7,01-03],login", "node7"),
        ("rack[2-3]-node[005-007].site", "rack2-node005.site"),
        ("a-b.c,x[1-2]", "a-b.c"),
        ("", None),
        ("node[", None),
        ("node[]", None),
        ("node[a-b]", None),
        ("[1-2]]", None),
        (",node", None),
        ("two words", None),
    ],
)
def test_the_first_host_of_a_list(nodes, first) -> None:
    """As SLURM writes lists."""
    assert first_host(nodes) == first


@given(st.dictionaries(st.sampled_from([*TORCHRUN, *SRUN]), st.text(max_size=12)))
def test_no_environment_is_answered_with_a_traceback(changed) -> None:
    """A place, none, or an error that a user can fix."""
    for environ in (changed, {**TORCHRUN, **changed}, {**SRUN, **changed}):
        try:
            world = WorldInfo.from_environment(environ)
        except UsageError:
            continue
        assert world is None or 0 <= world.rank < world.world_size
