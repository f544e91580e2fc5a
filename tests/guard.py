"""No test of this process talks to another machine: a connection that tries raises.

Names are refused like addresses, so a test cannot even ask a resolver.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import psycopg


class ForeignConnection(AssertionError):
    """A test tried to leave this machine."""


def is_on_this_machine(host: object) -> bool:
    """Return whether `host` (a name, an address, bytes or None) can only mean this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in ("", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def refuse_foreign_connections() -> None:
    """Replace what opens a connection by a version that looks at the address first."""
    if getattr(socket.socket, "_guarded", False):
        return
    for method in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_on_this_machine(host):
            raise ForeignConnection(f"a test asked for the address of {host!r}")
        return original(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    _guard_postgres()
    socket.socket._guarded = True  # type: ignore[attr-defined]


def _guarded(method: Any) -> Any:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and isinstance(address, tuple) and not is_on_this_machine(address[0]):
            raise ForeignConnection(f"a test tried to connect to {address!r}")
        return method(self, *args)

    return guarded


def _guard_postgres() -> None:
    """Its connections are opened by a library in C, past Python's sockets."""
    original = psycopg.connect

    def connect(conninfo: str = "", **given: Any) -> Any:
        host = psycopg.conninfo.conninfo_to_dict(conninfo, **given).get("host")
        if not is_on_this_machine(host):
            raise ForeignConnection(f"a test tried to connect to the database at {host!r}")
        return original(conninfo, **given)

    psycopg.connect = connect
