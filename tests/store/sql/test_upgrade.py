"""A database of an older release: everything in it is kept, and its runs go on in their order."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from jupyter_chat_stream.shared.errors import DatabaseTooNew, DatabaseTooOld
from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.chat.claims import Claimed, Due, claim, find_due
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.store.sql import migrations
from jupyter_chat_stream.store.store import Store
from tests.store.bench import Bench

# What the first generation wrote: an ended answer, one in the making, one behind it.
GENERATION_1 = Path(__file__).with_name("generation1.sql")


@pytest.fixture
def old(tmp_path: Path) -> str:
    path = tmp_path / "chat.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(GENERATION_1.read_text(encoding="utf-8"))
    conn.close()
    return f"sqlite:///{path}"


def test_an_older_database_is_upgraded_and_agrees_with_its_log(old: str) -> None:
    """L7"""
    bench = Bench(old)
    assert bench.damage() == []
    assert bench.scalar("SELECT COUNT(*) FROM event") == 13
    assert bench.scalar("SELECT system FROM preference") == "Be brief."
    assert bench.scalar("SELECT COUNT(*) FROM lease") == 0
    bench.close()
    again = Bench(old)
    assert again.damage() == []
    again.close()


def take(tx: Transaction, due: Due) -> Claimed | None:
    return claim(tx, due, "01b", max_crashes=3, on_crash="continue")


def test_the_runs_of_an_older_database_keep_their_order(old: str) -> None:
    """L10: who was behind another is still, and who is sent now comes after both."""
    bench = Bench(old)
    thread = bench.look(lambda conn: find_due(conn, bench.clock()))[0].run.thread
    bench.send(thread)
    taken = []
    while due := bench.look(lambda conn: find_due(conn, bench.clock())):
        assert len(due) == 1
        taken.append(due[0].run.id)
        claimed = bench.do(lambda tx, due=due[0]: take(tx, due), thread.pk)
        assert claimed is not None
        bench.append(claimed, Finalized(status="completed"), release=True)
    sql = "SELECT id FROM run WHERE ended_ms IS NOT NULL ORDER BY pk"
    assert taken == bench.look(lambda conn: [r[0] for r in conn.exec_driver_sql(sql)])[1:]
    assert bench.damage() == []
    bench.close()


def test_code_of_the_first_generation_refuses_what_was_upgraded(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would send at once what is for later."""
    Store.open(old).close()
    monkeypatch.setattr(migrations, "CODE_VERSION", 1)
    with pytest.raises(DatabaseTooNew, match="generation 2"):
        Store.open(old)


def test_who_only_reads_upgrades_nothing(database_url: str) -> None:
    """Servers of the older version go on with it."""
    with pytest.raises(DatabaseTooOld, match="no chat in the database yet"):
        Store.open(database_url, migrates=False)
    bench = Bench(database_url)
    last = migrations.MIGRATIONS[-1].__name__
    bench.sql("DELETE FROM migration WHERE name = :name", name=last)
    bench.sql("UPDATE meta SET value = '1'")
    with pytest.raises(DatabaseTooOld, match="start one of this version"):
        Store.open(database_url, migrates=False)
    assert bench.scalar("SELECT value FROM meta WHERE key = 'min_code_version'") == "1"
    bench = bench.reopened()
    assert bench.scalar("SELECT value FROM meta WHERE key = 'min_code_version'") == "2"
    Store.open(database_url, migrates=False).close()
    bench.close()
