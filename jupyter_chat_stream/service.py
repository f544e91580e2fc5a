"""Everything a command can do, and nothing about how it came in.

The service joins store, engine, hub and providers; handlers, the command line and tests call it.
Each command validates, then does its work in one transaction, and the runs it makes are due in
that same transaction (L10). ``owner`` is always the server's word for who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ._version import PROTOCOL_VERSION, __version__
from .config import ChatStream
from .engine.local import LocalEngine
from .errors import CursorAhead, StoreError
from .events import ENDS, to_wire
from .follow import Hub, Reader
from .providers.registry import Registry
from .runs.execute import Tools
from .store import commands, reading, runs, threads
from .store.commands import SendRequest
from .store.log import Connection, ThreadRef
from .store.store import Store, system_now_ms

T = TypeVar("T")

FALLBACK_MODEL = "demo/tour"


@dataclass(kw_only=True)
class _Parts:
    """What a started service holds."""

    store: Store
    registry: Registry
    engine: LocalEngine
    hub: Hub


class Service:
    """The chat of one server. ``start`` opens the database; ``stop`` leaves it in good order."""

    def __init__(
        self,
        config: ChatStream,
        *,
        registry: Registry | None = None,
        now_ms: Callable[[], int] = system_now_ms,
    ) -> None:
        self.config = config
        self._registry = registry
        self._now_ms = now_ms
        self._started: _Parts | None = None
        self._warming: asyncio.Task[None] | None = None
        self._default_model = config.default_model or FALLBACK_MODEL

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Open the database and begin to execute what is due.

        Raises:
            StoreError: the database cannot be used; it was left as it is.
        """
        loop = asyncio.get_running_loop()
        url = self.config.resolved_database_url()
        store = await _in_a_thread(
            lambda: Store.open(url, synchronous=self.config.synchronous, now_ms=self._now_ms)
        )
        try:
            store.attach(loop)
            registry = self._registry
            if registry is None:
                registry = await _in_a_thread(Registry)
            tools = Tools(store=store, registry=registry, config=self.config)
            engine = LocalEngine(tools, self.config)
        except BaseException:
            await _in_a_thread(store.close)
            raise
        hub = Hub(store, poll_interval_s=self.config.poll_interval_s)
        self._started = _Parts(store=store, registry=registry, engine=engine, hub=hub)
        self._default_model = self._choose_default(registry)
        if self.config.run_in_server:
            await engine.start()
            if self._default_model != FALLBACK_MODEL:
                self._warming = loop.create_task(registry.warm())

    async def stop(self) -> None:
        """End readers' polls, leave runs for whoever comes next, close the database."""
        parts, self._started = self._started, None
        if parts is None:
            return
        try:
            await parts.hub.stop()
            await parts.engine.stop()
            if self._warming is not None:
                self._warming.cancel()
                await asyncio.gather(self._warming, return_exceptions=True)
            await parts.registry.close()
        finally:  # whatever one of them raises: what is pending is written
            await _in_a_thread(parts.store.close)

    @property
    def active_runs(self) -> int:
        return self._started.engine.active if self._started else 0

    @property
    def store(self) -> Store:
        return self._parts.store

    @property
    def _parts(self) -> _Parts:
        if self._started is None:
            raise StoreError("The chat is not running here. Ask again when its server has started.")
        return self._started

    def _choose_default(self, registry: Registry) -> str:
        if self.config.default_model:
            return self.config.default_model
        for model in registry.models():
            if model["ready"] and not model["canned"]:
                return str(model["id"])
        return FALLBACK_MODEL

    # ------------------------------------------------------------------ about

    async def status(self) -> dict[str, Any]:
        """Say what runs here."""
        parts = self._parts
        return {
            "version": __version__,
            "protocol": PROTOCOL_VERSION,
            "database": parts.store.database.describe(),
            "engine": parts.engine.name,
            "runs": await parts.store.read(runs.count_by_status),
        }

    async def models(self, owner: str) -> dict[str, Any]:
        """List the models, and which one a new thread of this owner gets."""
        wanted = (await self.preferences(owner))["default_model"]
        return {"models": self._parts.registry.models(), "default": wanted or self._default_model}

    async def preferences(self, owner: str) -> dict[str, Any]:
        return await self.store.read(lambda conn: threads.read_preferences(conn, owner))

    async def set_preferences(self, owner: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        if changes.get("default_model") is not None:
            self._parts.registry.get(changes["default_model"])
        return await self.store.write(lambda tx: threads.write_preferences(tx, owner, changes))

    # ------------------------------------------------------------------ threads

    async def create_thread(
        self,
        owner: str,
        *,
        name: str | None = None,
        title: str | None = None,
        model: str | None = None,
        system: str | None = None,
        project: str | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """Get the owner's thread of that name in the project, or create it."""
        if model is not None:
            self._parts.registry.get(model)
        else:
            model = (await self.preferences(owner))["default_model"] or self._default_model
        chosen = model
        return await self.store.write(
            lambda tx: threads.create_thread(
                tx,
                owner=owner,
                project=project or "",
                name=name,
                title=title,
                model=chosen,
                system=system,
            )
        )

    async def list_threads(
        self,
        owner: str,
        *,
        q: str | None = None,
        project: str | None = None,
        archived: bool = False,
        limit: int = 50,
        before: str | None = None,
    ) -> dict[str, Any]:
        found = await self.store.read(
            lambda conn: threads.list_threads(
                conn,
                owner,
                q=q,
                project=project,
                archived=archived,
                limit=limit,
                before=before,
            )
        )
        return {"threads": found}

    async def thread(self, owner: str, thread_id: str) -> dict[str, Any]:
        thread = await self._find_thread(owner, thread_id)
        return await self.store.read(lambda conn: threads.read_thread(conn, thread))

    async def change_thread(
        self, owner: str, thread_id: str, changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        if changes.get("model") is not None:
            self._parts.registry.get(changes["model"])
        thread = await self._find_thread(owner, thread_id)
        return await self.store.write(
            lambda tx: threads.change_thread(tx, owner, thread_id, changes), thread.pk
        )

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Cancel the thread's runs and mark it deleted, in one transaction."""
        thread = await self._find_thread(owner, thread_id)
        stopped = await self.store.write(lambda tx: commands.delete(tx, thread, owner), thread.pk)
        for run_id in stopped:
            await self._parts.engine.abort(run_id)

    async def state(
        self, owner: str, thread_id: str, *, limit: int | None = None, before: str | None = None
    ) -> dict[str, Any]:
        """Give the state of a thread, and the cursor it stands at."""

        def work(conn: Connection) -> dict[str, Any]:
            thread = threads.find_thread(conn, owner, thread_id)
            first = threads.find_message(conn, thread, before) if before is not None else None
            return reading.read_state(conn, thread, limit=limit, before=first)

        return await self.store.read(work)

    # ------------------------------------------------------------------ messages and runs

    async def send(
        self, owner: str, thread_id: str, request: SendRequest, *, key: str | None = None
    ) -> dict[str, Any]:
        """Write the person's message, the empty reply and its run, which is due from then on.

        Raises:
            ThreadNotFound, InvalidInput, ContentTooLarge, LimitReached, IdempotencyMismatch
        """
        content = commands.check_content(request.content)
        if request.model is not None:
            self._parts.registry.get(request.model)
        thread = await self._find_thread(owner, thread_id)

        sender = self._sender(owner, key)
        sent = await self.store.write(
            lambda tx: commands.send(tx, thread, sender, content, request), thread.pk
        )
        self._parts.engine.sweep.nudge()
        return sent

    async def runs(self, owner: str, thread_id: str) -> dict[str, Any]:
        thread = await self._find_thread(owner, thread_id)
        return {"runs": await self.store.read(lambda conn: runs.list_runs(conn, thread))}

    async def run(self, owner: str, run_id: str) -> dict[str, Any]:
        return await self.store.read(
            lambda conn: runs.read_run(conn, runs.find_run(conn, owner, run_id))
        )

    async def wait_ended(self, owner: str, run_id: str, timeout_s: float) -> dict[str, Any]:
        """Wait for a run's end; give its reply, as it is when time is up or a person is asked."""
        ref = await self.store.read(lambda conn: runs.find_run(conn, owner, run_id))

        def look(conn: Connection) -> tuple[int, bool]:
            run = runs.read_run(conn, ref)
            is_over = run["status"] in ENDS or run["phase"] == "waiting"
            return reading.head_of(conn, ref.thread), is_over

        after, is_over = await self.store.read(look)
        reader = self._parts.hub.follow(ref.thread, after)
        try:
            clock = asyncio.get_running_loop().time
            deadline = clock() + timeout_s
            while not is_over and clock() < deadline:
                await asyncio.wait_for(reader.next(), deadline - clock())
                _, is_over = await self.store.read(look)
        except asyncio.TimeoutError:
            pass  # the reply is given as it is by then
        finally:
            reader.close()
        return await self.store.read(lambda conn: reading.read_message(conn, ref))

    async def cancel(self, owner: str, run_id: str) -> dict[str, Any]:
        """Stop a run, wherever it is; of one that has ended, nothing changes."""
        ref = await self.store.read(lambda conn: runs.find_run(conn, owner, run_id))
        await self._parts.engine.abort(run_id)

        run = await self.store.write(lambda tx: commands.cancel(tx, ref), ref.thread.pk)
        self._parts.engine.sweep.nudge()
        return run

    async def retry(self, owner: str, run_id: str, key: str | None = None) -> dict[str, Any]:
        """Make a new run and a sibling reply for an ended one.

        Raises:
            RunNotFound, RunNotEnded
        """
        return await self._succeed(owner, run_id, key, keep_parts=False)

    async def continue_run(self, owner: str, run_id: str, key: str | None = None) -> dict[str, Any]:
        """Make a new run that goes on from what an ended one has.

        Raises:
            RunNotFound, RunNotEnded
        """
        return await self._succeed(owner, run_id, key, keep_parts=True)

    async def give_input(
        self, owner: str, run_id: str, *, request_id: str, value: Any
    ) -> dict[str, Any]:
        """Answer a run's open question; the first answer wins.

        Raises:
            RequestNotOpen: with the winning ``value`` and ``by`` where there was an answer.
        """
        ref = await self.store.read(lambda conn: runs.find_run(conn, owner, run_id))
        run = await self.store.write(
            lambda tx: commands.give_input(tx, ref, owner, request_id, value), ref.thread.pk
        )
        self._parts.engine.sweep.nudge()
        return run

    # ------------------------------------------------------------------ following

    async def follow(self, owner: str, thread_id: str, after: int, *, raw: bool = False) -> Reader:
        """Follow a thread from a cursor.

        Raises:
            ThreadNotFound, CursorAhead
        """
        thread = await self._check_cursor(owner, thread_id, after)
        return self._parts.hub.follow(thread, after, raw=raw)

    async def read_events(
        self, owner: str, thread_id: str, after: int, *, raw: bool = False, wait_s: float = 0.0
    ) -> dict[str, Any]:
        """Answer a cursor once, waiting for something new for at most ``wait_s``.

        Raises:
            ThreadNotFound, CursorAhead, Compacted
        """
        thread = await self._check_cursor(owner, thread_id, after)
        answer = await self._parts.hub.read_page(thread, after, raw=raw, wait_s=wait_s)
        if isinstance(answer, reading.Snapshot):
            return {"snapshot": answer.to_wire(), "seq": answer.seq}
        events = [to_wire(event) for event in answer.events]
        return {"events": events, "seq": events[-1]["seq"] if events else after}

    # ------------------------------------------------------------------ inside

    async def _find_thread(self, owner: str, thread_id: str) -> ThreadRef:
        return await self.store.read(lambda conn: threads.find_thread(conn, owner, thread_id))

    async def _check_cursor(self, owner: str, thread_id: str, after: int) -> ThreadRef:
        def work(conn: Connection) -> tuple[ThreadRef, int]:
            thread = threads.find_thread(conn, owner, thread_id)
            return thread, reading.head_of(conn, thread)

        thread, head = await self.store.read(work)
        if after > head:
            raise CursorAhead(thread_id, after, head)
        return thread

    async def _succeed(
        self, owner: str, run_id: str, key: str | None, *, keep_parts: bool
    ) -> dict[str, Any]:
        ref = await self.store.read(lambda conn: runs.find_run(conn, owner, run_id))
        sender = self._sender(owner, key)
        made = await self.store.write(
            lambda tx: commands.succeed(tx, ref, sender, keep_parts=keep_parts), ref.thread.pk
        )
        self._parts.engine.sweep.nudge()
        return made

    def _sender(self, owner: str, key: str | None) -> commands.Sender:
        limit = self.config.messages_per_minute
        return commands.Sender(owner=owner, key=key, messages_per_minute=limit)


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread of its own: the loop's executor belongs to everybody."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="chat-stream-open")
    try:
        return await asyncio.wrap_future(pool.submit(work))
    finally:
        pool.shutdown(wait=False)  # who leaves before the end does not hold up the loop
