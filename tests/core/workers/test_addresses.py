"""Addresses, interfaces and shares of a host."""

from __future__ import annotations

import socket

import pytest

from seqtrain.workers.addresses import host_and_port, interface_of, own_address
from seqtrain.workers.process_group import available_cores, cores_per_worker


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("node1:29400", ("node1", 29400)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[fe80::1]:80", ("fe80::1", 80)),
        ("node1", None),
        ("node1:", None),
        (":80", None),
        ("node1:0", None),
        ("node1:65536", None),
        ("fe80::1:80", None),
        ("http://node1:80", None),
        ("", None),
    ],
)
def test_a_place_to_meet(text, place) -> None:
    """HOST:PORT, and nothing that only looks like it."""
    assert host_and_port(text) == place


def test_the_loopback_interface_has_its_address() -> None:
    """Also by the other one that Debian gives a host's own name."""
    names = [name for _, name in socket.if_nameindex()]

    assert interface_of("127.0.0.1") in names
    assert interface_of("127.0.1.1") == interface_of("127.0.0.1")
    assert interface_of("192.0.2.77") is None


def test_a_host_reaches_itself_and_not_what_has_no_address() -> None:
    """The first perhaps by its address towards the rest of the world."""
    assert own_address("localhost") is not None
    assert own_address("no-such-host.invalid") is None


def test_cores_are_divided_as_they_are_bound() -> None:
    """A core that two workers may run on counts half for each; nobody gets less than one."""
    assert cores_per_worker([0, 1, 2, 3], [[0, 1, 2, 3]] * 2) == 2
    assert cores_per_worker([0, 1], [[0, 1], [2, 3]]) == 2
    assert cores_per_worker([0, 1], [[0, 1]] * 3) == 1
    assert cores_per_worker([0, 1, 2], [[0, 1, 2], [2]]) == 2
    assert len(available_cores()) >= 1
