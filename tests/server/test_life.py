"""Start and stop: nothing heavy before the server listens, and no failure takes it down."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.server import host as hosts
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.errors import DatabaseBusy
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, until

HEAVY = ("aiohttp", "anthropic", "pydantic", "sqlalchemy", "sqlmodel", "ipywidgets", "IPython")
OURS = ("service", "store", "engine", "runs", "providers", "following", "server.bodies")

LOAD = """
import json, sys
from jupyter_server.serverapp import ServerApp
app = ServerApp(allow_root=True, open_browser=False, port=0, ip="127.0.0.1")
app.jpserver_extensions = {"jupyter_chat_stream": True}
app.init_signal = lambda: None
app.reraise_server_extension_failures = True
app.initialize(argv=[], find_extensions=False)
print(json.dumps(sorted(sys.modules)))
"""


def test_loading_the_extension_imports_nothing_heavy(jupyter_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=jupyter_environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "jupyter_chat_stream.server.extension" in loaded
    assert not loaded & set(HEAVY)
    assert not loaded & {f"jupyter_chat_stream.{name}" for name in OURS}


async def test_a_request_that_comes_early_waits_for_the_service(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    may_load = threading.Event()
    load = hosts.load_service

    def slowly(config: Any) -> Any:
        assert may_load.wait(20)
        return load(config)

    monkeypatch.setattr(hosts, "load_service", slowly)
    starting = asyncio.ensure_future(start_server())  # its first request is for the status
    await until(lambda: os.environ.get(CONNECTION_ENV, "") and not starting.done())
    await until(lambda: Path(os.environ[CONNECTION_ENV]).exists())
    assert not starting.done()
    may_load.set()
    server = await asyncio.wait_for(starting, 20)
    assert (await server.ask("GET", "status")).status == 200


async def test_what_was_loaded_at_the_start_is_not_searched_for_garbage_again(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full search of a server's heap holds its loop, and all kernels' messages, up for 0.1 s."""
    monkeypatch.setattr(hosts.ServiceHost, "freeze_after_s", 0.0)
    before = gc.get_freeze_count()
    try:
        await start_server()
        await until(lambda: gc.get_freeze_count() > before)
    finally:
        gc.unfreeze()


def unreadable(path: Path) -> None:
    path.write_bytes(b"This is a letter, and no database." * 100)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE customers (name TEXT)")
        conn.execute("INSERT INTO customers VALUES ('Ada')")
    conn.close()


def newer(path: Path) -> None:
    from jupyter_chat_stream.store.store import Store

    Store.open(f"sqlite:///{path}").close()
    conn = sqlite3.connect(path)
    conn.execute("UPDATE meta SET value = '999999' WHERE key = 'min_code_version'")
    conn.commit()
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (unreadable, "database_unreadable"),
        (foreign, "database_foreign"),
        (newer, "database_too_new"),
    ],
)
async def test_a_database_that_cannot_be_used_is_503_everywhere_and_jupyter_goes_on(
    start_server: StartServer, tmp_path: Path, damage: Any, code: str
) -> None:
    damage(tmp_path / "chat.db")
    server = await start_server()
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", "status", None),
        ("POST", "threads", {}),
        ("GET", "threads/x/events", None),
        ("POST", "runs/x/cancel", None),
    ]
    for method, target, body in requests:
        reply = await server.ask(method, target, body)
        assert (reply.status, reply.error["code"]) == (503, code)
    others = await server.ask("GET", "api/status", url=server.root)
    assert others.status == 200


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"ChatStream_max_active_runs": 0}, "start_failed"),
        ({"ChatStream_on_crash": "foo"}, "start_failed"),
        ({"ChatStream_default_model": "nope"}, "invalid_input"),
    ],
)
async def test_a_wrong_setting_is_503_with_a_sentence_and_the_server_still_ends(
    start_server: StartServer, setting: dict[str, Any], code: str
) -> None:
    server = await start_server(**setting)
    reply = await server.ask("GET", "status")
    assert (reply.status, reply.error["code"]) == (503, code)
    (name,) = setting
    assert name.removeprefix("ChatStream_") in reply.error["message"]
    others = await server.ask("GET", "api/status", url=server.root)
    assert others.status == 200


@pytest.mark.parametrize("damage", [unreadable, foreign, newer])
async def test_a_database_that_cannot_be_used_stays_as_it_is(
    start_server: StartServer, tmp_path: Path, damage: Any
) -> None:
    path = tmp_path / "chat.db"
    damage(path)
    before = hashlib.sha256(path.read_bytes()).digest()
    server = await start_server()
    await server.ask("GET", "status")
    assert hashlib.sha256(path.read_bytes()).digest() == before


