"""The list of threads: its rows, the marks of each person, and what a page of it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from jupyter_chat_stream.shared.errors import CursorAhead, InvalidInput, ThreadNotFound
from jupyter_chat_stream.shared.events import (
    Failed,
    Finalized,
    InputRequested,
    StatusChanged,
    iso,
)
from jupyter_chat_stream.shared.list_records import MAX_UNREAD, ListedThread
from jupyter_chat_stream.store.chat import answers, commands, listing, marks, runs, threads
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.log.reading import read_thread
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from tests.store.harness import PATIENCE_S, StoreHarness


def page(harness: StoreHarness, owner: str = "local", **options: Any) -> list[ListedThread]:
    limit = options.pop("limit", 50)
    wanted = listing.ListFilter(**options)
    return harness.look(lambda conn: listing.list_threads(conn, owner, wanted, limit=limit))


def row(harness: StoreHarness, thread: ThreadRef) -> ListedThread:
    """Read a thread's row by its id, and check that the page has the same."""
    found = harness.look(lambda conn: listing.read_listed(conn, "local", [thread.id]))
    assert found == [each for each in page(harness) if each["id"] == thread.id]
    return found[0]


def state(harness: StoreHarness, thread: ThreadRef) -> tuple[int, bool, bool]:
    found = row(harness, thread)
    return found["unread"], found["busy"], found["asks"]


def read(harness: StoreHarness, thread: ThreadRef, seq: int, person: str = "local") -> None:
    harness.do(lambda tx: marks.read(tx, person, thread.id, seq), thread.pk)


def pin(harness: StoreHarness, thread: ThreadRef, *, pinned: bool = True) -> None:
    harness.do(lambda tx: marks.pin(tx, "local", thread, pinned=pinned), thread.pk)


def test_a_row_is_the_thread_with_its_state_and_the_persons_marks(harness: StoreHarness) -> None:
    thread = harness.thread(name="churn")
    harness.answered(thread)
    own = harness.look(lambda conn: read_thread(conn, thread))
    seq = harness.seqs(thread)[-1]
    expected = {**own, "seq": seq, "unread": 1, "busy": False, "asks": False, "pinned": False}
    assert row(harness, thread) == expected


