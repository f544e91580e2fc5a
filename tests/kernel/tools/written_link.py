"""A link whose responses the test writes, and a function that is called over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from jupyter_chat_stream.kernel import inbox
from jupyter_chat_stream.kernel.follower import Follower
from jupyter_chat_stream.kernel.link import Hold, Link
from jupyter_chat_stream.kernel.tools.function import KernelTool, function_tool
from jupyter_chat_stream.kernel.tools.toolbox import Toolbox

PATIENCE_S = 20.0

Answer = Callable[[str, Mapping[str, Any]], Any]


class OneCallFollower(Follower):
    """A thread whose only run has one open call of the tool ``work``; the test moves its log on."""

    moved = 0

    @property
    def seq(self) -> int:
        return self.moved

    def runs(self) -> list[Any]:
        return [{"id": "r", "status": "waiting", "message_id": "m"}]

    def run(self, run_id: str) -> Any:
        return self.runs()[0]

    def message(self, message_id: str | None) -> Any:
        call = {"kind": "tool_call", "tool_call_id": "c", "name": "work", "where": "kernel"}
        return {"parts": [{**call, "allowed": True, "effect": "run", "input": {}}]}


class WrittenLink(Link):
    """A link whose responses the test writes; without one, every request succeeds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Answer = lambda what, body: None
        self.gate: asyncio.Event | None = None
        self.gated = "claim"  # the requests that wait for the gate
        self.result: Future[tuple[bool, Any]] = Future()

    async def follow(self, thread_id: str, *messages: str) -> Hold:
        follower = self.followers.setdefault(thread_id, OneCallFollower(thread_id))
        return Hold(self, follower, messages)

    async def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        what = path.rsplit("/", 1)[1]
        what = "renewal" if what == "claim" and "claim" in body else what
        self.asked.append((what, body))
        if what == self.gated and self.gate is not None:
            await self.gate.wait()
        answer = self.answer(what, body)
        if isinstance(answer, Exception):
            raise answer
        if what == "result" and not self.result.done():
            self.result.set_result((body["success"], body["output"]))
        return {"claim": "k", "until": None, **(answer or {})}

    async def retry(self, exchange: Any, **options: Any) -> Any:
        """Take an upload."""
        self.asked.append(("upload", {}))
        answer = self.answer("upload", {})
        if isinstance(answer, Exception):
            raise answer
        return {"id": f"f{self.count('upload')}"}

    def count(self, what: str) -> int:
        return [asked for asked, _ in self.asked].count(what)

    def give_up_later(self) -> None:
        """Let a wait that would never end fail instead."""

        def give_up() -> None:
            if not self.result.done():
                self.result.set_exception(TimeoutError("the call has no result"))

        self._loop.call_soon_threadsafe(self._loop.call_later, PATIENCE_S, give_up)


@pytest.fixture
async def link() -> AsyncIterator[WrittenLink]:
    link = WrittenLink()
    link.give_up_later()
    yield link
    link.close()


def tool_of(function: Callable[..., Any], description: str = "") -> KernelTool:
    return function_tool(
        function, name="work", description=description, effect="run", idempotent=False
    )


async def offered(link: WrittenLink, function: Callable[..., Any]) -> Toolbox:
    """Offer a function, whose call then becomes a job of this thread."""
    box = Toolbox(link, "t", inbox.here())
    box.tools = {"work": tool_of(function)}

    async def begin() -> Hold:
        hold = await link.follow("t")
        box.use(hold.follower)
        box.look()
        return hold

    box.hold = await asyncio.wrap_future(link.start(begin()))
    return box


async def reached(ready: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not ready():  # noqa: ASYNC110 - another thread makes it so
            await asyncio.sleep(0.001)