async def test_strangers_do_not_learn_why_it_cannot_start(
    start_server: StartServer, tmp_path: Path
) -> None:
    unreadable(tmp_path / "chat.db")
    server = await start_server()
    reply = await server.ask("GET", "status", headers={})
    assert (reply.status, reply.error["code"]) == (403, "unauthenticated")


async def test_a_start_that_failed_is_tried_again_later(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    unreadable(path)
    server = await start_server()
    now = time.monotonic()
    server.host.clock = lambda: now
    path.unlink()
    assert (await server.ask("GET", "status")).status == 503  # not by every request
    now += hosts.START_AGAIN_S
    assert (await server.ask("GET", "status")).status == 200


async def test_a_start_that_nobody_foresaw_is_503_with_an_id(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(config: Any) -> Any:
        raise ImportError("No module named 'sqlmodel'")

    monkeypatch.setattr(hosts, "load_service", explode)
    server = await start_server()
    reply = await server.ask("GET", "status")
    assert (reply.status, reply.error["code"]) == (503, "start_failed")


async def test_a_busy_database_in_the_middle_of_work_is_503(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any, **__: Any) -> None:
        raise DatabaseBusy("The database is locked by another program. Try again.")

    monkeypatch.setattr(chat_server.service, "models", busy)
    reply = await chat_server.ask("GET", "models")
    assert (reply.status, reply.error["code"]) == (503, "database_busy")


async def test_after_the_stop_everything_is_503(chat_server: ChatServer) -> None:
    await chat_server.extension.stop_extension()
    reply = await chat_server.ask("GET", "status")
    assert (reply.status, reply.error["code"]) == (503, "start_failed")


async def test_an_answer_goes_on_when_the_server_starts_again(start_server: StartServer) -> None:
    """L10, over HTTP: what was being made when the server stopped is made to its end."""
    server = await start_server()
    thread_id = await server.thread(model="demo/long")
    params = {"chars": 3000, "chunk_chars": 10, "chars_per_second": 2000}
    socket = await server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id})
    run_id = (await server.send(thread_id, "x", params=params))["run"]["id"]
    seen: list[Any] = []
    while sum(event["type"] == "delta" for event in seen) < 5:
        seen += (await socket.next("events"))["events"]
    await server.close()
    again = await start_server()
    service = await again.host.service()
    reply = await service.wait_ended("local", run_id, 30)
    assert reply["status"] == "completed"
    assert len(reply["content"]) == 3000


async def test_an_executing_run_counts_as_activity(chat_server: ChatServer) -> None:
    chat_server.host.activity_s = 0.01
    thread_id = await chat_server.thread(model="demo/tour")
    run_id = (await chat_server.send(thread_id, params={"chars_per_second": 5}))["run"]["id"]
    await until(lambda: chat_server.service.active_runs)
    settings = chat_server.app.web_app.settings
    settings["api_last_activity"] = before = settings["started"]
    chat_server.host.note_activity()
    assert settings["api_last_activity"] > before
    assert chat_server.app.web_app.last_activity() > before
    assert chat_server.extension.current_activity() == {"runs": 1}
    assert chat_server.app.extension_manager.any_activity()
    await chat_server.ask("POST", f"runs/{run_id}/cancel")
    await until(lambda: not chat_server.service.active_runs)
    assert chat_server.extension.current_activity() is None


async def test_the_host_looks_for_activity_by_itself(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts.ServiceHost, "activity_s", 0.01)
    server = await start_server()
    thread_id = await server.thread(model="demo/tour")
    settings = server.app.web_app.settings
    await server.send(thread_id, params={"chars_per_second": 5})
    settings["api_last_activity"] = before = settings["started"]
    await until(lambda: settings["api_last_activity"] > before)


async def test_idle_sockets_and_open_pages_are_no_activity(chat_server: ChatServer) -> None:
    chat_server.host.heartbeat_s = 0.01
    thread_id = await chat_server.thread()
    settings = chat_server.app.web_app.settings
    settings["api_last_activity"] = before = settings["started"]
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 0})
    await socket.next("live")
    for _ in range(3):
        await socket.next("heartbeat")
    await chat_server.ask("GET", f"threads/{thread_id}/events?after=1&wait=0.01")
    chat_server.host.note_activity()
    assert settings["api_last_activity"] == before
    await chat_server.ask("GET", f"threads/{thread_id}/messages")
    assert settings["api_last_activity"] > before
