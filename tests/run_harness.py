"""A store, a scripted provider and the local engine in the test's own loop, and a clock to turn.

``RunHarness`` takes the place of the service: it sends, claims and executes step by step, or lets
the engine do so. Nothing sleeps: ``until`` looks again after every commit and every end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from jupyter_chat_stream.engine.local import LocalEngine
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.events import ENDS, Event
from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.chat import runs, threads
from jupyter_chat_stream.store.chat.claims import Claimed, claim
from jupyter_chat_stream.store.chat.due import find_due, find_one
from jupyter_chat_stream.store.chat.runs import read_run
from jupyter_chat_stream.store.front import ChatStore, LeaseReader
from jupyter_chat_stream.store.log.reading import (
    read_events,
    read_message,
    read_snapshot,
    read_thread,
)
from jupyter_chat_stream.store.log.transaction import Connection, RunRef, ThreadRef, Transaction
from jupyter_chat_stream.store.store import Store
from jupyter_chat_stream.testing import ScriptedProvider
from tests.clock import Clock
from tests.prepared import prepare_sqlite

PATIENCE_S = 10.0
MODEL = "scripted/model"

T = TypeVar("T")


class RunHarness:
    """One process's store, provider and engine."""

    def __init__(
        self,
        store: Store,
        provider: ScriptedProvider,
        clock: Clock,
        config: ChatStream,
        make_engine: Callable[[RunServices, ChatStream], Any] = LocalEngine,
    ) -> None:
        self.store = store
        self.provider = provider
        self.clock = clock
        self.config = config
        self.chat_store = ChatStore(store)  # as the engine holds it
        self.services = RunServices(
            store=self.chat_store, registry=Registry([provider]), config=config
        )
        self.engine = make_engine(self.services, config)
        self.published: list[Event] = []
        self.expected_damage: list[str] = []  # what verify is to find at the end
        self.commits = asyncio.Event()
        store.listen(self._note)
        store.on_foreign(lambda threads: self.commits.set())
        sweep = getattr(self.engine, "sweep", None)  # an engine that executes has one
        if sweep is not None:
            self._nudge, sweep.nudge = sweep.nudge, self._note_end

    def _note(self, events: Sequence[Event]) -> None:
        self.published.extend(events)
        self.commits.set()

    def _note_end(self) -> None:
        self._nudge()  # the engine nudges when a run has ended, and so may a test be waiting
        self.commits.set()

    # ------------------------------------------------------------------ commands

    async def thread(self, owner: str = "local", **fields: Any) -> ThreadRef:
        """Create a thread."""
        named = {"project": "", "name": None, "title": None, "model": MODEL, "system": None}
        given: dict[str, Any] = {**named, **fields}

        def work(tx: Transaction) -> ThreadRef:
            made, _ = threads.create_thread(tx, owner=owner, **given)
            tx.flush()
            return threads.find_thread(tx.conn, owner, made["id"])

        return await self.store.write(work)

    async def send(self, thread: ThreadRef, text: str = "Why?", **reply: Any) -> RunRef:
        """Write a user's message after the head, its empty reply and the run."""

        def work(tx: Transaction) -> RunRef:
            parent = reply.pop("parent_id", read_thread(tx.conn, thread)["head"])
            parts = reply.pop("user_parts", [{"kind": "text", "text": text}])
            message = runs.add_message(tx, thread, parts=parts, parent_id=parent)
            new = {"parent_id": message["id"], "model": MODEL, "params": {}, **reply}
            return runs.add_reply(tx, thread, runs.NewReply(**new)).ref

        run = await self.store.write(work, thread.pk)
        self.engine.nudge()
        return run

    async def cancel(self, run: RunRef) -> bool:
        """Cancel from outside, as another process would."""
        return await self.store.write(lambda tx: runs.cancel(tx, run), run.thread.pk)

    async def claim(self, owner: str | None = None) -> Claimed:
        """Take the first run that is due."""
        due = (await self.store.read(lambda conn: find_due(conn, self.clock())))[0]
        claimed = await self.store.write(
            lambda tx: claim(
                tx,
                due,
                owner or self.engine.holder,
                max_crashes=self.config.max_crashes,
                on_crash=self.config.on_crash,  # type: ignore[arg-type]
            ),
            due.run.thread.pk,
        )
        assert claimed is not None
        return claimed

    async def execute(self) -> RunRef:
        """Take the first run that is due and execute it to where it ends or waits."""
        claimed = await self.claim()
        await self.bounded(Execution(self.services, claimed).run())
        return claimed.run

    # ------------------------------------------------------------------ looking

    async def run(self, run: RunRef) -> dict[str, Any]:
        return await self.store.read(lambda conn: read_run(conn, run))

    async def reply(self, run: RunRef) -> dict[str, Any]:
        return await self.store.read(lambda conn: read_message(conn, run))

    async def column(self, run: RunRef, name: str) -> Any:
        """Read a column of a run's row that is not on the wire."""
        sql = f"SELECT {name} FROM run WHERE pk = {run.pk}"
        return await self.store.read(lambda conn: conn.exec_driver_sql(sql).scalar())

    async def is_lost(self, run: RunRef) -> bool:
        """Return whether the engine takes a run for one that nobody works on."""

        def look(conn: Connection) -> bool:
            due = find_one(conn, run.id)
            return due is not None and self.engine.running.is_lost(LeaseReader(conn), due)

        return await self.store.read(look)

    async def events(self, thread: ThreadRef) -> list[Event]:
        return await self.store.read(lambda conn: read_events(conn, thread, 0, 100_000))

    async def types(self, run: RunRef) -> list[str]:
        """Return a run's events, statuses as their phase."""
        events = await self.events(run.thread)
        own = [event for event in events if event.run_id == run.id]
        return [getattr(event.body, "phase", None) or event.type for event in own]

    async def state(self, thread: ThreadRef) -> dict[str, Any]:
        snapshot = await self.store.read(lambda conn: read_snapshot(conn, thread, 0))
        return snapshot.to_wire()

    async def until(self, ready: Callable[[], Any]) -> Any:
        """Wait until ``ready``, a function or a coroutine function, gives something true."""

        async def wait() -> Any:
            while True:
                self.commits.clear()
                found = ready()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await self.commits.wait()

        return await self.bounded(wait())

    async def ended(self, run: RunRef) -> dict[str, Any]:
        """Wait for a run's end, wherever it is executed."""
        return await self.until_status(run, *ENDS)

    async def until_status(self, run: RunRef, *statuses: str) -> dict[str, Any]:
        """Wait until a run has one of these statuses."""

        async def look() -> dict[str, Any] | None:
            state = await self.run(run)
            return state if state["status"] in statuses else None

        found: dict[str, Any] = await self.until(look)
        return found

    async def bounded(self, work: Any) -> Any:
        return await asyncio.wait_for(work, PATIENCE_S)


