"""A real Jupyter server in this process. Processes beside it are ``processes.Helper``s."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient
from traitlets.config import Config

from jupyter_chat_stream.providers.base import Provider
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import Service

from .load import chat_settings
from .processes import TOKEN


@asynccontextmanager
async def running_server(
    provider: Provider | Registry, **settings: Any
) -> AsyncIterator[tuple[str, Service]]:
    """Run a server with the chat as its only extension; gives its address and its service."""
    registry = provider if isinstance(provider, Registry) else Registry([provider])
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        ServerApp.clear_instance()
        app = ServerApp.instance()
        app.init_signal = lambda: None  # type: ignore[method-assign]  # the benchmark's own stay
        app.update_config(_config(Path(folder), settings))
        app.initialize(argv=[], find_extensions=False)
        host = app.extension_manager.extension_points["chat-stream"].app.host
        host.make = lambda config: Service(config, registry=registry)
        app.start_app()
        url = f"http://127.0.0.1:{app.port}{app.base_url}api/chat-stream/"
        client = AsyncHTTPClient()
        try:
            await client.fetch(url + "status", headers={"Authorization": f"token {TOKEN}"})
            yield url, await host.service()
        finally:
            await app._cleanup()
            await app.http_server.close_all_connections()
            ServerApp.clear_instance()


def _config(folder: Path, settings: dict[str, Any]) -> Config:
    server = {
        "jpserver_extensions": {"jupyter_chat_stream": True},
        "ip": "127.0.0.1",
        "port": 0,
        "open_browser": False,
        "allow_root": True,
        "root_dir": str(folder),
        "log_level": "ERROR",
    }
    chat = chat_settings(folder, settings)
    return Config({"ServerApp": server, "IdentityProvider": {"token": TOKEN}, "ChatStream": chat})
