"""Every way a server may be reached ends in an address that a kernel can use."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_chat_stream.server.extension import connection_of
from jupyter_chat_stream.shared import connection_file
from tests.server.conftest import StartServer


def server(**settings: Any) -> Any:
    """Stand for a server: only what an address is made of."""
    usual = {"ip": "127.0.0.1", "port": 8888, "base_url": "/", "sock": "", "ssl_options": None}
    return SimpleNamespace(**{**usual, **settings})


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8888/api/chat-stream/"),
        ({"ip": "localhost"}, "http://localhost:8888/api/chat-stream/"),
        ({"ip": ""}, "http://127.0.0.1:8888/api/chat-stream/"),
        ({"ip": "0.0.0.0"}, "http://127.0.0.1:8888/api/chat-stream/"),
        ({"ip": "::"}, "http://[::1]:8888/api/chat-stream/"),
        ({"ip": "fe80::1"}, "http://[fe80::1]:8888/api/chat-stream/"),
        ({"ip": "10.1.2.3"}, "http://10.1.2.3:8888/api/chat-stream/"),
        ({"base_url": "/user/ada/"}, "http://127.0.0.1:8888/user/ada/api/chat-stream/"),
        ({"sock": "/run/j.sock"}, "http+unix://%2Frun%2Fj.sock/api/chat-stream/"),
        ({"ssl_options": {"certfile": "/c.pem"}}, "https://127.0.0.1:8888/api/chat-stream/"),
    ],
)
def test_the_address_is_one_a_kernel_can_use(settings: Any, url: str) -> None:
    found = connection_of(server(**settings), "token")
    assert found.url == url
    assert found.socket == settings.get("sock")
    assert found.ca_file == (settings.get("ssl_options") or {}).get("certfile")


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = connection_of(server(sock="j.sock", ssl_options={"certfile": "c.pem"}), "token")
    assert (found.socket, found.ca_file) == (str(tmp_path / "j.sock"), str(tmp_path / "c.pem"))


def test_every_address_is_read_back(tmp_path: Path) -> None:
    for settings in ({}, {"sock": "/run/j.sock"}, {"ssl_options": {"certfile": "/c.pem"}}):
        written = connection_of(server(**settings), "token")
        connection_file.write(tmp_path / "c.json", written)
        assert connection_file.read(tmp_path / "c.json") == written


@pytest.mark.filterwarnings(
    # tornado forgets the socket it could not bind
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
# Jupyter Server leaves the sockets open with which it has tried ports.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_port_that_was_found_is_named_when_the_wanted_one_is_taken(
    start_server: StartServer,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = await start_server(ServerApp_port=port, ServerApp_port_retries=50)
        found = connection_file.find()
        assert found.url == running.url
        assert f":{port}/" not in found.url
        reply = await running.ask("GET", "status", url=found.url, headers=found.headers())
        assert reply.status == 200


def test_plain_http_needs_no_tls_settings() -> None:
    assert connection_of(server(), "token").ssl_context() is None


async def test_https_is_trusted_by_its_very_certificate_and_by_no_other(tmp_path: Path) -> None:
    """The certificate names another host, as those of servers behind proxies do."""
    ours, other = Path(__file__).parent / "certificate.pem", tmp_path / "other.pem"
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(ours)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=serving)
    port = listening.sockets[0].getsockname()[1]
    found = connection_of(server(port=port, ssl_options={"certfile": str(ours)}), "token")
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=found.ssl_context())
    writer.close()
    other.write_text((Path(__file__).parent / "other_certificate.pem").read_text())
    stranger = connection_of(server(port=port, ssl_options={"certfile": str(other)}), "token")
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=stranger.ssl_context())
    listening.close()
    await listening.wait_closed()
