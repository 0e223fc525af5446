"""Under which names and addresses a phone in the same network reaches this machine.

Nothing is sent: a datagram socket is pointed at an address and asked which of ours it would use. There is no one call
for this in the standard library, so several are asked and what they say is put together.

    own_addresses()     ["192.168.1.7"]
    own_host_names()    ["front-desk", "front-desk.local"]
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

# Documentation and private addresses of RFC 5737 and RFC 1918: one of them is behind whatever network there is.
_TOWARDS: Final = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")
_NO_PORT: Final = 9
_SIOCGIFADDR: Final = 0x8915
_IFREQ_BYTES: Final = 40
_INTERFACE_NAME_BYTES: Final = 15
_ADDRESS_AT: Final = 20


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine that others can reach, the one of the main network first."""
    found: dict[str, None] = {}
    for place in _TOWARDS:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((place, _NO_PORT))
            found[probe.getsockname()[0]] = None
    for address in (*_of_interfaces(), *_of_host_name()):
        found[address] = None
    return [address for address in found if _is_reachable(address)]


def own_host_names() -> list[str]:
    """Return the name of this machine, and the one it has in a network without a name server (RFC 6762)."""
    name = socket.gethostname().lower().rstrip(".")
    label = name.partition(".")[0]
    return list(dict.fromkeys((name, f"{label}.local")))


def _of_interfaces() -> list[str]:
    """Return the address of each interface, where the system tells them like Linux does."""
    found: list[str] = []
    if not sys.platform.startswith("linux"):
        return found
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            asked = struct.pack(f"{_IFREQ_BYTES}s", name.encode()[:_INTERFACE_NAME_BYTES])
            with suppress(OSError):  # an interface without an address
                told = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, asked)
                found.append(socket.inet_ntoa(told[_ADDRESS_AT : _ADDRESS_AT + 4]))
    return found


def _of_host_name() -> list[str]:
    with suppress(OSError, UnicodeError):
        return [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return []


def _is_reachable(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not (
        address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    )
