"""However the server listens, the kernel's side reaches it, over REST and over the socket."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from tests.kernel.harness import JupyterServer

pytestmark = pytest.mark.slow


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate that nobody has signed, for a name that is not this host's."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=elsewhere.example", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return str(key), str(cert)


@pytest.mark.parametrize("way", ["base_url", "https", "unix"])
def test_a_server_is_reached_however_it_listens(
    way: str,
    jupyter_environment: dict[str, str],
    tmp_path: Path,
    certificate: tuple[str, str],
    fresh_link: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, cert = certificate
    options = {
        "base_url": {"base_url": "/a/b/"},
        "https": {"keyfile": key, "certfile": cert},
        "unix": {"sock": str(tmp_path / "s")},
    }[way]
    server = JupyterServer(
        jupyter_environment, tmp_path, **{f"ServerApp.{k}": v for k, v in options.items()}
    )
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    try:
        server.start()
        chat = Chat("s", model="demo/echo")
        assert chat.ask("Hello").content == "Hello"
        assert [event.type for event in chat.runs[0].events()][-1] == "finalized"
    finally:
        server.stop()
