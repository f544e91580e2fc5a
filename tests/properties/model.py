"""The model beside the store, and what is checked of both; the rules are in machine.py.

Dull on purpose: per thread the list of events that were published, and per run what an engineer
would note on paper. The store's log must be that list, and every cursor must lead to one state.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from jupyter_chat_stream.following import delivery
from jupyter_chat_stream.following.hub import Hub, Reader
from jupyter_chat_stream.shared.events import (
    ENDS,
    Event,
    canonical,
    parse,
)
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.store.log.reading import Replay, Snapshot, read_after, read_events
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from jupyter_chat_stream.store.store import Store
from tests.prepared import prepare_sqlite

T = TypeVar("T")

PATIENCE_S = 20.0
TINY_BUFFER_BYTES = 700  # about three deltas


class Crash(BaseException):
    """The process dies here: nobody may catch this and go on."""


@dataclass(kw_only=True, eq=False)
class ModelRun:
    """What is known of a run by what was done to it."""

    ref: RunRef
    thread: int
    parts: list[tuple[str, int]]  # kind, and the attempt that opened it
    created_ms: int
    attempt: int = 0
    status: str = "pending"
    wake_ms: int | None = None
    owner: str | None = None
    crashes: int = 0
    question: str | None = None
    is_compacted: bool = False
    continues: bool = False

    @property
    def is_open(self) -> bool:
        return self.status not in ENDS

    @property
    def due_ms(self) -> int:
        """The time since when the run is due."""
        return self.created_ms if self.wake_ms is None else self.wake_ms


@dataclass(kw_only=True, eq=False)
class ModelThread:
    """A thread's log as a list, and its state after each event, as folded then."""

    ref: ThreadRef
    events: list[Event] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=lambda: [Transcript().state()])
    transcript: Transcript = field(default_factory=Transcript)

    def take(self, event: Event) -> None:
        assert event.seq == len(self.events) + 1, "L1: not dense"
        self.events.append(event)
        self.transcript.apply(event)
        self.states.append(self.transcript.state())


@dataclass(kw_only=True, eq=False)
class ModelReader:
    """A reader of the wire: what it holds survives every connection."""

    thread: ModelThread
    transcript: Transcript
    pours: bool = False
    reader: Reader | None = None
    is_live: bool = False
    sink: ModelSink | None = None

    @property
    def is_level(self) -> bool:
        return self.is_live and self.transcript.seq >= len(self.thread.events)

    def receive(self, text: str) -> None:
        """Take a frame of the wire: no gap, no duplicate (L6)."""
        frame = json.loads(text)
        if frame["op"] == "snapshot":
            assert frame["seq"] > self.transcript.seq
            self.transcript.replace(frame)
        elif frame["op"] == "events":
            # A reader may read a commit before it is published, and so before the model has it.
            for wire in frame["events"]:
                assert wire["seq"] == self.transcript.seq + 1, "L6: a gap or a duplicate"
                self.transcript.apply(parse(wire))
        else:
            assert frame["op"] == "live"
            assert frame["seq"] == self.transcript.seq
            assert not self.is_live, "it is said once"
            self.is_live = True

    def leave(self) -> None:
        """Its connection breaks; what it holds stays."""
        if self.reader is not None:
            self.reader.close()
        if self.sink is not None and self.sink.pouring is not None:
            self.sink.pouring.cancel()
        self.reader, self.sink, self.is_live = None, None, False


class ModelSink:
    """A socket's way out with room for a few frames at a time; it refuses every third anyway."""

    def __init__(self, reader: ModelReader) -> None:
        self.pouring: asyncio.Task[None] | None = None
        self.room = 0
        self._offered = 0
        self._reader = reader
        self._moved = asyncio.Event()

    def take(self, text: str) -> bool:
        self._moved.set()
        self._offered += 1
        if self.room == 0 or self._offered % 3 == 0:
            return False
        self.room -= 1
        self._reader.receive(text)
        return True

    async def drained(self) -> None:
        await self.until(lambda: self.room > 0)

    async def until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._moved.clear()
            await self._moved.wait()

    async def give(self, room: int) -> None:
        """Make room, and wait until it is used or the reader is level."""
        self.room = room
        self._moved.set()
        done = asyncio.ensure_future(self.until(lambda: not self.room or self._reader.is_level))
        assert self.pouring is not None
        await asyncio.wait({done, self.pouring}, return_when=asyncio.FIRST_COMPLETED)
        if self.pouring.done():
            self.pouring.result()
        done.cancel()


def at(state: dict[str, Any]) -> Transcript:
    """Begin with a state that somebody held."""
    transcript = Transcript()
    transcript.replace({**state, "info": state["thread"]})
    return transcript


def pick(items: Sequence[T], index: int) -> T | None:
    return items[index % len(items)] if items else None


