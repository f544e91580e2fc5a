"""A database of an older release: everything in it is kept, and its runs go on in their order."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect

from jupyter_chat_stream.shared.errors import DatabaseTooNew, DatabaseTooOld
from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.chat.claims import Claimed, claim
from jupyter_chat_stream.store.chat.due import Due, find_due
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.store.sql import migrations
from jupyter_chat_stream.store.store import Store
from tests.store.harness import StoreHarness

# What the code of generation 1 wrote: an ended answer, one in the making, one behind it.
GENERATION_1 = Path(__file__).with_name("generation1.sql")
# What the code of generation 2 wrote: an answer whose deltas are archived, an ended one, one in the
# making and one behind it; and a row in the table ``anchor``.
GENERATION_2 = Path(__file__).with_name("generation2.sql")

# What the code of generation 3 wrote: an ended answer, one in the making and one behind it; before
# upstreams, attachments and the ledger.
GENERATION_3 = Path(__file__).with_name("generation3.sql")

# What generation 2 had and generation 3 has not, in words that both databases know.
DROPPED = (
    "ALTER TABLE run ADD COLUMN job_id VARCHAR",
    "CREATE TABLE anchor (pk INTEGER PRIMARY KEY, thread INTEGER REFERENCES thread (pk))",
    "CREATE TABLE archive (run INTEGER REFERENCES run (pk), first_seq INTEGER, "
    "thread INTEGER REFERENCES thread (pk), deltas INTEGER, PRIMARY KEY (run, first_seq))",
)


def restored(dump: Path, folder: Path) -> str:
    path = folder / "chat.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(dump.read_text(encoding="utf-8"))
    conn.close()
    return f"sqlite:///{path}"


@pytest.fixture
def old(tmp_path: Path) -> str:
    return restored(GENERATION_1, tmp_path)


def test_an_older_database_is_upgraded_and_agrees_with_its_log(old: str) -> None:
    """L7"""
    harness = StoreHarness(old)
    assert harness.damage() == []
    assert harness.scalar("SELECT COUNT(*) FROM event") == 13
    assert harness.scalar("SELECT system FROM preference") == "Be brief."
    assert harness.scalar("SELECT COUNT(*) FROM lease") == 0
    harness.close()
    again = StoreHarness(old)
    assert again.damage() == []
    again.close()


def test_a_database_with_archived_deltas_is_upgraded_and_agrees_with_its_log(
    tmp_path: Path,
) -> None:
    """L2, L7: the archived deltas are deleted; the hash of the message still stands for them."""
    harness = StoreHarness(restored(GENERATION_2, tmp_path))
    assert harness.damage() == []
    names = "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table'"
    assert not {"anchor", "archive"} & set(harness.scalar(names).split(","))
    thread = harness.look(lambda conn: find_due(conn, 2**50))[0].run.thread
    events = harness.events(thread)
    assert [event.seq for event in events] == [1, 2, 3, 4, *range(7, 24)]
    sql = "SELECT parts FROM message WHERE pk = :pk"
    assert harness.scalar(sql, pk=2) == '[{"kind":"text","text":"Prices rose."}]'
    assert harness.damage() == []
    harness.close()


def test_a_database_without_upstreams_attachments_and_ledger_is_upgraded(tmp_path: Path) -> None:
    """L7: the ended answer enters the ledger, and the open run can be claimed."""
    harness = StoreHarness(restored(GENERATION_3, tmp_path))
    assert harness.damage() == []
    ended = "SELECT COUNT(*) FROM message WHERE usage IS NOT NULL"
    assert harness.scalar("SELECT COUNT(*) FROM usage") == harness.scalar(ended) == 1
    heads = "SELECT SUM(head) FROM (SELECT MAX(seq) AS head FROM event GROUP BY thread) AS heads"
    assert harness.scalar("SELECT SUM(read_seq) FROM mark") == harness.scalar(heads)
    due = harness.look(lambda conn: find_due(conn, 2**50))
    assert len(due) == 1
    claimed = harness.do(lambda tx: take(tx, due[0]), due[0].run.thread.pk)
    assert claimed is not None
    harness.append(claimed, Finalized(status="completed"), release=True)
    assert harness.damage() == []
    harness.close()


def test_the_tables_that_nothing_uses_are_dropped_on_both_databases(database_url: str) -> None:
    """L2, L7"""
    harness = StoreHarness(database_url)
    run = harness.answered()
    for sql in DROPPED:
        harness.sql(sql)
    row = {"run": run.pk, "thread": run.thread.pk}
    harness.sql("INSERT INTO archive VALUES (:run, 5, :thread, 1)", **row)
    harness.sql("INSERT INTO anchor VALUES (1, :thread)", thread=run.thread.pk)
    harness.sql("DELETE FROM migration WHERE name = 'm0004_drop_unused'")
    harness = harness.reopened()
    assert harness.damage() == []
    inspected = harness.look(lambda conn: inspect(conn).get_table_names())
    assert not {"anchor", "archive"} & set(inspected)
    columns = harness.look(lambda conn: inspect(conn).get_columns("run"))
    assert "job_id" not in {column["name"] for column in columns}
    harness.close()


def take(tx: Transaction, due: Due) -> Claimed | None:
    return claim(tx, due, "01b", max_crashes=3, on_crash="continue")


def test_the_runs_of_an_older_database_keep_their_order(old: str) -> None:
    """L10: who was behind another is still, and who is sent now comes after both."""
    harness = StoreHarness(old)
    thread = harness.look(lambda conn: find_due(conn, harness.clock()))[0].run.thread
    harness.send(thread)
    taken = []
    while due := harness.look(lambda conn: find_due(conn, harness.clock())):
        assert len(due) == 1
        taken.append(due[0].run.id)
        claimed = harness.do(lambda tx, due=due[0]: take(tx, due), thread.pk)
        assert claimed is not None
        harness.append(claimed, Finalized(status="completed"), release=True)
    sql = "SELECT id FROM run WHERE ended_ms IS NOT NULL ORDER BY pk"
    assert taken == harness.look(lambda conn: [r[0] for r in conn.exec_driver_sql(sql)])[1:]
    assert harness.damage() == []
    harness.close()


def test_code_of_the_first_generation_refuses_what_was_upgraded(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would send at once what is for later."""
    Store.open(old).close()
    monkeypatch.setattr(migrations, "CODE_VERSION", 1)
    with pytest.raises(DatabaseTooNew, match="generation 5"):
        Store.open(old)


def test_who_only_reads_upgrades_nothing(database_url: str) -> None:
    """Servers of the older version go on with it."""
    with pytest.raises(DatabaseTooOld, match="no chat in the database yet"):
        Store.open(database_url, migrates=False)
    harness = StoreHarness(database_url)
    last = migrations.MIGRATIONS[-1].__name__
    harness.sql("DELETE FROM migration WHERE name = :name", name=last)
    harness.sql("UPDATE meta SET value = '1'")
    with pytest.raises(DatabaseTooOld, match="start one of this version"):
        Store.open(database_url, migrates=False)
    assert harness.scalar("SELECT value FROM meta WHERE key = 'min_code_version'") == "1"
    harness = harness.reopened()
    assert harness.scalar("SELECT value FROM meta WHERE key = 'min_code_version'") == str(
        migrations.MIN_CODE_VERSION
    )
    Store.open(database_url, migrates=False).close()
    harness.close()
