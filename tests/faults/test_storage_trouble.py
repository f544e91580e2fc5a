"""The file is locked by somebody, or the disk is full: latency, a clear answer, nothing lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from tests.faults.databases import FaultyDatabase, FaultyPostgres, is_running
from tests.faults.harness import Server, stays
from tests.faults.laws import (
    assert_file_is_whole,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually
from tests.faults.readers import Memory, Socket, SseReader
from tests.postgres import Postgres

pytestmark = [pytest.mark.faults, pytest.mark.slow]

DEMO = "demo/long"
CHARS = 4_000
DISK_BYTES = 4 * 1024 * 1024
POSTGRES_DISK_BYTES = 160 * 1024 * 1024
QUOTA_BYTES = 600 * 1024

Mount = Callable[[int], Path]


@asynccontextmanager
async def followed(
    server: Server, chars: int = CHARS, faulty_database: FaultyDatabase | None = None
) -> AsyncIterator[tuple[dict[str, Any], Any]]:
    """Let an answer stream and follow it; afterwards it is whole, and so is what was seen of it."""
    thread = await server.thread(DEMO)
    params = {"chars": chars, "chars_per_second": 800, "chunk_chars": 8}
    run = dict((await server.send(thread, "Go on", params=params))["run"])
    memory = Memory(thread)
    socket = Socket(server, [memory]).start()
    sse = SseReader(server, memory).start()
    await sse.until(20)
    yield run, sse
    ended = await server.until_run(run["id"], ("completed",), within_s=60)
    assert (await server.message(thread, run["id"]))["content"] == long_text(chars)
    assert ended["error"] is None
    for reader in (*socket.readers.values(), sse):
        await assert_reader_holds_the_state(reader)
    await socket.stop()
    await sse.stop()
    await assert_nothing_seen_was_lost(server, memory)
    server.kill()
    if faulty_database is None:
        assert_file_is_whole(server.database)
    else:
        faulty_database.assert_whole()


@asynccontextmanager
async def locked(database: Path) -> AsyncIterator[None]:
    """Hold the file's write lock, as a backup or a person with a shell may."""
    conn = sqlite3.connect(database, timeout=10, isolation_level=None)
    try:
        conn.execute("BEGIN EXCLUSIVE").close()
        yield
        conn.execute("ROLLBACK").close()
    finally:
        conn.close()


async def test_a_lock_of_a_second_costs_latency_only(make_server: Any) -> None:
    """What the provider says meanwhile waits in memory; a command waits for its commit."""
    server = await make_server().start()
    async with followed(server) as (run, sse):
        async with locked(server.database):
            began = time.monotonic()
            sending = asyncio.ensure_future(
                server.send(run["thread_id"], "And?", model="demo/echo")
            )
            cursor = sse.cursor

            async def nothing_new() -> bool:
                return sse.cursor <= cursor + 1  # what was committed just before may still arrive

            await stays(nothing_new, for_s=1.0, what="seen without a commit (L3)")
        sent = await sending
        assert time.monotonic() - began >= 1.0
        assert sent["run"]["status"] == "pending"
        await server.until_run(run["id"], ("completed",))
        assert (await server.run(run["id"]))["attempt"] == 1
        await server.until_run(sent["run"]["id"], ("completed",))


@pytest.mark.timeout(120)
async def test_a_lock_that_lasts_is_said_and_waited_out(make_server: Any) -> None:
    """A command is refused as busy after ten seconds; the answer goes on when the lock is gone."""
    server = await make_server().start()
    async with followed(server) as (run, _), locked(server.database):
        path = f"threads/{run['thread_id']}/messages"
        status, answer = await server.ask("POST", path, {"content": "And?"}, timeout_s=60)
        assert (status, answer["error"]["code"]) == (503, "database_busy")
        assert (await server.ask("GET", path))[0] == 200  # readers need no lock


