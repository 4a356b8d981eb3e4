"""By which address, and through which network interface, other hosts reach this one."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

_ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # set aside for documentation: nobody has them, and nothing is sent
_SIOCGIFADDR = 0x8915


def host_and_port(text: str) -> tuple[str, int] | None:
    """Read HOST:PORT, with an IPv6 address in brackets; None if it is something else."""
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\]:(\d{1,5})|([\w.-]+):(\d{1,5})", text.strip())
    if match is None:
        return None
    host, port = match[1] or match[3], int(match[2] or match[4])
    return (host, port) if 0 < port < 2**16 else None


def own_address(towards: str) -> str | None:
    """
    Return the address of this host by which another one can answer it; None if there is no way there.

    Args:
        towards: the other host. If it is this one, by a name that means the loopback interface to itself alone (as
            Debian has it), the address is that towards the rest of the world.
    """
    address = _address_towards(towards)
    if address is None or not ipaddress.ip_address(address).is_loopback:
        return address
    return next(filter(None, map(_address_towards, _ELSEWHERE)), address)


def is_this_host(host: str) -> bool:
    """Say whether a name or an address is one of this host's own, on whichever interface."""
    with suppress(OSError):
        for family, kind, _, _, target in socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM):
            address = str(target[0])
            with suppress(OSError), socket.socket(family, kind) as probe:
                probe.bind((address, 0))  # which the system allows for its own addresses alone
                return True
    return False


def interface_of(address: str) -> str | None:
    """Return the name of the network interface that has an address, where the system tells."""
    for _, name in socket.if_nameindex():
        if address in _addresses_of(name):
            return name
    if ipaddress.ip_address(address).is_loopback:  # 127.0.1.1, which is on it without being its address
        return next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    return None


def _address_towards(host: str) -> str | None:
    """Ask the system's routes: connecting a datagram socket sends nothing."""
    with suppress(OSError):
        for family, kind, _, _, target in socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM):
            with suppress(OSError), socket.socket(family, kind) as probe:
                probe.connect(target)
                return str(probe.getsockname()[0]).partition("%")[0]
    return None


def _addresses_of(interface: str) -> list[str]:
    if sys.platform != "linux":
        return []
    import fcntl  # noqa: PLC0415 - not on every system

    found = []
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        found.append(socket.inet_ntoa(answer[20:24]))
    with suppress(OSError):
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").split("\n")
        found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines if line.endswith(interface)]
    return found
