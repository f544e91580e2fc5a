"""One server for all tests that do not hurt it, and this process or a kernel as its client."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_chat_stream.kernel import link
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from tests.conftest import home_environment
from tests.kernel.harness import JupyterServer, Kernel


@pytest.fixture
def name() -> str:
    """The name of a thread that no other test opens."""
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server that no test kills."""
    folder = tmp_path_factory.mktemp("server")
    server = JupyterServer({**os.environ, **home_environment(folder / "home")}, folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(jupyter_environment: dict[str, str], tmp_path: Path) -> Iterator[JupyterServer]:
    """A server of one's own."""
    server = JupyterServer(jupyter_environment, tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fresh_link() -> Iterator[None]:
    """Let this process have no link yet, and none afterwards."""
    link.close()
    yield
    link.close()


@pytest.fixture
def here(
    shared_server: JupyterServer, fresh_link: None, monkeypatch: pytest.MonkeyPatch
) -> JupyterServer:
    """Make this process a client of the shared server."""
    monkeypatch.setenv(CONNECTION_ENV, str(shared_server.connection))
    return shared_server


@pytest.fixture
def kernel(shared_server: JupyterServer, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of the shared server."""
    kernel = Kernel(shared_server.kernel_environment, tmp_path)
    yield kernel
    kernel.close()
