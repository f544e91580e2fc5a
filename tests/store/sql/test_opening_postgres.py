"""Opening a Postgres: ours is migrated once, what is not ours or not fit is refused untouched."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from jupyter_chat_stream.shared.errors import (
    DatabaseForeign,
    DatabaseTooNew,
    DatabaseUnreachable,
    DatabaseUnreadable,
)
from jupyter_chat_stream.store.sql import database as database_module
from jupyter_chat_stream.store.sql import migrations, postgres
from jupyter_chat_stream.store.sql.database import Database
from jupyter_chat_stream.store.sql.urls import parse_url
from jupyter_chat_stream.store.store import Store
from tests.postgres import Postgres
from tests.store.harness import PATIENCE_S, StoreHarness


def name_of(url: str) -> str:
    return str(make_url(url).database)


def tables(server: Postgres, url: str) -> list[tuple[Any, ...]]:
    with server.connect(name_of(url)) as conn:
        sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
        return sorted(conn.execute(sql + "current_schema()").fetchall())


def test_many_may_open_a_new_database_at_once(postgres_url: str, postgres_server: Postgres) -> None:
    """Of many processes that start at once, one makes the tables and all go on."""
    ready = threading.Barrier(6, timeout=PATIENCE_S)
    made: list[Database] = []
    failures: list[BaseException] = []

    def work() -> None:
        ready.wait()
        try:
            made.append(Database(postgres_url, now_ms=5))
        except BaseException as error:  # noqa: BLE001  told below
            failures.append(error)

    opening = [threading.Thread(target=work) for _ in range(6)]
    for each in opening:
        each.start()
    for each in opening:
        each.join(PATIENCE_S)
    for database in made:
        database.close()
    assert failures == []
    assert len(made) == 6
    with postgres_server.connect(name_of(postgres_url)) as conn:
        applied = conn.execute("SELECT name, at_ms FROM migration ORDER BY name").fetchall()
    assert applied == [(m.__name__, 5) for m in migrations.MIGRATIONS]


def test_opening_again_keeps_what_is_there(postgres_url: str) -> None:
    harness = StoreHarness(postgres_url)
    thread = harness.thread(name="churn")
    harness.answered(thread)
    before = harness.events(thread)
    again = harness.reopened()
    assert again.thread(name="churn") == thread
    assert again.events(thread) == before
    assert again.damage() == []
    again.close()


def test_a_foreign_database_is_refused_and_left_as_it_was(
    postgres_url: str, postgres_server: Postgres
) -> None:
    with postgres_server.connect(name_of(postgres_url)) as conn:
        conn.execute("CREATE TABLE invoice (pk INTEGER PRIMARY KEY, meta TEXT)")
    before = tables(postgres_server, postgres_url)
    with pytest.raises(DatabaseForeign, match=name_of(postgres_url)) as refused:
        Database(postgres_url, now_ms=5)
    assert postgres_server.password not in str(refused.value)
    assert tables(postgres_server, postgres_url) == before


def test_a_newer_database_is_refused(postgres_url: str, postgres_server: Postgres) -> None:
    Database(postgres_url, now_ms=5).close()
    with postgres_server.connect(name_of(postgres_url)) as conn:
        conn.execute("UPDATE meta SET value = '99' WHERE key = 'min_code_version'")
    with pytest.raises(DatabaseTooNew):
        Database(postgres_url, now_ms=5)


def test_a_wrong_password_is_said_at_once_and_not_shown(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OPEN_PATIENCE_S", PATIENCE_S)
    url = make_url(postgres_url).set(password="guessed")
    with pytest.raises(DatabaseUnreachable, match="authentication failed") as refused:
        Database(url.render_as_string(hide_password=False), now_ms=5)
    assert "guessed" not in str(refused.value)
    assert "--ChatStream.database_url" in str(refused.value)


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "OPEN_PATIENCE_S", 0.0)
    with pytest.raises(DatabaseUnreachable, match="cannot be reached") as refused:
        Database("postgresql://me:secret@127.0.0.1:1/chat", now_ms=5)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_starting_is_waited_for(postgres_url: str) -> None:
    with Postgres(fsync=False) as server:
        name = server.create_database()
        server.stop()
        starting = threading.Thread(target=server.start)
        starting.start()
        Database(server.url(name), now_ms=5).close()
        starting.join()


def test_a_database_in_which_nothing_may_be_made_is_refused(
    postgres_url: str, postgres_server: Postgres
) -> None:
    """As for any new user since Postgres 15; the server's own words say which right is missing."""
    with postgres_server.connect(name_of(postgres_url)) as conn:
        conn.execute(f"CREATE ROLE guest_{name_of(postgres_url)} LOGIN PASSWORD 'guest'")
    url = make_url(postgres_url).set(username=f"guest_{name_of(postgres_url)}", password="guest")
    with pytest.raises(DatabaseUnreadable, match="permission denied"):
        Database(url.render_as_string(hide_password=False), now_ms=5)


def test_a_database_of_another_encoding_is_refused(postgres_server: Postgres) -> None:
    """A half of the world's text would not fit in; better said before than after."""
    with postgres_server.connect() as conn:
        conn.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(DatabaseUnreadable, match="UTF8"):
            Database(postgres_server.url("latin"), now_ms=5)
    finally:
        postgres_server.drop_database("latin")


@pytest.mark.parametrize("given", ["postgres://me@host/chat", "postgresql://me@host/chat"])
def test_the_driver_need_not_be_named(given: str) -> None:
    assert parse_url(given).drivername == "postgresql+psycopg"


def test_a_driver_that_is_not_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_engine("sqlite://")  # whatever is installed beside: this one is there
    monkeypatch.setattr(database_module, "create_engine", lambda *_, **__: made)
    with pytest.raises(DatabaseUnreadable, match=r"postgresql\+pg8000") as refused:
        Database("postgresql+pg8000://me:secret@host/chat", now_ms=5)
    assert "secret" not in str(refused.value)


def test_a_described_database_does_not_tell_its_password(postgres_url: str) -> None:
    database = Database(f"{postgres_url}?application_name=secret", now_ms=5)
    try:
        described = database.describe()
        assert described["durable"] is True
        assert described["backend"] == "postgresql"
        assert str(make_url(postgres_url).password) not in described["url"]
        assert "secret" not in described["url"]
    finally:
        database.close()


class Light(StoreHarness):
    """A harness of a server that executes nothing itself."""

    def opened(self) -> Store:
        return Store.open(self.url, now_ms=self.clock, is_light=True)


def test_an_idle_store_holds_few_connections(postgres_url: str, postgres_server: Postgres) -> None:
    """Many servers share one Postgres: one that writes, one that reads, one that listens."""
    harness = Light(postgres_url)
    try:
        run = harness.answered()
        together = threading.Barrier(3, timeout=PATIENCE_S)

        def look(conn: Any) -> None:
            together.wait()

        reading = [threading.Thread(target=harness.look, args=(look,)) for _ in range(3)]
        for each in reading:
            each.start()
        for each in reading:
            each.join(PATIENCE_S)
        assert harness.row(run)["content"] == "a"
        with postgres_server.connect() as conn:
            sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = %s"
            assert conn.execute(sql, [name_of(postgres_url)]).fetchone()[0] <= 3  # type: ignore[index]
    finally:
        harness.close()