@asynccontextmanager
async def running_harness(
    folder: Path,
    *scripts: Any,
    provider: ScriptedProvider | None = None,
    clock: Clock | None = None,
    make_store: Callable[..., Store] = Store.open,
    make_engine: Callable[[RunServices, ChatStream], Any] = LocalEngine,
    url: str | None = None,
    **settings: Any,
) -> AsyncIterator[RunHarness]:
    """Open a store in a folder; at the end the store must agree with its log (L7)."""
    clock = clock or Clock()
    config = ChatStream(**{"sweep_interval_s": 3600.0, **settings})
    store = make_store(url or prepare_sqlite(folder / "chat.db"), now_ms=clock)
    store.attach(asyncio.get_running_loop())
    harness = RunHarness(store, provider or ScriptedProvider(*scripts), clock, config, make_engine)
    try:
        try:
            yield harness
        finally:
            await harness.engine.stop()
        damage = await store.read(lambda conn: [str(found) for found in verify(conn)])
        assert damage == harness.expected_damage, damage
    finally:
        await asyncio.get_running_loop().run_in_executor(None, store.close)


def texts(message: Mapping[str, Any]) -> list[str]:
    """Return a message's parts' texts."""
    return [part.get("text", part["kind"]) for part in message["parts"]]


def holds(log_text: str, secret: str) -> bool:
    """Return whether a secret is in a text, whatever quoting it went through."""
    return re.sub(r"[^a-z]", "", secret.lower()) in re.sub(r"[^a-z]", "", log_text.lower())
