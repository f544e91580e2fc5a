"""Readers that never give up and never forget: over WebSocket, SSE and long poll.

Each holds one thread's state, folded by the sans-I/O subscription from what it is sent, and comes
back from its cursor whenever the server is gone. A ``Memory`` is shared by all readers of a thread:
every event that any of them ever saw, by seq. What a server may never do is noted as a breach.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp

from jupyter_chat_stream.shared.subscription import Applied, Ended, Resubscribe, Subscription
from tests.faults.harness import LOOK_S, UNREACHABLE, Server
from tests.faults.processes import eventually

POLL_S = 5.0
AWAY_CODES = ("store_error", "database_busy", "database_unreachable", "start_failed")
FOR_EVER = aiohttp.ClientTimeout(total=None, sock_connect=5)


async def until_away(follow: Callable[[], Awaitable[None]]) -> None:
    """Follow until the server is gone, or says that it is going or not yet there."""
    try:
        await follow()
    except aiohttp.ClientResponseError as refused:
        if refused.status != 503:
            raise
    except UNREACHABLE:
        return


class Memory:
    """What was ever seen of a thread; an event once seen is there for ever, unchanged (L2, L3)."""

    def __init__(self, thread: str) -> None:
        self.thread = thread
        self.events: dict[int, str] = {}
        self.breaches: list[str] = []
        self.seen = 0  # events received, by whomever
        self.ended: dict[str, int] = {}  # run -> seq of its end
        self.first_seen: dict[tuple[str, int], float] = {}  # (run, attempt) -> monotonic time

    def see(self, event: Mapping[str, Any], reader: str) -> None:
        seq, text = event["seq"], json.dumps(event, sort_keys=True)
        self.seen += 1
        if self.events.setdefault(seq, text) != text:
            self.breaches.append(f"{reader}: L2: {seq} was {self.events[seq]}, is {text}")
        if event.get("attempt") is not None:
            self.first_seen.setdefault((event["run_id"], event["attempt"]), time.monotonic())
        if event["type"] == "finalized":
            self.ended[event["run_id"]] = seq


class Reader:
    """One thread as one reader holds it."""

    kind = ""

    def __init__(self, server: Server, memory: Memory) -> None:
        self.server = server
        self.memory = memory
        self.subscription = Subscription(memory.thread)
        self.comebacks = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> int:
        return self.subscription.cursor

    def start(self) -> Reader:
        self._task = asyncio.get_running_loop().create_task(self._keep_following())
        return self

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        ended = (await asyncio.gather(self._task, return_exceptions=True))[0]
        if not isinstance(ended, asyncio.CancelledError):
            raise AssertionError(f"{self.kind} reader ended by itself: {ended!r}") from ended

    async def until(self, seq: int, within_s: float = 30.0) -> None:
        """Wait until this reader has come so far."""

        async def look() -> bool:
            assert self._task is not None
            if self._task.done():
                await self._task
            return self.cursor >= seq

        await eventually(look, within_s=within_s, what=f"{self.kind} reader at {seq}")

    async def _keep_following(self) -> None:
        while True:
            await until_away(self._follow)
            self.comebacks += 1
            await asyncio.sleep(LOOK_S)

    async def _follow(self) -> None:
        raise NotImplementedError

    def _breach(self, what: object) -> None:
        self.memory.breaches.append(f"{self.kind} reader at {self.cursor}: {what}")

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take a frame; one that makes a reader ask again is a breach: it should not be sent."""
        before = self.cursor
        for event in frame.get("events", ()):
            self.memory.see(event, self.kind)
        if frame["op"] == "events" and [e["seq"] for e in frame["events"]] != list(
            range(before + 1, before + 1 + len(frame["events"]))
        ):
            self._breach(f"L1, L6: not dense: {[e['seq'] for e in frame['events']]}")
        action = self.subscription.receive(frame)
        if frame["op"] == "snapshot":  # who comes back late may be told of an end by it alone
            for run in frame["runs"]:
                if run["ended_at"]:
                    self.memory.ended.setdefault(run["id"], frame["seq"])
        if isinstance(action, (Resubscribe, Ended)):
            self._breach(action)
        elif isinstance(action, Applied) and self.cursor < before:
            self._breach("the cursor went back")


class SseReader(Reader):
    """Follows by server-sent events, each event by itself (``raw``)."""

    kind = "sse"

    async def _follow(self) -> None:
        url = f"{self.server.url}threads/{self.memory.thread}/events?after=0&raw=1"
        headers = {
            **self.server.headers,
            "Accept": "text/event-stream",
            "Last-Event-ID": str(self.cursor),
        }
        pieces = bytearray()
        async with (
            aiohttp.ClientSession(timeout=FOR_EVER, raise_for_status=True) as session,
            session.get(url, headers=headers) as response,
        ):
            async for piece in response.content.iter_any():
                pieces += piece
                while (end := pieces.find(b"\n\n")) >= 0:
                    self._take_block(bytes(pieces[:end]).decode())
                    del pieces[: end + 2]

    def _take_block(self, block: str) -> None:
        fields = dict(
            line.split(": ", 1) for line in block.split("\n") if line[:1] not in ("", ":")
        )
        if not fields:
            return
        event = json.loads(fields["data"])
        if "op" in event:
            self._breach("a snapshot, though raw=1")
            return
        if str(event["seq"]) != fields["id"]:
            self._breach(f"id {fields['id']} on event {event['seq']}")
        self.take({"op": "events", "events": [event]})


class PollReader(Reader):
    """Follows by asking again and again."""

    kind = "poll"

    async def _follow(self) -> None:
        while True:
            path = f"threads/{self.memory.thread}/events?after={self.cursor}&wait={POLL_S:g}"
            status, answer = await self.server.ask("GET", path)
            if status == 503:  # it stops, or has not started
                return
            if status != 200:
                self._breach((status, answer))
                return
            if "snapshot" in answer:
                self.take(answer["snapshot"])
            elif answer["events"]:
                self.take({"op": "events", "events": answer["events"]})


class SocketReader(Reader):
    """One of the threads that a ``Socket`` follows."""

    kind = "socket"


class Socket:
    """Follows many threads over one WebSocket."""

    def __init__(self, server: Server, memories: Sequence[Memory]) -> None:
        self.server = server
        self.readers = {memory.thread: SocketReader(server, memory) for memory in memories}
        self.comebacks = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Socket:
        self._task = asyncio.get_running_loop().create_task(self._keep_following())
        for reader in self.readers.values():
            reader._task = self._task
        return self

    async def stop(self) -> None:
        await next(iter(self.readers.values())).stop()

    async def _keep_following(self) -> None:
        while True:
            await until_away(self._follow)
            self.comebacks += 1
            await asyncio.sleep(LOOK_S)

    async def _follow(self) -> None:
        url = self.server.url.replace("http", "ws", 1) + "ws"
        async with (
            aiohttp.ClientSession(timeout=FOR_EVER, headers=self.server.headers) as session,
            session.ws_connect(url, max_msg_size=0) as connection,
        ):
            for reader in self.readers.values():
                await connection.send_json(reader.subscription.request())
            async for message in connection:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                self._take(json.loads(message.data))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["op"] == "heartbeat":
            return
        reader = self.readers[frame["thread"]]
        if frame["op"] == "error" and frame["error"].get("code") in AWAY_CODES:
            raise ConnectionResetError("the server cannot read its database now: come back later")
        reader.take(frame)