# ------------------------------------------------------------------------------- a full disk


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Make file systems of so many bytes, all ours; gone with the test, however it ends."""
    mounted: list[Path] = []

    def make(size: int) -> Path:
        program = shutil.which("mount")
        if os.geteuid() != 0 or program is None:
            pytest.skip("a small file system is mounted by root only")
        folder = Path(tempfile.mkdtemp(prefix="chat-stream-disk-"))
        command = [program, "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        if done.returncode != 0:
            folder.rmdir()
            pytest.skip(f"no file system could be mounted: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
        folder.rmdir()


@pytest.fixture
def small_disk(mount: Mount) -> Path:
    """A file system of a few MB."""
    return mount(DISK_BYTES)


def fill(folder: Path) -> Path:
    """Leave not a byte of room."""
    ballast = folder / "ballast"
    for size in (64 * 1024, 1):
        with ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


async def until_full(server: Server, thread: str) -> dict[str, Any]:
    """Send until a message is refused; give the refusal."""

    async def look() -> dict[str, Any] | None:
        status, answer = await server.ask(
            "POST", f"threads/{thread}/messages", {"content": "x" * 4000, "model": "demo/echo"}
        )
        return None if status == 202 else {"status": status, **answer["error"]}

    return await eventually(look, what="a refusal") or {}


@pytest.mark.parametrize(
    "for_s", [2.0, pytest.param(20.0, marks=pytest.mark.timeout(180))], ids=["a moment", "longer"]
)
async def test_a_full_disk_loses_nothing_and_the_answer_goes_on_when_there_is_room(
    make_server: Any, small_disk: Path, for_s: float
) -> None:
    """Also when it lasts longer than the run's own patience: then the sweep takes it up again."""
    server = await make_server(database=small_disk / "chat.db").start()
    other = await server.thread("demo/echo")
    async with followed(server, chars=CHARS) as (run, sse):
        ballast = fill(small_disk)
        refused = await until_full(server, other)
        assert (refused["status"], refused["code"]) == (503, "store_error")
        assert "disk" in refused["message"]
        cursor = sse.cursor

        async def still_reads() -> bool:
            status, answer = await server.ask("GET", f"threads/{run['thread_id']}/messages")
            assert status == 200, answer
            assert answer["seq"] >= cursor, (answer["seq"], cursor)
            return True

        await stays(still_reads, for_s=for_s, what="a full disk can be read")
        assert (await server.run(run["id"]))["status"] == "processing"
        ballast.unlink()
        sent = await server.send(other, "Is there room?")
        await server.until_run(sent["run"]["id"], ("completed",))


async def test_a_server_killed_on_a_full_disk_starts_again_and_goes_on(
    make_server: Any, small_disk: Path
) -> None:
    server = await make_server(database=small_disk / "chat.db").start()
    other = await server.thread("demo/echo")
    async with followed(server) as (_, sse):
        ballast = fill(small_disk)
        await until_full(server, other)
        seen = sse.cursor
        server.kill()
        ballast.unlink()
        await server.start()
        await sse.until(seen + 1)


async def test_files_that_may_not_grow_are_as_a_full_disk(make_server: Any) -> None:
    """What a quota does, for whoever may not mount: another error, the same end."""
    server = make_server(fault="small_files", environment={"JCS_FILE_BYTES": str(QUOTA_BYTES)})
    await server.start()
    other = await server.thread("demo/echo")
    async with followed(server, chars=CHARS // 2):
        refused = await until_full(server, other)
        assert (refused["status"], refused["code"]) == (503, "store_error")
        server.signal(PULL)  # there is room again
        sent = await server.send(other, "Is there room?")
        await server.until_run(sent["run"]["id"], ("completed",))


@pytest.mark.timeout(120)
async def test_on_postgres_a_full_disk_loses_nothing_and_the_answer_goes_on_when_there_is_room(
    make_server: Any, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres may refuse or restart, as it pleases; the laws hold either way."""
    monkeypatch.setattr(tempfile, "tempdir", str(mount(POSTGRES_DISK_BYTES)))
    with Postgres(fsync=True) as postgres:
        monkeypatch.undo()
        faulty_database = FaultyPostgres(postgres)
        server = await make_server(**faulty_database.settings).start()
        other = await server.thread("demo/echo")
        async with followed(server, faulty_database=faulty_database, chars=CHARS // 2):
            ballast = fill(Path(postgres.folder))
            refused = await until_full(server, other)
            assert refused["status"] == 503
            ballast.unlink()
            if not is_running(postgres):
                postgres.start()
            sent = await server.send(other, "Is there room?")
            await server.until_run(sent["run"]["id"], ("completed",))
