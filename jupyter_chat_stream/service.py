"""Everything a command can do, and nothing about how it came in.

The service joins store, engine, hub and providers; handlers, the command line and tests call it.
Each command validates, then does its work in one transaction, and the runs it makes are due in
that same transaction (L10). ``owner`` is always the server's word for who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ._version import PROTOCOL_VERSION, __version__
from .config import ChatStream
from .engine.local import LocalEngine
from .errors import (
    ChatStreamError,
    ContentTooLarge,
    CursorAhead,
    InvalidInput,
    LimitReached,
    RequestNotOpen,
)
from .events import ENDS, MAX_CONTENT_BYTES, InputGiven, clean_text, to_wire
from .follow import Hub, Reader
from .providers.registry import Registry
from .runs.execute import Tools
from .store import reading, runs, threads
from .store.log import Connection, ThreadRef, Transaction
from .store.store import Store, system_now_ms

log = logging.getLogger("jupyter_chat_stream.service")

T = TypeVar("T")

FALLBACK_MODEL = "demo/tour"
JSON_PAGE_EVENTS = 2048
JSON_PAGE_BYTES = 256 * 1024  # what any reader may hold (L8); who wants more asks again


class _Head:
    """Stands for the thread's head, where a message names no parent."""


HEAD: Final = _Head()


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """What a person sends. ``parent_id``: ``HEAD`` for the newest reply, None for a root."""

    content: str
    model: str | None = None
    params: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    context: Sequence[Mapping[str, str]] = ()
    parent_id: str | _Head | None = HEAD

    def body(self) -> dict[str, Any]:
        """Give what an idempotency key stands for."""
        parent = "" if isinstance(self.parent_id, _Head) else self.parent_id
        return {
            **vars(self),
            "tools": list(self.tools),
            "context": list(self.context),
            "parent_id": parent,
        }


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
        store.attach(loop)
        registry = self._registry or Registry()
        tools = Tools(store=store, registry=registry, config=self.config)
        engine = LocalEngine(tools, self.config)
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
        await parts.hub.stop()
        await parts.engine.stop()
        if self._warming is not None:
            await asyncio.gather(self._warming, return_exceptions=True)
        await parts.registry.close()
        await _in_a_thread(parts.store.close)

    @property
    def active_runs(self) -> int:
        """How many runs this process executes now."""
        return self._started.engine.active if self._started else 0

    @property
    def store(self) -> Store:
        return self._parts.store

    @property
    def _parts(self) -> _Parts:
        if self._started is None:
            raise ChatStreamError("The chat service is not running.")
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
            self._check_model(changes["default_model"])
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
            self._check_model(model)
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
        return await self.store.read(
            lambda conn: threads.read_thread(conn, threads.find_thread(conn, owner, thread_id))
        )

    async def change_thread(
        self, owner: str, thread_id: str, changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        if changes.get("model") is not None:
            self._check_model(changes["model"])
        thread = await self._find_thread(owner, thread_id)
        return await self.store.write(
            lambda tx: threads.change_thread(tx, owner, thread_id, changes), thread.pk
        )

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Cancel the thread's runs and mark it deleted, in one transaction."""
        thread = await self._find_thread(owner, thread_id)

        def work(tx: Transaction) -> list[str]:
            threads.find_thread(tx.conn, owner, thread_id)
            stopped = runs.open_runs(tx.conn, thread)
            for run in stopped:
                runs.cancel(tx, run)
            threads.mark_deleted(tx, thread)
            return [run.id for run in stopped]

        for run_id in await self.store.write(work, thread.pk):
            await self._parts.engine.abort(run_id)

    async def state(
        self, owner: str, thread_id: str, *, limit: int | None = None, before: str | None = None
    ) -> dict[str, Any]:
        """Give the state of a thread, and the cursor it stands at."""

        def work(conn: Connection) -> dict[str, Any]:
            thread = threads.find_thread(conn, owner, thread_id)
            snapshot = reading.read_snapshot(conn, thread, 0, limit=limit if before is None else 1)
            messages = list(snapshot.messages)
            if before is not None:
                pk = threads.find_message(conn, thread, before)
                messages = reading.read_messages_before(conn, thread, pk, limit or 100)
            return {
                "messages": messages,
                "runs": list(snapshot.runs),
                "thread": snapshot.info,
                "seq": snapshot.seq,
            }

        return await self.store.read(work)

    # ------------------------------------------------------------------ messages and runs

    async def send(
        self, owner: str, thread_id: str, request: SendRequest, *, key: str | None = None
    ) -> dict[str, Any]:
        """Write the person's message, the empty reply and its run, which is due from then on.

        Raises:
            ThreadNotFound, InvalidInput, ContentTooLarge, LimitReached, IdempotencyMismatch
        """
        content = _checked_content(request.content)
        if request.model is not None:
            self._check_model(request.model)
        thread = await self._find_thread(owner, thread_id)

        def work(tx: Transaction) -> dict[str, Any]:
            info = threads.read_thread(tx.conn, threads.find_thread(tx.conn, owner, thread_id))
            if key is not None:
                known = threads.recall_key(tx, owner, thread, "messages", key, request.body())
                if known is not None:
                    return _sent(tx, thread, *known)
            self._check_rate(tx, owner)
            parent_id = request.parent_id
            if isinstance(parent_id, _Head):
                parent_id = info["head"]
            elif parent_id is not None:
                threads.find_message(tx.conn, thread, parent_id)
            message = runs.add_message(
                tx, thread, parts=_parts_of(content, request.context), parent_id=parent_id
            )
            params = {"params": dict(request.params or {}), "tools": list(request.tools)}
            model = request.model or info["model"]
            reply = runs.NewReply(parent_id=message["id"], model=model, params=params)
            run = runs.add_reply(tx, thread, reply)
            if key is not None:
                threads.remember_key(
                    tx,
                    owner,
                    thread,
                    "messages",
                    key,
                    request.body(),
                    message_id=message["id"],
                    run_id=run.id,
                )
            tx.flush()
            return _sent(tx, thread, message["id"], run.id)

        sent = await self.store.write(work, thread.pk)
        self._parts.engine.sweep.nudge()
        return sent

    async def runs(self, owner: str, thread_id: str) -> dict[str, Any]:
        def work(conn: Connection) -> list[dict[str, Any]]:
            return runs.list_runs(conn, threads.find_thread(conn, owner, thread_id))

        return {"runs": await self.store.read(work)}

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
            deadline = asyncio.get_running_loop().time() + timeout_s
            while not is_over:
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0:
                    break
                try:
                    await asyncio.wait_for(reader.next(), left_s)
                except asyncio.TimeoutError:
                    break
                _, is_over = await self.store.read(look)
        finally:
            reader.close()
        return await self.store.read(lambda conn: reading.read_message(conn, ref))

    async def cancel(self, owner: str, run_id: str) -> dict[str, Any]:
        """Stop a run, wherever it is; of one that has ended, nothing changes."""
        ref = await self.store.read(lambda conn: runs.find_run(conn, owner, run_id))
        await self._parts.engine.abort(run_id)

        def work(tx: Transaction) -> dict[str, Any]:
            runs.cancel(tx, ref)
            return dict(tx.run(ref))

        run = await self.store.write(work, ref.thread.pk)
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

        def work(tx: Transaction) -> dict[str, Any]:
            asked = runs.find_request(tx, ref, request_id)
            if tx.run(ref)["status"] != "waiting" or asked is None or asked["by"] is not None:
                facts = {k: asked[k] for k in ("value", "by")} if asked else {}
                raise RequestNotOpen(
                    f"Question {request_id!r} of run {run_id!r} is not open.", **facts
                )
            if asked["choices"] is not None and value not in asked["choices"]:
                raise InvalidInput("The value is not one of the choices.", choices=asked["choices"])
            body = InputGiven(request_id=request_id, value=value, by=owner)
            tx.append(ref.thread, body, run=ref)
            tx.settle(ref)
            return dict(tx.run(ref))

        run = await self.store.write(work, ref.thread.pk)
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
        reader = self._parts.hub.follow(thread, after, raw=raw) if wait_s > 0 else None
        try:
            answer = await self._read_page(thread, after, raw)
            if reader is not None and isinstance(answer, reading.Page) and not answer.events:
                await _wait_for_more(reader, wait_s)
                answer = await self._read_page(thread, after, raw)
        finally:
            if reader is not None:
                reader.close()
        if isinstance(answer, reading.Snapshot):
            return {"snapshot": answer.to_wire(), "seq": answer.seq}
        events = [to_wire(event) for event in answer.events]
        return {"events": events, "seq": events[-1]["seq"] if events else after}

    # ------------------------------------------------------------------ inside

    async def _read_page(self, thread: ThreadRef, after: int, raw: bool) -> reading.Answer:
        return await self.store.read(
            lambda conn: reading.read_after(
                conn,
                thread,
                after,
                raw=raw,
                page_events=JSON_PAGE_EVENTS,
                page_bytes=JSON_PAGE_BYTES,
            )
        )

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
        route = f"{'continue' if keep_parts else 'retry'} {run_id}"

        def work(tx: Transaction) -> dict[str, Any]:
            known = threads.recall_key(tx, owner, ref.thread, route, key, {}) if key else None
            if known is not None:
                sent = _sent(tx, ref.thread, None, known[1])
            else:
                self._check_rate(tx, owner)
                run = runs.make_successor(tx, ref, keep_parts=keep_parts)
                if key is not None:
                    threads.remember_key(
                        tx, owner, ref.thread, route, key, {}, message_id=None, run_id=run.id
                    )
                tx.flush()
                sent = _sent(tx, ref.thread, None, run.id)
            return {"reply": sent["reply"], "run": sent["run"]}

        made = await self.store.write(work, ref.thread.pk)
        self._parts.engine.sweep.nudge()
        return made

    def _check_model(self, model: str) -> None:
        self._parts.registry.get(model)  # raises NoSuchModel, BadRequest

    def _check_rate(self, tx: Transaction, owner: str) -> None:
        limit = self.config.messages_per_minute
        if limit is None:
            return
        sent, first_ms = runs.count_sent_since(tx.conn, owner, tx.now_ms - 60_000)
        if sent >= limit:
            left_s = max(1, ((first_ms or tx.now_ms) + 60_000 - tx.now_ms + 999) // 1000)
            raise LimitReached(
                f"{limit} messages a minute are allowed; try again in {left_s} s.",
                retry_after_s=left_s,
            )


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread of its own: the loop's executor belongs to everybody."""
    with ThreadPoolExecutor(1, thread_name_prefix="chat-stream-open") as pool:
        return await asyncio.wrap_future(pool.submit(work))


def _checked_content(content: str) -> str:
    if len(content.encode("utf-8", "surrogatepass")) > MAX_CONTENT_BYTES:
        raise ContentTooLarge(
            f"The content is larger than {MAX_CONTENT_BYTES} bytes. Send less, or in pieces.",
            limit_bytes=MAX_CONTENT_BYTES,
        )
    if not content.strip():
        raise InvalidInput("The content is empty; say something.", field="content")
    return clean_text(content)


def _parts_of(content: str, context: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    attached = [
        {"kind": "attachment", "name": clean_text(c["name"]), "text": clean_text(c["text"])}
        for c in context
    ]
    return [*attached, {"kind": "text", "text": content}]


def _sent(
    tx: Transaction, thread: ThreadRef, message_id: str | None, run_id: str
) -> dict[str, Any]:
    run = runs.find_in_thread(tx.conn, thread, run_id)
    return {
        "message": reading.read_message_by_id(tx.conn, thread, message_id) if message_id else None,
        "reply": reading.read_message(tx.conn, run),
        "run": runs.read_run(tx.conn, run),
    }


async def _wait_for_more(reader: Reader, wait_s: float) -> None:
    async def wait() -> None:
        while (await reader.next()).op == "live":
            pass

    try:
        await asyncio.wait_for(wait(), wait_s)
    except asyncio.TimeoutError:
        pass  # nothing came in time: the answer is empty
