"""Real processes to break: Jupyter servers on one folder, and the fork server. And the fake APIs.

A ``Server`` keeps its port over all of its lives, so readers come back to the same address. Every
process is killed by its own id; every wait has a deadline. Ports lie below those that the system
gives to clients: a client that knocks at a closed port may otherwise get connected to itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from jupyter_chat_stream.testing import Answer, FakeAnthropic, FakeOpenAI, Request
from jupyter_chat_stream.testing.fake_responses import FakeResponses
from tests.faults.processes import LOOK_S as LOOK_S
from tests.faults.processes import PATIENCE_S, eventually
from tests.faults.processes import ForkServer as ForkServer
from tests.faults.processes import Process as Process
from tests.faults.processes import TooLate as TooLate
from tests.faults.processes import Worker as Worker
from tests.faults.processes import stays as stays

TOKEN = "the-server-s-own-token"
KEY = "sk-of-nobody"
PORTS = range(20_000, 30_000)

UNREACHABLE = (OSError, aiohttp.ClientError, asyncio.TimeoutError)


def free_port() -> int:
    """Find a port that nobody listens on."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


# ------------------------------------------------------------------------------- the servers


class Server(Process):
    """A Jupyter server with the chat, which can be started again at the same address.

    Args:
        database: the SQLite file; None: in the folder, unless ``database_url`` is set.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *,
        database: Path | None = None,
        **given: Any,
    ) -> None:
        self.port = free_port()
        super().__init__(folder, environment, log=folder / f"server-{self.port}.log", **given)
        self.database = database or folder / "chat.db"
        self.settings.setdefault("database_url", f"sqlite:///{self.database}")
        self.url = f"http://127.0.0.1:{self.port}/api/chat-stream/"

    # ------------------------------------------------------------------ its life

    async def start(self, *, whole: bool = False) -> Server:
        self.spawn(whole=whole)
        return await self.ready()

    async def ready(self) -> Server:
        """Wait until the chat answers."""

        async def look() -> bool:
            assert not self.has_died, self.logged()
            try:
                return (await self.ask("GET", "status"))[0] == 200
            except UNREACHABLE:
                return False

        await eventually(look, what=f"a server on {self.port}")
        return self

    def _command(self) -> Sequence[str]:
        return ("jupyter", "server")

    def _arguments(self) -> list[str]:
        return [
            "--ServerApp.jpserver_extensions={'jupyter_chat_stream': True}",
            f"--ServerApp.root_dir={self.folder}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.open_browser=False",
            "--ServerApp.allow_root=True",
            f"--IdentityProvider.token={TOKEN}",
            *self._traits(),
        ]

    # ------------------------------------------------------------------ talking to it

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {TOKEN}"}

    async def ask(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = 15.0, **headers: str
    ) -> tuple[int, Any]:
        """Send one request; give status and JSON.

        Raises:
            one of UNREACHABLE: there is no server, or it died meanwhile.
        """
        given = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(headers=given, timeout=timeout) as session,
            session.request(method, self.url + path, json=body) as response,
        ):
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def get(self, path: str) -> Any:
        status, answer = await self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    async def post(self, path: str, body: Any = None, *, status: int = 202, **headers: Any) -> Any:
        found, answer = await self.ask("POST", path, body, **headers)
        assert found == status, (path, found, answer)
        return answer

    async def thread(self, model: str, **fields: Any) -> str:
        """Create a thread, and give its id."""
        made = await self.post("threads", {"model": model, **fields}, status=201)
        return str(made["id"])

    async def send(self, thread: str, content: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Send a message; give ``{message, reply, run}``."""
        return dict(await self.post(f"threads/{thread}/messages", {"content": content, **fields}))

    async def cancel(self, run_id: str) -> dict[str, Any]:
        return dict(await self.post(f"runs/{run_id}/cancel", status=200))

    async def run(self, run_id: str) -> dict[str, Any]:
        return dict(await self.get(f"runs/{run_id}"))

    async def message(self, thread: str, run_id: str) -> dict[str, Any]:
        """Return the reply of a run."""
        state = await self.get(f"threads/{thread}/messages")
        return next(m for m in state["messages"] if m["run_id"] == run_id)

    async def events(self, thread: str, after: int = 0) -> list[dict[str, Any]]:
        """Return a thread's events, each by itself, page by page."""
        found: list[dict[str, Any]] = []
        while page := (await self.get(f"threads/{thread}/events?after={after}&raw=1"))["events"]:
            found += page
            after = page[-1]["seq"]
        return found

    async def until_run(
        self, run_id: str, statuses: Iterable[str], within_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait until a run has one of these statuses."""
        wanted = tuple(statuses)

        async def look() -> dict[str, Any] | None:
            run = await self.run(run_id)
            return run if run["status"] in wanted else None

        return await eventually(look, within_s=within_s, what=f"run {run_id} in {wanted}") or {}

    async def until_text(self, thread: str, run_id: str, chars: int = 1) -> str:
        """Wait until a run has written so much."""

        async def look() -> str | None:
            content = str((await self.message(thread, run_id))["content"])
            return content if len(content) >= chars else None

        return await eventually(look, what=f"{chars} characters of run {run_id}") or ""


# ------------------------------------------------------------------------------- the fake API


class FakeApi:
    """A fake API in a thread of the test's process, which outlives every server.

    Args:
        api: ``anthropic`` or ``openai``.
        default: the fields of its usual answer.
    """

    def __init__(self, *, api: str = "anthropic", **default: Any) -> None:
        kind = {"anthropic": FakeAnthropic, "openai": FakeOpenAI}[api]
        self._server = kind(default=Answer(**default))
        self._server.start()
        self.url = self._server.url

    @property
    def environment(self) -> dict[str, str]:
        """What makes a server use it."""
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": KEY}

    @property
    def requests(self) -> list[Request]:
        """All it was asked, the oldest first."""
        return self._server.requests

    @property
    def responses(self) -> FakeResponses:
        """The responses of a fake OpenAI, with the cursors at which they were joined."""
        assert isinstance(self._server, FakeOpenAI)
        return self._server.responses

    def queue(self, *answers: dict[str, Any]) -> None:
        """Set the answers to the next requests."""
        self._server.add(*(Answer(**fields) for fields in answers))

    def hurry(self) -> None:
        """Let it send the rest of all answers at once."""
        self._server.hurry()

    def close(self) -> None:
        self._server.stop()