class Base(RuleBasedStateMachine):
    """The store, its loop and the list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="chat-stream-machine-"))
        self.loop = asyncio.new_event_loop()
        self.threads: list[ModelThread] = []
        self.runs: list[ModelRun] = []
        self.readers: list[ModelReader] = []
        self.published: list[Event] = []
        self.ids = 0
        self.clock = 1_800_000_000_000
        self._buffer_bytes, delivery.BUFFER_BYTES = (
            delivery.BUFFER_BYTES,
            TINY_BUFFER_BYTES,
        )
        self._excepthook, threading.excepthook = threading.excepthook, self._on_thread_death
        self.url = self.make_database()
        self.open()
        self.elsewhere: Store | None = None  # another process's store on the same database

    def _on_thread_death(self, told: Any) -> None:
        if not issubclass(told.exc_type, Crash):
            self._excepthook(told)

    def make_database(self) -> str:
        """Return the URL of an empty one."""
        return prepare_sqlite(self.folder / "chat.db")

    def drop_database(self) -> None:
        """Remove it, when nobody has it open any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self) -> None:
        self.store = Store.open(self.url, now_ms=self.now, make_id=self.new_id)
        self.store.attach(self.loop)
        self.store.listen(self.note)
        self.hub = Hub(ChatStore(self.store), poll_interval_s=3600.0)

    def now(self) -> int:
        return self.clock

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids:05d}"

    def note(self, events: list[Event]) -> None:
        """L3: what is published is in the database by then."""
        by_id = {thread.ref.id: thread for thread in self.threads}
        for event in events:
            self.published.append(event)
            if event.thread_id in by_id:
                by_id[event.thread_id].take(event)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE_S))

    def do(self, work: Any, *pks: int) -> Any:
        return self.wait(self.store.write(work, *pks))

    def look(self, work: Any) -> Any:
        return self.store.read_now(work)

    def damage(self) -> list[str]:
        return self.look(lambda conn: [str(found) for found in verify(conn)])

    def outcomes(self, futures: Sequence[Future[Any]]) -> list[Any]:
        async def gather() -> list[Any]:
            wrapped = [asyncio.wrap_future(future) for future in futures]
            return await asyncio.gather(*wrapped, return_exceptions=True)

        return self.wait(gather())

    def held_up(self) -> tuple[threading.Event, Future[None]]:
        """Keep the writer busy until the event is set."""
        begun, go_on = threading.Event(), threading.Event()

        def work(tx: Transaction) -> None:
            begun.set()
            assert go_on.wait(PATIENCE_S)

        future = self.store.submit(work)
        assert begun.wait(PATIENCE_S)
        return go_on, future

    def expect(self, since: int, *expected: tuple[str, str | None, int | None]) -> None:
        """Check what was published since, as (type, run, attempt)."""
        found = [(e.type, e.run_id, e.attempt) for e in self.published[since:]]
        assert found == list(expected), (found, expected)

    def leave_all(self) -> None:
        """Every connection breaks; what the readers hold stays."""
        for reader in self.readers:
            reader.leave()
        self.wait(self.hub.stop())

    def log_is_the_list(self, thread: ModelThread) -> None:
        """L1, L2: dense, and no event is ever another one; compaction takes deltas alone."""
        stored = self.look(lambda conn: read_events(conn, thread.ref, 0, 10**6))
        gone = {
            run.ref.id
            for run in self.runs
            if run.is_compacted and self.threads[run.thread] is thread
        }
        kept = [e for e in thread.events if not (e.type == "delta" and e.run_id in gone)]
        assert stored == kept

    def every_cursor_leads_to_the_state(self, thread: ModelThread, limits: dict[str, Any]) -> None:
        """L6: the state folded up to c, and then whatever is answered."""
        whole = canonical(thread.transcript.state())
        replays: dict[int, Replay] = {}  # many ways lead over the same cursors
        for cursor, state in enumerate(thread.states):
            transcript = at(state)
            assert transcript.seq == cursor
            while transcript.seq < len(thread.events):
                seq = transcript.seq
                if seq not in replays:
                    replays[seq] = self._read_after(thread, seq, limits)
                take_replay(thread, transcript, replays[seq])
            assert canonical(transcript.state()) == whole, cursor

    def _read_after(self, thread: ModelThread, cursor: int, limits: dict[str, Any]) -> Replay:
        return self.look(lambda conn: read_after(conn, thread.ref, cursor, **limits))

    def every_reader_gets_there(self) -> None:
        """L6, L8: through the hub, whatever its buffers had to drop."""
        for reader in self.readers:
            self.read_on(reader, 10**6)
            assert canonical(reader.transcript.state()) == canonical(
                reader.thread.transcript.state()
            )

    def read_on(self, reader: ModelReader, frames: int) -> None:
        if reader.reader is None:
            reader.reader = self.wait(self._follow(reader))
        assert reader.reader.delivery.buffered_bytes <= TINY_BUFFER_BYTES, "L8: not bounded"
        if reader.sink is not None:
            self.wait(reader.sink.give(frames))
            return
        while frames and not reader.is_level:
            frames -= 1
            reader.receive(self.wait(reader.reader.next()).text)
            assert reader.reader.delivery.buffered_bytes <= TINY_BUFFER_BYTES, "L8: not bounded"

    async def _follow(self, reader: ModelReader) -> Reader:
        made = self.hub.follow(reader.thread.ref, reader.transcript.seq)
        if reader.pours:
            reader.sink = ModelSink(reader)
            reader.sink.pouring = asyncio.ensure_future(made.pour(reader.sink))
        return made

    def teardown(self) -> None:
        try:
            for thread in self.threads:
                self.log_is_the_list(thread)
                self.every_cursor_leads_to_the_state(thread, {"page_events": 7})
            self.every_reader_gets_there()
            assert self.damage() == [], "L7"
        finally:
            delivery.BUFFER_BYTES = self._buffer_bytes
            threading.excepthook = self._excepthook
            self.leave_all()
            self.store.close()
            if self.elsewhere is not None:
                self.elsewhere.close()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            self.drop_database()


def take_replay(thread: ModelThread, transcript: Transcript, replay: Replay) -> None:
    if isinstance(replay, Snapshot):
        assert replay.seq == len(thread.events)
        transcript.replace(replay.to_wire())
        return
    assert replay.events
    for event in replay.events:
        assert event.seq == transcript.seq + 1
        transcript.apply(event)
