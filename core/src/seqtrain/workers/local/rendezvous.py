"""Where the elastic agents of several hosts meet."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousParameters
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import C10dRendezvousBackend
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import create_handler
from torch.distributed.elastic.rendezvous.utils import parse_rendezvous_endpoint

from seqtrain.errors import TrainingError, UsageError
from seqtrain.workers.addresses import host_and_port, is_this_host, own_address

_SECONDS = 600  # for the agents of all hosts to come together
_ANSWER_SECONDS = 30  # for what they share, from then on


def create_rendezvous_handler(nodes: int, rendezvous: str | None) -> RendezvousHandler:
    """
    Find the other hosts' agents, or, of one host, none: on a free port of the system's choice.

    Raises:
        UsageError: where several hosts meet is not said, or not as HOST:PORT.
        TrainingError: nobody keeps that place.
    """
    endpoint, run_id, address = "localhost:0", f"seqtrain-{os.getpid()}", "localhost"
    if nodes > 1:
        place = host_and_port(rendezvous or "")
        if place is None:
            given = "is not set" if rendezvous is None else f"is {rendezvous!r}"
            raise UsageError(
                f"{nodes} hosts have to meet, and --rendezvous (distributed.rendezvous) {given}. Give HOST:PORT, the "
                "same on each: HOST is one of them, by the name or address that the others know, and PORT is free."
            )
        endpoint, run_id = str(rendezvous), f"seqtrain-{rendezvous}"
        address = own_address(place[0]) or ""
        sys.stderr.write(f"seqtrain: waiting up to {_SECONDS} s for {nodes} hosts at {rendezvous}\n")
        sys.stderr.flush()
    parameters = RendezvousParameters(
        backend="c10d",
        endpoint=endpoint,
        run_id=run_id,
        min_nodes=nodes,
        max_nodes=nodes,
        local_addr=address or None,
        timeout=_SECONDS,
        join_timeout=_SECONDS,
    )
    try:
        store = _store(*parse_rendezvous_endpoint(endpoint, default_port=0))
        return create_handler(store, C10dRendezvousBackend(store, run_id), parameters)
    except (RendezvousError, RuntimeError, OSError) as error:
        raise TrainingError(rendezvous_failure(error, rendezvous)) from error


def _store(host: str, port: int) -> TCPStore:
    """
    Keep what the agents share, if the place is on this host, or reach who does.

    Torch would find that out from the machine's name, which has one address of several, or that of no other host; and
    would wait as long for each answer as for the beginning, so that nothing is noticed when the way there is cut.
    """
    patience = timedelta(seconds=_SECONDS)
    store = None
    if is_this_host(host):
        with suppress(RuntimeError):  # two agents may share a host: the second finds the port taken
            store = TCPStore(host, port, is_master=True, multi_tenant=True, timeout=patience)
    store = store or TCPStore(host, port, is_master=False, multi_tenant=True, timeout=patience)
    store.set_timeout(timedelta(seconds=_ANSWER_SECONDS))
    return store


def rendezvous_failure(error: BaseException, rendezvous: str | None) -> str:
    """Return the message for hosts that did not come together."""
    reason = type(error).__name__ if error.__cause__ is None else str(error.__cause__).partition("\n")[0]
    return (
        f"The hosts did not meet at {rendezvous or 'this host'} within {_SECONDS} s, or one of them has left "
        f"for good: {reason}. Is the command running on each, does HOST name one of them, and is PORT open there?"
    )


def close(handler: RendezvousHandler) -> None:
    """End the rendezvous for all hosts: none of them is to wait for this one."""
    try:
        handler.shutdown()
    except RendezvousError:  # whoever keeps the rendezvous has gone
        return
