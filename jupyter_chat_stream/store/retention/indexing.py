"""Filling the full-text index in small steps, beside live commits.

``Indexer`` takes the messages that have just ended or were sent, in each process that executes
runs. A round of housekeeping takes those that are left over, and the messages from before the index
was made, the newest first. A step writes a message's words and forgets that it was due in one
transaction, so a crash between two steps loses nothing, and a repeated step changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...shared.config import STOP_WITHIN_S
from ...shared.errors import ChatStreamError
from ...shared.events import ENDS, Event, Finalized, MessageWritten
from ...shared.logs import Line, place_of
from ..log.transaction import Transaction, execute
from ..search.folding import bag_of
from ..search.texts import fields_of
from ..sql import full_text
from ..store import Store
from .steps import Budget, Read, Steps, Write

log = logging.getLogger("jupyter_chat_stream.store")

PAGE = 16  # messages read at once
SOON_S = 1.0  # from a commit to its messages' way into the index: several are written together
PAUSE_S = 0.01  # between two steps

_COLUMNS = "message.pk, message.seq, message.thread, thread.owner, thread.deleted, message.parts"
_DUE = (
    f"SELECT {_COLUMNS} FROM search_due JOIN message ON message.pk = search_due.message "
    "JOIN thread ON thread.pk = message.thread ORDER BY search_due.message LIMIT :limit"
)
_OLDER = (
    f"SELECT {_COLUMNS} FROM message JOIN thread ON thread.pk = message.thread "
    "WHERE message.pk <= :left AND (message.role = 'user' OR message.status IN ({ends})) "
    "ORDER BY message.pk DESC LIMIT :limit"
).format(ends=", ".join(f"'{end}'" for end in sorted(ENDS)))


@dataclass(frozen=True, kw_only=True)
class _IndexEntry:
    """A message, and its words; ``bag`` is None if its thread is deleted or it is damaged."""

    pk: int
    seq: int
    thread: int
    owner: str
    bag: Sequence[str] | None


def index_due(*, budget: Budget) -> Steps[int]:
    """Index the messages that wait for it; returns their number."""
    count = 0
    while entries := (yield Read(work=_read_due)):
        while entries:
            step_count = yield Write(work=_write(entries, budget), threads=_threads(entries))
            count += step_count
            entries = entries[step_count:]
    return count


def index_older(*, budget: Budget) -> Steps[int]:
    """Index the messages from before the index was made, the newest first; returns their number."""
    count = 0
    while True:
        max_key, entries = yield Read(work=_read_older)
        if not max_key:
            return count
        if not entries:
            yield Write(work=_lower(max_key, 0))
        while entries:
            step_count = yield Write(
                work=_write(entries, budget, max_key=max_key), threads=_threads(entries)
            )
            if not step_count:
                break  # the index was emptied meanwhile (`gc --reindex`): read again
            count += step_count
            max_key = entries[step_count - 1].pk - 1
            entries = entries[step_count:]


def _read_due(conn: Connection) -> list[_IndexEntry]:
    if not full_text.has_index(conn):
        return []
    return [_entry(*row) for row in execute(conn, _DUE, {"limit": PAGE}).fetchall()]


def _read_older(conn: Connection) -> tuple[int, list[_IndexEntry]]:
    max_key = full_text.read_left(conn) if full_text.has_index(conn) else 0
    if not max_key:
        return 0, []
    rows = execute(conn, _OLDER, {"left": max_key, "limit": PAGE}).fetchall()
    return max_key, [_entry(*row) for row in rows]


def _entry(pk: int, seq: int, thread: int, owner: str, is_deleted: bool, parts: Any) -> _IndexEntry:
    bag = None
    if not is_deleted:
        try:
            bag = bag_of(fields_of(json.loads(parts)))
        except (ValueError, LookupError, TypeError):
            pass  # a damaged row has no text that could be found; `check` reports it
    return _IndexEntry(pk=pk, seq=seq, thread=thread, owner=owner, bag=bag)


def _threads(entries: Sequence[_IndexEntry]) -> tuple[int, ...]:
    # Under its thread's lock no message changes, so what was read is compared with what is there.
    return tuple(sorted({entry.thread for entry in entries}))


def _write(
    entries: Sequence[_IndexEntry], budget: Budget, *, max_key: int | None = None
) -> Callable[[Transaction], int]:
    """Make the step that writes entries, at least one; the step returns their number.

    Args:
        max_key: ``read_left`` when the entries were read, if the step lowers it. If another process
            has changed it since, the step writes nothing.
    """

    def work(tx: Transaction) -> int:
        if max_key is not None and full_text.read_left(tx.conn) != max_key:
            return 0
        is_over = budget.start()
        step_count = 0
        for entry in entries:
            _write_one(tx, entry)
            step_count += 1
            if is_over():
                break
        if max_key is not None:
            full_text.write_left(tx.conn, entries[step_count - 1].pk - 1)
        return step_count

    return work


def _lower(max_key: int, new_max_key: int) -> Callable[[Transaction], None]:
    """Make the step that lowers ``read_left``, unless another process has changed it."""

    def work(tx: Transaction) -> None:
        if full_text.read_left(tx.conn) == max_key:
            full_text.write_left(tx.conn, new_max_key)

    return work


def _write_one(tx: Transaction, entry: _IndexEntry) -> None:
    sql = "SELECT seq FROM message WHERE pk = :pk"
    seq = tx.execute(sql, {"pk": entry.pk}).scalar()
    if seq is None:
        return  # purged
    if seq != entry.seq:  # rewritten since it was read: it is read again
        tx.execute(
            "INSERT INTO search_due (message) VALUES (:pk) ON CONFLICT (message) DO NOTHING",
            {"pk": entry.pk},
        )
        return
    tx.execute("DELETE FROM search_due WHERE message = :pk", {"pk": entry.pk})
    if entry.bag is not None:
        full_text.index_message(tx.conn, entry.pk, (entry.thread, seq), entry.bag, entry.owner)


class Indexer:
    """Indexes the messages that this process commits, soon after each commit."""

    def __init__(self, store: Store, *, soon_s: float = SOON_S) -> None:
        self._store = store
        self._soon_s = soon_s
        self._has_new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._store.listen(self._look)
        self._task = asyncio.get_running_loop().create_task(self._work(), name="indexer")

    async def stop(self) -> None:
        """End between two steps; what is left is indexed later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)

    async def catch_up(self) -> int:
        """Index everything that waits; returns the number of messages."""
        steps = index_due(budget=Budget())
        try:
            step = next(steps)
            while True:
                if isinstance(step, Read):
                    step = steps.send(await self._store.read(step.work))
                else:
                    step = steps.send(await self._store.write(step.work, *step.threads))
                await asyncio.sleep(PAUSE_S)
        except StopIteration as end:
            count: int = end.value
            return count
        finally:
            steps.close()

    def _look(self, events: list[Event]) -> None:
        if any(isinstance(event.body, Finalized | MessageWritten) for event in events):
            self._has_new.set()

    async def _work(self) -> None:
        while True:
            await self._has_new.wait()
            await asyncio.sleep(self._soon_s)
            self._has_new.clear()
            try:
                await self.catch_up()
            except ChatStreamError as error:  # a round of housekeeping tries again
                log.warning(Line("index.put_off", code=error.code))
            except Exception as error:  # noqa: BLE001  a bug must not end the indexing for good
                kind = type(error).__name__  # its message may quote a text
                log.error(Line("index.failed", error=kind, at=place_of(error)))
