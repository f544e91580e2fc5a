"""A hub with one thread to follow, and a run that the test itself writes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_chat_stream.following.frames import Frame
from jupyter_chat_stream.following.hub import Hub, Reader
from jupyter_chat_stream.shared.events import (
    Completed,
    Delta,
    Finalized,
    ThreadChanged,
    canonical,
    parse,
)
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.chat.claims import Claimed
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.store.sql.notices.base import Notices
from jupyter_chat_stream.store.store import Store
from tests.run_harness import PATIENCE_S, RunHarness


class Following:
    """A harness with a hub, and one run that the test itself writes."""

    def __init__(self, harness: RunHarness, hub: Hub) -> None:
        self.harness = harness
        self.hub = hub
        self.thread: ThreadRef
        self.claimed: Claimed

    @classmethod
    async def begun(cls, harness: RunHarness, poll_interval_s: float = 3600.0) -> Following:
        self = cls(harness, Hub(harness.chat_store, poll_interval_s=poll_interval_s))
        self.thread = await harness.thread()
        await self.next_run()
        return self

    async def next_run(self) -> RunRef:
        run = await self.harness.send(self.thread)
        self.claimed = await self.harness.claim("01me")
        return run

    async def say(self, *pieces: str, store: Store | None = None) -> None:
        """Commit a delta for each piece, in one transaction."""
        bodies = [Delta(part=0, kind="text", text=piece) for piece in pieces]
        await self.write(*bodies, store=store)

    async def write(self, *bodies: Any, store: Store | None = None) -> None:
        append = Append(run=self.claimed.run, attempt=self.claimed.attempt, bodies=bodies)
        await asyncio.wrap_future((store or self.harness.store).append_future(append))

    async def end(self) -> None:
        complete = Completed(content="", usage=None, stop_reason=None, model=None)
        await self.write(complete, Finalized(status="completed"))

    def follow(self, after: int = 0, *, raw: bool = False) -> Reader:
        return self.hub.follow(self.thread, after, raw=raw)

    async def whole(self) -> str:
        """The state by folding everything."""
        transcript = Transcript()
        for event in await self.harness.events(self.thread):
            transcript.apply(event)
        return canonical(transcript.state())


def take(frame: Frame, transcript: Transcript) -> None:
    """Take a frame as a reader of the wire does: no gap, no duplicate (L6)."""
    wire = json.loads(frame.text)
    if wire["op"] == "events":
        assert wire["events"]
        for event in wire["events"]:
            assert event["seq"] == transcript.seq + 1
            transcript.apply(parse(event))
    elif wire["op"] == "snapshot":
        assert wire["seq"] > transcript.seq
        transcript.replace(wire)
    assert frame.seq == transcript.seq


async def until_live(reader: Reader, transcript: Transcript) -> list[str]:
    """Read to the frame `live`; give the kinds of the frames."""
    ops: list[str] = []
    while "live" not in ops:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        take(frame, transcript)
        ops.append(frame.op)
    return ops


async def until_seq(reader: Reader, transcript: Transcript, seq: int) -> None:
    while transcript.seq < seq:
        take(await asyncio.wait_for(reader.next(), PATIENCE_S), transcript)


async def delete(following: Following) -> None:
    change = ThreadChanged(thread={"deleted": True})
    await following.harness.store.write(lambda tx: tx.append(following.thread, change))


def a_silent_store(harness: RunHarness) -> Store:
    """Another process's store on the same file, whose notices are all lost."""
    other = Store.open(harness.store.database.url.render_as_string(), now_ms=harness.clock)
    other.writer.batches.notices = Notices()
    return other
