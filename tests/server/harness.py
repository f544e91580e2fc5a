"""A real Jupyter server in the test's own loop, with the chat as its only extension.

``ChatServer`` is the whole thing: ServerApp, tornado on a free port of 127.0.0.1, our handlers.
Other folders may use the fixtures of tests/server/conftest.py by importing them into their own,
or build a ``ChatServer`` themselves.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_chat_stream.server.extension import port_of
from tests.prepared import prepare_sqlite

TOKEN = "the-server-s-own-token"
PATIENCE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back; ``json`` is None where the body is none."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


class ChatServer:
    """One running server; its ``host`` and ``service`` are those its handlers use."""

    def __init__(self, app: ServerApp) -> None:
        self.app = app
        self.extension = app.extension_manager.extension_points["chat-stream"].app
        self.host = self.extension.host
        self.token = app.identity_provider.token
        self._client = AsyncHTTPClient(force_instance=True, max_clients=50)
        self._sockets: list[Socket] = []

    @property
    def root(self) -> str:
        """The server's base; its port is known once it listens."""
        return f"http://127.0.0.1:{port_of(self.app)}{self.app.base_url}"

    @property
    def url(self) -> str:
        return f"{self.root}api/chat-stream/"

    @property
    def readers(self) -> int:
        """How many readers the service has now."""
        return 0 if self.service is None else self.subsystems.hub.stats().readers

    @property
    def service(self) -> Any:
        return self.host.running_service

    @property
    def subsystems(self) -> Any:
        """The subsystems that the service started: its engine, its hub, its watchers."""
        return self.service.subsystems

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"} if self.token else {}

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        url: str | None = None,
        on_chunk: Callable[[bytes], None] | None = None,
        **options: Any,
    ) -> Reply:
        """Send one request; ``body`` is bytes, or becomes JSON; ``headers`` replace the token."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = HTTPRequest(
            (url or self.url) + path,
            method=method,
            body=body,
            headers=self.headers if headers is None else headers,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            request_timeout=options.pop("request_timeout", PATIENCE_S),
            streaming_callback=on_chunk,
            **options,
        )
        response: HTTPResponse = await self._client.fetch(request, raise_error=False)
        if response.code == 599:
            assert response.error is not None
            raise response.error
        return Reply(status=response.code, headers=response.headers, body=response.body or b"")

    async def thread(self, **fields: Any) -> str:
        """Create a thread, and give its id."""
        made = await self.ask("POST", "threads", fields)
        assert made.status in (200, 201), made.body
        return str(made.json["id"])

    async def send(self, thread_id: str, content: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Send a message; give ``{message, reply, run}``."""
        sent = await self.ask(
            "POST", f"threads/{thread_id}/messages", {"content": content, **fields}
        )
        assert sent.status == 202, sent.body
        return dict(sent.json)

    async def answered(self, thread_id: str, content: str = "Hello") -> dict[str, Any]:
        """Send a message and wait for the end of its answer."""
        headers = {**self.headers, "Prefer": "wait=30"}
        sent = await self.ask(
            "POST", f"threads/{thread_id}/messages", {"content": content}, headers=headers
        )
        assert sent.status == 200, sent.body
        return dict(sent.json)

    async def socket(self, headers: dict[str, str] | None = None) -> Socket:
        """Open a WebSocket."""
        url = self.url.replace("http", "ws", 1) + "ws"
        request = HTTPRequest(url, headers=self.headers if headers is None else headers)
        self._sockets.append(Socket(await websocket_connect(request)))
        return self._sockets[-1]

    async def close(self) -> None:
        for socket in self._sockets:
            await socket.closed()
        self._sockets.clear()
        await self.app._cleanup()
        await self.app.http_server.close_all_connections()
        self._client.close()


class Socket:
    """A WebSocket whose frames are values."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.is_over = False

    async def send(self, frame: Any) -> None:
        text = frame if isinstance(frame, (str, bytes)) else json.dumps(frame)
        await self.connection.write_message(text, binary=isinstance(text, bytes))

    async def next(self, *ops: str) -> dict[str, Any]:
        """Return the next frame, or the next of these kinds."""
        while True:
            frame = await self.frame()
            assert frame is not None, "the server closed the socket"
            if not ops or frame["op"] in ops:
                return frame

    async def frame(self) -> dict[str, Any] | None:
        """Return the next frame, None at the end."""
        if self.is_over:
            return None
        text = await asyncio.wait_for(self.connection.read_message(), PATIENCE_S)
        self.is_over = text is None
        return None if text is None else dict(json.loads(text))

    def close(self) -> None:
        self.connection.close()

    async def closed(self) -> None:
        """Close it, and wait for the other side's goodbye."""
        self.connection.close()
        while await self.frame() is not None:
            pass


async def another_millisecond() -> None:
    now_ms = time.time_ns() // 1_000_000
    await until(lambda: time.time_ns() // 1_000_000 > now_ms)


async def until(condition: Callable[[], Any]) -> None:
    """Let others work until something of theirs, which gives no event, has happened."""

    async def look() -> None:
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    await asyncio.wait_for(look(), PATIENCE_S)


@asynccontextmanager
async def running_server(folder: Path, **config: Any) -> AsyncIterator[ChatServer]:
    """Run a server whose files lie under ``folder``.

    Args:
        config: settings as ``Class_trait=value``, such as ``ChatStream_default_model="demo/echo"``.
    """
    ServerApp.clear_instance()
    app = ServerApp.instance()
    app.init_signal = lambda: None  # type: ignore[method-assign]  # pytest's handlers stay
    app.update_config(_config(folder, config))
    app.initialize(argv=[], find_extensions=False)
    app.start_app()
    server = ChatServer(app)
    try:
        await asyncio.sleep(0)  # the first iteration of the event loop binds the port
        await server.ask("GET", "status")  # listens, and the service has started or has failed
        yield server
    finally:
        await server.close()
        ServerApp.clear_instance()


def _config(folder: Path, given: dict[str, Any]) -> Any:
    from traitlets.config import Config

    settings = {
        "ServerApp_jpserver_extensions": {"jupyter_chat_stream": True},
        "ServerApp_ip": "127.0.0.1",
        "ServerApp_port": 0,
        "ServerApp_open_browser": False,
        "ServerApp_allow_root": True,
        "ServerApp_root_dir": str(folder),
        "IdentityProvider_token": TOKEN,
        "ChatStream_database_url": f"sqlite:///{folder / 'chat.db'}",
        "ChatStream_default_model": "demo/echo",
        # What this machine serves on the usual ports is no part of a test.
        "ChatStream_find_local_models": False,
        **given,
    }
    if "ChatStream_database_url" not in given:
        prepare_sqlite(folder / "chat.db")
    config = Config()
    for name, value in settings.items():
        section, trait = name.split("_", 1)
        setattr(config[section], trait, value)
    return config
