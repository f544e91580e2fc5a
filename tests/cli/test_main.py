"""The command line: what it is told, what it says, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from jupyter_chat_stream.__main__ import ChatStreamCommand, arguments
from jupyter_chat_stream.cli.status import gather, is_locked
from jupyter_chat_stream.engine.holders import FileHolders
from jupyter_chat_stream.service import SendRequest, Service
from jupyter_chat_stream.shared.config import CONNECTION_ENV, ChatStream
from jupyter_chat_stream.store.store import Store
from tests.store.harness import StoreHarness
from tests.store.sql.test_upgrade import GENERATION_1

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with these words; gives its code."""
    monkeypatch.delenv(CONNECTION_ENV, raising=False)

    def command(*words: str) -> int:
        ChatStreamCommand.clear_instance()
        app = ChatStreamCommand.instance()
        try:
            with pytest.raises(SystemExit) as ended:
                app.initialize(arguments(list(words)))
                app.start()
        finally:
            for each in (app.subapp, app):
                if each is not None:
                    type(each).clear_instance()
        return int(ended.value.code or 0)

    return command


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The option that names a SQLite file with one thread, a finished exchange and an open run."""
    return filled(f"sqlite:///{tmp_path / 'chat.db'}")


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> str:
    """The same, on each kind of database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("database"))
    return filled(request.getfixturevalue("postgres_url"))


def filled(url: str) -> str:
    """Fill a database; gives the option that names it."""

    async def fill() -> None:
        service = Service(ChatStream(database_url=url, default_model="demo/echo"))
        await service.start()
        thread, _ = await service.create_thread("ada", name="churn", title="Churn")
        sent = await service.send("ada", thread["id"], SendRequest(content="Why?"))
        await service.wait_ended("ada", sent["run"]["id"], 20)
        await service.stop()
        idle = ChatStream(database_url=url, default_model="demo/echo", run_in_server=False)
        service = Service(idle)
        await service.start()
        await service.send("ada", thread["id"], SendRequest(content="And now?"))
        await service.stop()

    asyncio.run(fill())
    return f"--ChatStream.database_url={url}"


