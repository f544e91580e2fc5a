"""The ground the tests stand on holds: no way off this machine, nothing of the person's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jupyter_chat_stream.store.sql.database import Database
from tests.guard import ForeignConnection

# From the block reserved for documentation: answers nobody, belongs to nobody.
FOREIGN_ADDRESS = ("192.0.2.1", 9)


def test_a_connection_to_another_machine_raises() -> None:
    with socket.socket() as sock, pytest.raises(ForeignConnection, match=r"192\.0\.2\.1"):
        sock.connect(FOREIGN_ADDRESS)


def test_a_datagram_to_another_machine_raises() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(ForeignConnection):
        sock.sendto(b"x", FOREIGN_ADDRESS)


def test_a_database_on_another_machine_is_not_connected_to() -> None:
    with pytest.raises(ForeignConnection, match=r"192\.0\.2\.1"):
        Database(f"postgresql://me@{FOREIGN_ADDRESS[0]}/chat", now_ms=0)


def test_a_foreign_name_is_not_even_looked_up() -> None:
    with pytest.raises(ForeignConnection, match="example"):
        socket.create_connection(("host.example", 80))


def test_a_connection_within_this_machine_works() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sock,
    ):
        assert sock.getpeername() == server.getsockname()


def test_no_key_of_the_person_reaches_a_test() -> None:
    assert [name for name in os.environ if name.startswith("ANTHROPIC_")] == []


@pytest.mark.parametrize(
    "name",
    ["HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"],
)
def test_every_jupyter_folder_is_inside_the_home_of_this_run(name: str) -> None:
    home = Path(os.environ["HOME"])
    assert home.name.startswith("chat-stream-tests-")
    assert Path(os.environ[name]).is_relative_to(home)