def test_an_answer_is_unread_from_its_end_until_the_person_has_read_to_it(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    claimed = harness.claimed(thread)
    harness.append(claimed, "a")
    assert state(harness, thread) == (0, True, False)
    harness.append(claimed, Finalized(status="completed"), release=True)
    assert state(harness, thread) == (1, False, False)
    end = harness.seqs(thread)[-1]
    read(harness, thread, end - 1)
    assert state(harness, thread)[0] == 1
    read(harness, thread, end)
    assert state(harness, thread)[0] == 0
    read(harness, thread, 1)  # never back
    assert state(harness, thread)[0] == 0
    assert harness.damage() == []


def test_nothing_that_is_not_written_yet_can_be_read(harness: StoreHarness) -> None:
    thread = harness.thread()
    with pytest.raises(CursorAhead):
        read(harness, thread, 2)
    with pytest.raises(ThreadNotFound):
        read(harness, thread, 1, person="another")
    harness.sql("INSERT INTO mark VALUES ('local', :pk, 2, false)", pk=thread.pk)
    assert harness.damage() == [
        f"thread {thread.id}: mark: read_seq is after the end of the log",
    ]


def test_who_sends_a_message_has_read_what_came_before(harness: StoreHarness) -> None:
    thread = harness.thread()
    harness.answered(thread)
    sender = Sender(owner="local")
    request = SendRequest(content="And then?")
    harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    assert state(harness, thread) == (0, True, False)


def test_a_stopped_answer_is_not_unread_and_a_failed_one_is(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = harness.claimed(thread).run
    harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    assert state(harness, thread) == (0, False, False)
    failed = Failed(code="overloaded", message="Busy.", retryable=True)
    harness.append(harness.claimed(thread), failed, Finalized(status="failed"), release=True)
    assert state(harness, thread) == (1, False, False)


def test_unread_answers_are_counted_up_to_a_bound(harness: StoreHarness) -> None:
    thread = harness.thread()
    harness.answered(thread)
    columns = "thread, role, kind, status, parts, seq, created_ms"
    values = ":pk, 'assistant', 'chat', 'completed', '[]', 9, 0"
    for n in range(MAX_UNREAD + 1):
        harness.sql(f"INSERT INTO message (id, {columns}) VALUES ('m{n}', {values})", pk=thread.pk)
    assert state(harness, thread)[0] == MAX_UNREAD


def test_a_thread_is_busy_while_a_run_works_or_retries_and_asks_while_it_waits_for_a_person(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    run = harness.send(thread)
    assert state(harness, thread) == (0, True, False)  # pending
    claimed = harness.claim(run)
    assert claimed is not None
    until = iso(harness.clock() + 1000)
    harness.append(claimed, StatusChanged(phase="retrying", until=until), release=True)
    assert state(harness, thread) == (0, True, False)
    claimed = harness.claim(run)
    assert claimed is not None
    harness.append(claimed, StatusChanged(phase="waiting", until=until), release=True)
    assert state(harness, thread) == (0, False, False)  # it sleeps: nobody can help it
    claimed = harness.claim(run)
    assert claimed is not None
    harness.append(claimed, "An", InputRequested(request_id="q", prompt="?"), release=True)
    assert state(harness, thread) == (0, False, True)
    harness.send(thread)  # behind it in the queue
    assert state(harness, thread) == (0, True, True)
    harness.do(lambda tx: answers.give_input(tx, run, "local", "q", "yes"), thread.pk)
    assert state(harness, thread) == (0, True, False)


def test_a_message_for_later_makes_a_thread_neither_busy_nor_asking(harness: StoreHarness) -> None:
    thread = harness.thread()
    request = SendRequest(content="Later", deliver_ms=harness.clock() + 1000)
    sender = Sender(owner="local")
    harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    assert state(harness, thread) == (0, False, False)


def test_pinned_threads_can_be_listed_alone_and_keep_their_place(harness: StoreHarness) -> None:
    first, second, third = (harness.thread() for _ in range(3))
    pin(harness, first)
    pin(harness, third)
    assert [each["id"] for each in page(harness)] == [third.id, second.id, first.id]
    assert [each["id"] for each in page(harness, pinned=True)] == [third.id, first.id]
    assert all(each["pinned"] for each in page(harness, pinned=True))
    pin(harness, first, pinned=False)
    assert [each["id"] for each in page(harness, pinned=True)] == [third.id]


def test_marks_belong_to_one_person_and_others_see_nothing_of_a_thread(
    harness: StoreHarness,
) -> None:
    """L16"""
    thread = harness.thread()
    pin(harness, thread)
    harness.sql("INSERT INTO mark VALUES ('another', :pk, 1, true)", pk=thread.pk)
    pin(harness, thread, pinned=False)
    assert row(harness, thread)["pinned"] is False
    assert page(harness, "another") == page(harness, "another", pinned=True) == []
    assert harness.look(lambda conn: listing.read_listed(conn, "another", [thread.id])) == []
    assert harness.look(lambda conn: listing.list_projects(conn, "another", archived=False)) == []


def test_marks_vanish_with_their_thread_also_if_older_code_purges_it(harness: StoreHarness) -> None:
    thread = harness.thread()
    pin(harness, thread)
    harness.sql("DELETE FROM event WHERE thread = :pk", pk=thread.pk)
    harness.sql("DELETE FROM thread WHERE pk = :pk", pk=thread.pk)
    assert harness.scalar("SELECT COUNT(*) FROM mark") == 0


def test_projects_are_counted_and_the_newest_comes_first(harness: StoreHarness) -> None:
    harness.thread(project="/a")
    harness.clock.advance(1)
    harness.thread(project="/b")
    gone = harness.thread(project="/c")
    harness.thread(project="/b", owner="another")
    old = harness.thread(project="/d")
    harness.do(lambda tx: commands.delete(tx, "local", gone.id), gone.pk)
    archive = {"archived": True}
    harness.do(lambda tx: threads.change_thread(tx, "local", old.id, archive), old.pk)
    harness.clock.advance(1)
    harness.thread(project="/a")

    def found(archived: bool) -> list[tuple[str, int, str]]:
        projects = harness.look(
            lambda conn: listing.list_projects(conn, "local", archived=archived)
        )
        return [(each["project"], each["threads"], each["updated_at"]) for each in projects]

    now = harness.clock()
    assert found(False) == [("/a", 2, iso(now)), ("/b", 1, iso(now - 1))]
    assert found(True) == [("/d", 1, iso(now - 1))]


def test_marks_are_published_when_they_are_committed_and_no_others(harness: StoreHarness) -> None:
    """L3: a command of the same batch is undone, with its mark."""
    refused, marked = harness.thread(), harness.thread()
    published: list[frozenset[str]] = []
    harness.store.listen_to_marks(published.append)

    def refuse(tx: Transaction) -> None:
        marks.pin(tx, "local", refused, pinned=True)
        raise InvalidInput("Not this one.")

    with harness.held_up():
        failing = harness.store.submit(refuse)
        harness.store.submit(lambda tx: marks.pin(tx, "local", marked, pinned=True))
    with pytest.raises(InvalidInput):
        failing.result(PATIENCE_S)
    pin(harness, marked)  # as it is: nothing to publish
    assert published == [frozenset({marked.id})]
    assert [row["id"] for row in page(harness, pinned=True)] == [marked.id]


Statement = tuple[str, Any]


@contextmanager
def noted(harness: StoreHarness) -> Iterator[list[Statement]]:
    """Note the statements of readings."""
    statements: list[Statement] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    engine = harness.store.database.reading
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def plan(harness: StoreHarness, statements: Sequence[Statement]) -> str:
    """Return the steps by which the database would execute statements."""
    is_sqlite = harness.store.database.is_sqlite

    def work(conn: Any) -> str:
        if not is_sqlite:  # it would read small tables as a whole
            # `enable_seqscan` does not reach all subqueries of Postgres 18.
            conn.exec_driver_sql("SET LOCAL seq_page_cost = 1000000")
        explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
        found = [conn.exec_driver_sql(explain + sql, given).fetchall() for sql, given in statements]
        return "\n".join(str(step[-1]) for steps in found for step in steps)

    return harness.look(work)


def test_a_page_reads_by_its_indices_only(harness: StoreHarness) -> None:
    """No step looks at all rows of a table, so a page's cost does not grow with the database."""
    harness.answered()
    with noted(harness) as statements:
        page(harness)
        page(harness, pinned=True)
    state = f"SELECT {listing.STATE} FROM thread {listing.MARKED} WHERE thread.pk = 1"
    steps = plan(harness, [*statements, (state.replace(":person", "'local'"), ())])
    assert re.findall(r"^SCAN (?!json_each|answers).*|.*Seq Scan.*", steps, re.MULTILINE) == []
    if harness.store.database.is_sqlite:  # Postgres chooses among indices by the number of rows
        for index in ("thread_by_time", "run_open", "message_by_seq", "mark_pinned"):
            assert index in steps, steps


def test_a_single_row_is_found_by_its_id_and_not_among_all_of_the_owners_threads(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    with noted(harness) as statements:
        harness.look(lambda conn: listing.read_listed(conn, "local", [thread.id]))
    steps = plan(harness, [each for each in statements if "owner" in each[0]])
    assert "thread_id" in steps or "sqlite_autoindex_thread" in steps, steps
    assert "thread_by" not in steps, steps
