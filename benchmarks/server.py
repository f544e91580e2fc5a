"""A real Jupyter server in this process, and a follower in another one that it talks to."""

from __future__ import annotations

import asyncio
import json
import sys
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

from .load import MODEL

TOKEN = "benchmark"
ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def running_server(provider: Provider, **settings: Any) -> AsyncIterator[tuple[str, Service]]:
    """Run a server with the chat as its only extension; gives its address and its service."""
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        ServerApp.clear_instance()
        app = ServerApp.instance()
        app.init_signal = lambda: None  # type: ignore[method-assign]  # the benchmark's own stay
        app.update_config(_config(Path(folder), settings))
        app.initialize(argv=[], find_extensions=False)
        host = app.extension_manager.extension_points["chat-stream"].app.host
        host._make = lambda config: Service(config, registry=Registry([provider]))
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
    chat = {
        "database_url": f"sqlite:///{folder / 'chat.db'}",
        "default_model": MODEL,
        "max_active_runs": 1000,
        **settings,
    }
    server = {
        "jpserver_extensions": {"jupyter_chat_stream": True},
        "ip": "127.0.0.1",
        "port": 0,
        "open_browser": False,
        "allow_root": True,
        "root_dir": str(folder),
        "log_level": "ERROR",
    }
    return Config({"ServerApp": server, "IdentityProvider": {"token": TOKEN}, "ChatStream": chat})


class Follower:
    """A process that follows threads over one WebSocket and notes when each frame came."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, threads: list[str]) -> Follower:
        """Start it, and wait until every subscription is live."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.follower",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=256 * 1024 * 1024,
        )
        follower = cls(process)
        await follower._say({"url": url, "token": TOKEN, "threads": threads})
        assert await follower._hear() == "live"
        return follower

    async def stop(self) -> dict[str, Any]:
        """End it; gives ``received`` ([mark, ns] each), ``frames`` and ``wire_bytes``."""
        await self._say("stop")
        found: dict[str, Any] = await self._hear()
        await self._process.wait()
        return found

    async def _say(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        return json.loads(line)
