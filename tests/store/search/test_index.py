"""The index follows the log: at each end, through crashes, upgrades, purges and lost steps."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.chat import commands
from jupyter_chat_stream.store.log.transaction import execute
from jupyter_chat_stream.store.retention.cleanup import PURGE_AFTER_MS, Policy
from jupyter_chat_stream.store.retention.indexing import index_due, index_older
from jupyter_chat_stream.store.retention.steps import Budget
from jupyter_chat_stream.store.sql import full_text, migrations
from tests.store.harness import StoreHarness, sqlite_only
from tests.store.retention.stepping import LEAST, after_each_write, collected
from tests.store.search.searching import found, index, say, search

# What takes the index out of a database again.
UNDO = {
    "sqlite": (
        "DROP TRIGGER search_message_new", "DROP TRIGGER search_message_changed",
        "DROP TABLE search_text", "DROP TABLE search_row", "DROP TABLE search_due",
    ),
    "postgresql": (
        "DROP FUNCTION search_queue CASCADE", "DROP TABLE search_row", "DROP TABLE search_due",
    ),
}  # fmt: skip
KEEP = Policy(keep_events_ms=None, retention_ms=None)


def count(harness: StoreHarness, table: str) -> int:
    return int(harness.scalar(f"SELECT COUNT(*) FROM {table}"))


def words_of(harness: StoreHarness) -> str:
    """Return every word in the index, as the database holds it."""
    column = "c0 FROM search_text_content"
    if not harness.store.database.is_sqlite:
        column = "CAST(words AS text) FROM search_row"
    return str(harness.look(lambda conn: execute(conn, f"SELECT {column}").fetchall()))


def forget_all(harness: StoreHarness) -> None:
    """Bring the database to the moment of its upgrade: full of messages, and nothing indexed."""

    def work(conn: Connection) -> None:
        conn.execute(text("DELETE FROM search_row"))
        conn.execute(text("DELETE FROM search_due"))
        full_text.begin_anew(conn)

    harness.do(lambda tx: work(tx.conn))


def test_a_live_answer_costs_the_index_nothing_before_its_end(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    index(harness)
    for _ in range(3):
        harness.append(claimed, "word ", settle=True)
    assert count(harness, "search_due") == 0
    harness.append(claimed, Finalized(status="completed"), release=True)
    assert count(harness, "search_due") == 1
    assert index(harness) == 1
    assert count(harness, "search_due") == 0


def test_a_step_that_died_is_done_again_by_the_next_process(harness: StoreHarness) -> None:
    thread = harness.thread()
    for n in range(5):
        say(harness, thread, f"zebra{n}")
    steps = after_each_write(harness, index_due(budget=LEAST))
    next(steps), next(steps)
    steps.close()
    again = harness.reopened()
    try:
        assert count(again, "search_due") == 3
        assert found(again, "zebra4") == found(again, "zebra0") == [thread.id]
        assert index(again) == 3
        assert index(again) == 0
        assert count(again, "search_row") == 5
        assert again.damage() == []
    finally:
        again.close()


def test_an_existing_database_is_indexed_in_steps_newest_first(harness: StoreHarness) -> None:
    thread = harness.thread()
    for n in range(40):
        say(harness, thread, f"zebra{n}")
    live = harness.claimed(thread)
    forget_all(harness)
    assert search(harness, "zebra39") == {"threads": [], "is_complete": False}
    steps = after_each_write(harness, index_older(budget=LEAST))
    next(steps), next(steps)  # the question of the live run, and the newest message
    assert [each["id"] for each in search(harness, "zebra39")["threads"]] == [thread.id]
    assert search(harness, "zebra0") == {"threads": [], "is_complete": False}
    assert harness.damage() == []
    steps.close()  # the process dies here
    assert index(harness) == 39
    assert found(harness, "zebra0") == [thread.id]
    harness.append(live, "giraffe", Finalized(status="completed"), release=True)
    assert found(harness, "giraffe") == [thread.id]
    assert harness.damage() == []


def test_an_index_that_is_emptied_while_it_is_filled_loses_no_message(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    for n in range(40):
        say(harness, thread, f"zebra{n}")
    forget_all(harness)
    steps = after_each_write(harness, index_older(budget=LEAST))
    next(steps), next(steps)
    forget_all(harness)  # another process begins anew
    for _ in steps:
        pass
    assert count(harness, "search_row") == 40
    assert found(harness, "zebra39") == found(harness, "zebra0") == [thread.id]


def test_a_round_of_housekeeping_indexes_what_is_left_over(harness: StoreHarness) -> None:
    thread = harness.thread()
    say(harness, thread, "zebra")
    forget_all(harness)
    say(harness, thread, "giraffe")
    assert collected(harness, KEEP).indexed_messages == 2
    assert found(harness, "zebra") == found(harness, "giraffe") == [thread.id]


def test_a_purge_leaves_no_word_of_a_thread(harness: StoreHarness) -> None:
    thread, other = harness.thread(), harness.thread()
    say(harness, thread, "zebra")
    say(harness, other, "giraffe")
    index(harness)
    say(harness, thread, "zebra again")
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    harness.clock.now += PURGE_AFTER_MS + 1
    assert collected(harness, KEEP).purged_threads == 1
    assert "zebra" not in words_of(harness)
    assert "giraffe" in words_of(harness)
    assert count(harness, "search_row") == 1
    assert count(harness, "search_due") == 0
    assert harness.damage() == []


def test_older_code_purges_and_writes_beside_the_index(harness: StoreHarness) -> None:
    """It deletes and inserts rows without a word of the index; the database itself follows."""
    thread = harness.thread()
    gone, kept = say(harness, thread, "zebra"), say(harness, thread, "giraffe")
    index(harness)
    harness.sql("DELETE FROM message WHERE id = :id", id=gone)
    assert "zebra" not in words_of(harness)
    harness.sql(
        "INSERT INTO message (id, thread, role, kind, status, parts, seq, created_ms) "
        "SELECT 'new', thread, role, kind, status, :parts, 9, created_ms FROM message "
        "WHERE id = :id",
        id=kept,
        parts='[{"kind":"text","text":"horse"}]',
    )
    for _ in range(2):
        assert found(harness, "horse") == [thread.id]
        index(harness)


def test_a_check_reports_what_the_index_lacks(harness: StoreHarness) -> None:
    thread = harness.thread()
    first = say(harness, thread, "zebra")
    say(harness, thread, "giraffe")
    index(harness)
    assert harness.damage() == []
    pk = harness.scalar("SELECT pk FROM message WHERE id = :id", id=first)
    harness.sql("DELETE FROM search_row WHERE message = :pk", pk=pk)
    assert harness.damage() == [f"thread {thread.id}: message {first}: not in the search index"]
    harness.do(lambda tx: full_text.rebuild(tx.conn))
    assert harness.damage() == []
    assert search(harness, "zebra")["is_complete"] is False
    index(harness)
    assert found(harness, "zebra") == found(harness, "giraffe") == [thread.id]


@sqlite_only
def test_a_check_compares_the_words_table_with_the_index(harness: StoreHarness) -> None:
    thread = harness.thread()
    message = say(harness, thread, "zebra")
    index(harness)
    harness.sql("DELETE FROM search_text")
    assert harness.damage() == [f"thread {thread.id}: message {message}: not in the search index"]


@sqlite_only
def test_without_fts5_a_search_reads_texts_and_a_later_process_makes_the_index(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = harness.thread(title="Animals")
    say(harness, thread, "zebra")
    index(harness)
    with monkeypatch.context() as patch:
        patch.setattr(full_text, "has_fts5", lambda conn: False)
        without = harness.reopened()
        say(without, thread, "giraffe")
        assert index(without) == 0
        assert found(without, "zebra") == found(without, "gira") == found(without, "anim")
        assert found(without, "horse") == []
        without.sql("DELETE FROM search_row")  # as in a purge: FTS5 is not needed
        assert without.damage() == []
    again = without.reopened()
    try:
        assert search(again, "zebra")["is_complete"] is False
        assert index(again) == 2
        assert found(again, "zebra") == found(again, "giraffe") == [thread.id]
        assert again.damage() == []
    finally:
        again.close()


def test_an_upgrade_makes_the_index_and_opens_at_once(harness: StoreHarness) -> None:
    thread = harness.thread()
    say(harness, thread, "zebra")

    def downgrade(conn: Connection) -> None:
        for sql in UNDO[conn.dialect.name]:
            conn.execute(text(sql))
        conn.execute(text("DELETE FROM migration WHERE name = 'm0010_full_text'"))

    harness.do(lambda tx: downgrade(tx.conn))
    say(harness, thread, "giraffe")  # by older code
    again = harness.reopened()
    try:
        assert migrations.MIGRATIONS[-1].__name__ in again.scalar("SELECT MAX(name) FROM migration")
        assert search(again, "zebra") == {"threads": [], "is_complete": False}
        assert index(again) == 2
        assert found(again, "zebra") == found(again, "giraffe") == [thread.id]
    finally:
        again.close()


def test_words_are_indexed_within_the_time_of_a_step(harness: StoreHarness) -> None:
    """A step that is over its time leaves the rest to the next one."""
    thread = harness.thread()
    for n in range(9):
        say(harness, thread, f"zebra{n}")
    now = iter(range(1000))
    budget = Budget(step_s=1.5, clock=lambda: float(next(now)))
    assert list(after_each_write(harness, index_due(budget=budget))) == [2, 2, 2, 2, 1]