def test_every_command_says_what_it_is_for(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ChatStreamCommand.subcommands:
        assert run(name, "--help") == 0
        told = capsys.readouterr().out
        assert "Examples" in told, name
        assert f"jupyter chat-stream {name}" in told
    assert run("--help") == 0
    told = capsys.readouterr().out
    assert all(f"\n{name}\n" in told for name in ChatStreamCommand.subcommands)


@pytest.mark.parametrize(
    "words",
    [(), ("dance",), ("check", "this"), ("status", "it"), ("export",), ("export", "a", "b")],
)
def test_words_that_cannot_be_meant_end_with_2_and_a_sentence(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip().endswith((".", "--all."))


def test_a_url_that_cannot_be_read_is_refused_without_its_password(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "--ChatStream.database_url=no url: secret") == 1
    told = capsys.readouterr().err
    assert "--ChatStream.database_url" in told
    assert "secret" not in told


@pytest.mark.parametrize("name", ["status", "check", "gc", "export x"])
def test_no_command_makes_a_database(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "none.db"
    assert run(*name.split(), f"--ChatStream.database_url=sqlite:///{path}") == 1
    assert "There is no database" in capsys.readouterr().err
    assert not path.exists()
    assert run(*name.split(), "--ChatStream.database_url=sqlite://") == 1
    assert "Name a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["status"], ["check"], ["export", "--all", "--output=out"], ["gc", "--dry-run"]]
)
def test_a_command_that_only_reads_leaves_an_older_database_as_it_is(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Else the servers of that version could not be started again."""
    path = tmp_path / "chat.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(GENERATION_1.read_text(encoding="utf-8"))
    conn.close()
    before = path.read_bytes()
    assert run(*words, f"--ChatStream.database_url=sqlite:///{path}") == 1
    assert "start one of this version" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_settings_may_stand_before_the_word_and_in_jupyter_s_files(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert run(database, "check") == 0
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(folder))
    url = database.partition("=")[2]
    for name in ("jupyter_server_config", "jupyter_chat_stream_config"):
        (folder / f"{name}.json").write_text(json.dumps({"ChatStream": {"database_url": url}}))
        assert run("check") == 0
        (folder / f"{name}.json").unlink()
    assert capsys.readouterr().out == "0 differences\n" * 3


def test_check_names_each_thing_that_is_not_as_the_log_says(
    run: Run, capsys: pytest.CaptureFixture[str], database: str, tmp_path: Path
) -> None:
    """L7."""
    damage = sqlite3.connect(tmp_path / "chat.db")
    with damage:
        damage.execute("UPDATE message SET parts = replace(parts, 'Why', 'How')")
    damage.close()
    assert run("check", database) == 1
    *found, total = capsys.readouterr().out.splitlines()
    assert total == f"{len(found)} differences"
    assert found
    assert all("L7: parts differs" in line or "content differs" in line for line in found)
    assert not any("Why" in line or "How" in line for line in found)


def test_status_reads_a_database_that_no_server_serves(
    run: Run, capsys: pytest.CaptureFixture[str], either: str
) -> None:
    assert run("status", "--json", either) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["runs"]["completed"] == 1
    (waits,) = facts["open_runs"]
    assert (waits["status"], "owner" in waits) == ("pending", False)
    assert facts["oldest_pending"] == waits["created_at"]
    assert facts["holders"] == []
    assert facts["threads"] == {"kept": 1, "deleted": 0}
    assert facts["events"]["written"] > 5
    assert facts["bytes"]["database"] > 0
    assert facts["schema"]["last"].startswith("m0")
    assert run("status", either) == 0
    assert "runs: pending 1, processing 0" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_status_says_who_holds_a_run_and_whether_they_live(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    """L10: a lock on SQLite, a lease on Postgres."""
    sqlite = f"sqlite:///{tmp_path / 'chat.db'}"
    url = sqlite if kind == "sqlite" else request.getfixturevalue("postgres_url")
    service = Service(ChatStream(database_url=url, default_model="demo/long"))
    await service.start()
    try:
        thread, _ = await service.create_thread("ada")
        slow = SendRequest(content="Go on", params={"chars_per_second": 20})
        sent = await service.send("ada", thread["id"], slow)
        reader = await service.follow("ada", thread["id"], 0)
        while not any('"delta"' in text for _, text in (await reader.next()).event_texts):
            pass
        facts = await asyncio.to_thread(gather, ChatStream(database_url=url), is_named=True)
        reader.close()
    finally:
        await service.stop()
    (run,) = facts["open_runs"]
    (holder,) = facts["holders"]
    assert (run["id"], run["status"], run["owner"]) == (
        sent["run"]["id"],
        "processing",
        holder["owner"],
    )
    assert (holder["runs"], holder["alive"]) == (1, True)
    assert kind == "sqlite" or (holder["kind"], holder["pid"]) == ("server", os.getpid())


def test_who_holds_a_lock_is_told_without_touching_it(tmp_path: Path) -> None:
    owners = FileHolders(tmp_path, "living")
    owners.lock()
    dead = tmp_path / "owners" / "dead.lock"
    dead.touch()
    assert is_locked(tmp_path, "living")
    assert not is_locked(tmp_path, "dead")
    assert not is_locked(tmp_path, "never-was")
    assert dead.exists()
    owners.unlock()


def test_export_writes_a_file_for_its_owner_alone(
    run: Run, capsys: pytest.CaptureFixture[str], either: str, tmp_path: Path
) -> None:
    path = tmp_path / "churn.md"
    assert run("export", "ada/churn", either, f"--output={path}") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("export", "ada/churn", either) == 0
    printed = capsys.readouterr().out
    assert "# Churn\n" in printed
    assert path.read_text().splitlines()[3:] == printed.splitlines()[3:]
    assert run("export", "eve/churn", either) == 1
    assert "There is no thread 'eve/churn'" in capsys.readouterr().err


def test_export_of_all_gives_each_thread_a_file(
    run: Run, capsys: pytest.CaptureFixture[str], either: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert run("export", "--all", "--format=json", "--events", either, f"--output={folder}") == 0
    (path,) = folder.iterdir()
    whole = json.loads(path.read_text())
    assert path.name == f"Churn-{whole['thread']['id']}.json"
    assert len(whole["events"]) == whole["seq"]
    assert run("export", "--all", either) == 2
    assert run("export", "ada/churn", "--events", "--format=md", either) == 2


@pytest.mark.parametrize("words", [["export", "ada/churn"], ["check"]], ids=lambda words: words[0])
def test_what_is_read_again_after_a_lost_connection_is_printed_once(
    run: Run,
    postgres_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    """The reader is done again from its beginning, when its output might be out already."""
    database = filled(postgres_url)
    store = Store.open(postgres_url)
    store.submit(lambda tx: tx.execute("UPDATE message SET parts = '[]'")).result(20)
    store.close()
    code = run(*words, database)
    before = capsys.readouterr().out.splitlines()
    read_now, times = Store.read_now, []

    def read_and_lose(store: Store, work: Callable[[Connection], Any]) -> Any:
        def work_and_lose(conn: Connection) -> Any:
            found = work(conn)
            times.append(found)
            if len(times) == 1:
                conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
            return found

        return read_now(store, work_and_lose)

    monkeypatch.setattr(Store, "read_now", read_and_lose)
    assert run(*words, database) == code
    assert len(times) == 2
    after = capsys.readouterr().out.splitlines()
    assert len(after) == len(before) > 1
    assert after[3:] == before[3:]  # an export says when it was made


def test_gc_says_first_and_does_then(
    run: Run, capsys: pytest.CaptureFixture[str], either: str
) -> None:
    """L2."""
    old = "--ChatStream.keep_events_days=0"
    assert run("gc", "--dry-run", either, old) == 0
    assert "runs to compact: 1, with " in capsys.readouterr().out
    assert run("gc", either, old) == 0
    assert "runs compacted: 1, with " in capsys.readouterr().out
    assert run("gc", "--dry-run", either, old) == 0
    assert "runs to compact: 0, with 0 deltas" in capsys.readouterr().out
    assert run("check", either) == 0


def test_an_export_says_which_events_were_compacted(
    run: Run, capsys: pytest.CaptureFixture[str], either: str
) -> None:
    """L2."""
    assert run("gc", either, "--ChatStream.keep_events_days=0") == 0
    capsys.readouterr()
    assert run("export", "ada/churn", "--format=json", "--events", either) == 0
    whole = json.loads(capsys.readouterr().out)
    (gone,) = whole["compacted"]
    assert whole["seq"] - len(whole["events"]) == gone["deltas"]
    assert whole["messages"][1]["content"]


def test_a_text_that_is_no_utf_8_is_named_by_check_and_the_rest_is_exported(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """L7: one damaged row is no end of the reading."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    harness = StoreHarness(url)
    thread = harness.thread(name="hurt")
    hurt = harness.answered(thread, ("first",))
    harness.answered(thread, ("second",))
    no_text = "CAST(X'5B7BFF' AS TEXT)"
    harness.sql(f"UPDATE message SET parts = {no_text} WHERE id = '{hurt.message_id}'")
    harness.close()
    assert run("check", f"--ChatStream.database_url={url}") == 1
    told = capsys.readouterr().out
    assert f"thread {thread.id}: message {hurt.message_id}: a row cannot be read" in told
    assert run("export", thread.id, f"--ChatStream.database_url={url}") == 0
    told = capsys.readouterr().out
    assert "is damaged" in told
    assert "second" in told
