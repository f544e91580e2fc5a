"""A store under test, without an event loop: commands give their result, or raise.

``StoreHarness`` knows only the URL of the database. A test changes the database behind the store's
back through ``sql`` (plain SQL) or ``refuse`` (which each database does in its own way). A database
joins the contract by one parameter in conftest.py.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from jupyter_chat_stream.shared.events import (
    Body,
    Completed,
    Delta,
    Event,
    Finalized,
    canonical,
    parse,
    to_wire,
)
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.chat import attachments, runs, threads
from jupyter_chat_stream.store.chat.attachments import UploadRef
from jupyter_chat_stream.store.chat.claims import Claimed, claim
from jupyter_chat_stream.store.chat.due import Due, find_due
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.reading import (
    Replay,
    Snapshot,
    read_after,
    read_events,
    read_message_by_id,
    read_thread,
)
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction, execute
from jupyter_chat_stream.store.retention.compaction import compact_run
from jupyter_chat_stream.store.retention.steps import Budget, Read, Step, drive
from jupyter_chat_stream.store.store import Store
from tests.clock import Clock

PATIENCE_S = 20.0
MODEL = "demo/tour"

# For what one database has and the other has not.
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

T = TypeVar("T")


def compact(tx: Transaction, run: RunRef) -> int:
    """Delete the deltas of an ended run in one transaction; returns their number."""

    def do(step: Step) -> Any:
        tx.flush()
        return step.work(tx.conn) if isinstance(step, Read) else step.work(tx)

    return drive(compact_run(run, budget=Budget(step_s=float("inf"))), do).deltas


class StoreHarness:
    """One open store, and what tests do with it."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.url = url
        self.clock = clock or Clock()
        self.store = self.opened()
        self.commits: list[list[Event]] = []  # what was published, commit by commit
        self.store.listen(lambda events: self.commits.append(list(events)))

    def opened(self) -> Store:
        return Store.open(self.url, now_ms=self.clock)

    def close(self) -> None:
        self.store.close()

    def reopened(self) -> StoreHarness:
        """Close this one and open the same database again."""
        self.close()
        return StoreHarness(self.url, self.clock)

    # ------------------------------------------------------------------ doing

    def do(self, work: Callable[[Transaction], T], *threads: int) -> T:
        return self.store.submit(work, *threads).result(PATIENCE_S)

    def look(self, work: Callable[[Connection], T]) -> T:
        return self.store.read_now(work)

    def sql(self, statement: str, **params: Any) -> None:
        """Change the database behind the store's back."""
        self.do(lambda tx: tx.execute(statement, params))

    def scalar(self, statement: str, **params: Any) -> Any:
        return self.look(lambda conn: execute(conn, statement, params).scalar())

    def thread(self, owner: str = "local", **fields: Any) -> ThreadRef:
        named = {"project": "", "name": None, "title": None, "model": MODEL, "system": None}
        given: dict[str, Any] = {**named, **fields}

        def work(tx: Transaction) -> ThreadRef:
            made, _ = threads.create_thread(tx, owner=owner, **given)
            tx.flush()
            return threads.find_thread(tx.conn, owner, made["id"])

        return self.do(work)

    def send(self, thread: ThreadRef, text: str = "Why?") -> RunRef:
        def work(tx: Transaction) -> RunRef:
            head = read_thread(tx.conn, thread)["head"]
            parts = [{"kind": "text", "text": text}]
            message = runs.add_message(tx, thread, parts=parts, parent_id=head)
            return runs.add_reply(
                tx, thread, runs.NewReply(parent_id=message["id"], model=MODEL)
            ).ref

        return self.do(work, thread.pk)

    def due(self, run: RunRef) -> Due:
        """Return a run as the sweep would find it, whether its time has come or not."""
        return next(d for d in self.look(lambda conn: find_due(conn, 2**50)) if d.run == run)

    def claim(self, run: RunRef, owner: str = "01a", **options: Any) -> Claimed | None:
        due = self.due(run)
        wake = self.scalar("SELECT wake_ms FROM run WHERE pk = :pk", pk=run.pk)
        self.clock.now = max(self.clock.now, wake or 0)
        options = {"max_crashes": 3, "on_crash": "continue", **options}
        return self.do(lambda tx: claim(tx, due, owner, **options), run.thread.pk)

    def claimed(self, thread: ThreadRef | None = None, owner: str = "01a") -> Claimed:
        """Send a message and take its run."""
        claimed = self.claim(self.send(thread or self.thread()), owner)
        assert claimed is not None
        return claimed

    def put(self, claimed: Claimed, *bodies: Body | str, **options: Any) -> Future[list[Event]]:
        """Queue events of an attempt; a text becomes a delta of its part 0."""
        made = [_body(body) for body in bodies]
        return self.store.append_future(
            Append(run=claimed.run, attempt=claimed.attempt, bodies=made, **options)
        )

    def append(self, claimed: Claimed, *bodies: Body | str, **options: Any) -> list[Event]:
        return self.put(claimed, *bodies, **options).result(PATIENCE_S)

    def answered(self, thread: ThreadRef | None = None, pieces: Sequence[str] = ("a",)) -> RunRef:
        """Send a message and answer it to the end, an event for each piece."""
        claimed = self.claimed(thread)
        for piece in pieces:
            self.put(claimed, piece)
        self.append(claimed, *completed("".join(pieces)), release=True)
        return claimed.run

    def compact(self, run: RunRef) -> int:
        return self.do(lambda tx: compact(tx, run), run.thread.pk)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Keep the writer busy, so that what is queued meanwhile becomes one batch."""
        begun, go_on = threading.Event(), threading.Event()

        def work(tx: Transaction) -> None:
            begun.set()
            assert go_on.wait(PATIENCE_S)

        future = self.store.submit(work)
        assert begun.wait(PATIENCE_S)
        try:
            yield
        finally:
            go_on.set()
            future.result(PATIENCE_S)

    def refuse(self, table: str, column: str, value: str) -> None:
        """Make the database itself refuse rows with that value, until ``allow``."""
        if self.store.database.is_sqlite:
            for when in ("INSERT", "UPDATE"):
                self.sql(
                    f"CREATE TRIGGER refuse_{when} BEFORE {when} ON {table} "
                    f"WHEN NEW.{column} = '{value}' "
                    "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
                )
        else:
            check = f"CHECK ({column} <> '{value}') NOT VALID"
            self.sql(f"ALTER TABLE {table} ADD CONSTRAINT refuse {check}")

    def allow(self, table: str) -> None:
        """Undo ``refuse``."""
        if self.store.database.is_sqlite:
            for when in ("INSERT", "UPDATE"):
                self.sql(f"DROP TRIGGER refuse_{when}")
        else:
            self.sql(f"ALTER TABLE {table} DROP CONSTRAINT refuse")

    def attachment(self, data: bytes = b"bytes", owner: str = "local") -> str:
        """Upload bytes, a transaction for each piece; returns the attachment's id."""
        upload = self.uploading(data, owner)
        sha256 = hashlib.sha256(data).hexdigest()
        facts: dict[str, Any] = {"name": "a.txt", "type_": "text/plain", "sha256": sha256}
        made = self.do(lambda tx: attachments.finish(tx, upload, owner, size=len(data), **facts))
        return made.record["id"]

    def uploading(self, data: bytes, owner: str = "local") -> UploadRef:
        """Upload bytes without the end of the upload."""
        upload = self.do(lambda tx: attachments.begin(tx, owner, size=len(data), limit=2**40))
        size = attachments.PIECE_BYTES
        for n in range(-(-len(data) // size)):
            piece = data[n * size : (n + 1) * size]
            self.do(partial(attachments.add, upload=upload, n=n, data=piece))
        return upload

    # ------------------------------------------------------------------ looking

    def events(self, thread: ThreadRef) -> list[Event]:
        return self.look(lambda conn: read_events(conn, thread, 0, 1_000_000))

    def seqs(self, thread: ThreadRef) -> list[int]:
        return [event.seq for event in self.events(thread)]

    def after(self, thread: ThreadRef, cursor: int, **options: Any) -> Replay:
        return self.look(lambda conn: read_after(conn, thread, cursor, **options))

    def run(self, run: RunRef) -> dict[str, Any]:
        return self.look(lambda conn: runs.read_run(conn, run))

    def row(self, run: RunRef) -> dict[str, Any]:
        """Return the reply's row as it is stored."""
        return self.look(lambda conn: read_message_by_id(conn, run.thread, run.message_id))

    def damage(self) -> list[str]:
        return self.look(lambda conn: [str(found) for found in verify(conn)])

    def follow(self, transcript: Transcript, thread: ThreadRef, **options: Any) -> Transcript:
        """Bring a state to the log's end, answer by answer, as a reader does."""
        while True:
            answer = self.after(thread, transcript.seq, **options)
            if isinstance(answer, Snapshot):
                transcript.replace(answer.to_wire())
            elif answer.events:
                for event in answer.events:
                    assert event.seq == transcript.seq + 1
                    transcript.apply(event)
            else:
                return transcript


def completed(content: str) -> tuple[Body, Body]:
    complete = Completed(content=content, usage=None, stop_reason="end_turn", model=None)
    return complete, Finalized(status="completed")


def fold(events: Sequence[Event]) -> Transcript:
    """Fold events as a reader of the wire would."""
    transcript = Transcript()
    for event in events:
        transcript.apply(parse(to_wire(event)))
    return transcript


def same(left: Mapping[str, Any] | Transcript, right: Mapping[str, Any] | Transcript) -> bool:
    """Compare states byte for byte."""
    return _bytes(left) == _bytes(right)


def _bytes(state: Mapping[str, Any] | Transcript) -> str:
    return canonical(state.state() if isinstance(state, Transcript) else state)


def _body(body: Body | str) -> Body:
    return Delta(part=0, kind="text", text=body) if isinstance(body, str) else body
