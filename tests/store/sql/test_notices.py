"""Other processes hear of a commit at once, and a notice that is lost costs latency only (L9)."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.following.delivery import DeliveryState
from jupyter_chat_stream.following.hub import Hub, Reader
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.store.log.transaction import ThreadRef
from jupyter_chat_stream.store.sql.notices import sqlite
from jupyter_chat_stream.store.sql.notices.base import (
    ANYTHING,
    MAX_BYTES,
    Notice,
    Notices,
    notice_of,
    pack,
    unpack,
)
from tests.postgres import Postgres
from tests.store.harness import PATIENCE_S, StoreHarness, completed, postgres_only, sqlite_only

NEVER_S = 3600.0


@pytest.fixture
def other(harness: StoreHarness) -> Iterator[StoreHarness]:
    """A second store on the same database, as another process has it."""
    other = StoreHarness(harness.url, harness.clock)
    yield other
    other.close()


class Heard:
    """What a store is told by the others, in order."""

    def __init__(
        self, harness: StoreHarness, *, wants: Callable[[str], bool] | None = None
    ) -> None:
        self._told: queue.Queue[frozenset[str] | None] = queue.Queue()
        harness.store.on_foreign(self._told.put, wants=wants)

    def next(self) -> frozenset[str] | None:
        return self._told.get(timeout=PATIENCE_S)

    def within(self, patience_s: float) -> bool:
        """Return whether a notice that names threads comes in time."""
        try:
            return self._told.get(timeout=patience_s) is not None
        except queue.Empty:
            return False

    def until(self, thread: ThreadRef) -> list[frozenset[str] | None]:
        """Return what was told up to the first notice that names the thread."""
        told: list[frozenset[str] | None] = []
        while not told or told[-1] is None or thread.id not in told[-1]:
            told.append(self.next())
        return told


def ready(harness: StoreHarness, other: StoreHarness) -> None:
    """Go on when the first hears the second: they get to know each other in the background."""
    heard, thread = Heard(harness), other.thread()
    for _ in range(100):
        other.send(thread)
        if heard.within(PATIENCE_S / 100):
            return
    raise AssertionError("nothing is heard of another process")


# ---------------------------------------------------------------- what is told


def test_a_commit_of_another_process_is_told_with_its_threads(
    harness: StoreHarness, other: StoreHarness
) -> None:
    """L9"""
    ready(harness, other)
    heard, thread = Heard(harness, wants=lambda id_: True), other.thread()
    assert heard.until(thread)[-1] == {thread.id}


def test_own_commits_are_told_to_nobody_here(harness: StoreHarness, other: StoreHarness) -> None:
    ready(harness, other)
    heard = Heard(harness, wants=lambda id_: True)
    own = harness.thread()
    harness.answered(own)
    theirs = other.thread()
    assert all(told is None or own.id not in told for told in heard.until(theirs))


def test_engines_hear_of_runs_that_came_or_ended_but_not_of_text(
    harness: StoreHarness, other: StoreHarness
) -> None:
    """A Stop elsewhere is heard at once, and twenty deltas a second are not."""
    ready(harness, other)
    claimed = other.claimed()
    engine, last = Heard(harness), other.thread()
    engine.until(last)
    for _ in range(5):
        other.append(claimed, "x")
    other.append(claimed, *completed("xxxxx"))
    assert engine.next() == {claimed.run.thread.id}  # the end, and only that


def test_only_what_is_wanted_reaches_the_loop(harness: StoreHarness, other: StoreHarness) -> None:
    ready(harness, other)
    wanted: set[str] = set()
    heard = Heard(harness, wants=wanted.__contains__)
    unwanted, thread = other.thread(), other.thread()
    wanted.add(thread.id)
    other.answered(unwanted)
    other.answered(thread)
    assert {told for told in heard.until(thread) if told is not None} == {frozenset({thread.id})}


@pytest.mark.parametrize("moved", [True, False])
def test_a_notice_is_written_and_read_back(moved: bool) -> None:
    for threads in (None, frozenset(), frozenset({"a"}), frozenset({"a", "b2"})):
        notice = Notice(threads=threads, is_run_change=moved)
        assert unpack(pack(notice, "00ff")) == ("00ff", notice)


@pytest.mark.parametrize("ids", [{"x" * 30 + str(n) for n in range(1000)}, {"o'clock"}, {"a b"}])
def test_what_does_not_fit_into_a_notice_is_told_as_anything(ids: set[str]) -> None:
    words = pack(Notice(threads=frozenset(ids), is_run_change=False), "00ff")
    assert unpack(words) == ("00ff", Notice(threads=None, is_run_change=False))
    assert len(words) <= MAX_BYTES


@pytest.mark.parametrize("words", ["", "x", "A + b", "a ? b", "a + b c", "a + b\n", "é + b"])
def test_words_that_nobody_of_ours_writes_may_mean_anything(words: str) -> None:
    """A later version may say more than this one understands."""
    assert unpack(words) == ("", ANYTHING)


def test_a_commit_that_wrote_nothing_is_not_told() -> None:
    assert notice_of([], is_due=False) is None
    due = notice_of([], is_due=True)
    assert due is not None
    assert due.is_run_change


# ---------------------------------------------------------------- readers


@pytest.fixture
async def hub(harness: StoreHarness) -> AsyncIterator[Hub]:
    """A hub that never looks by itself: what its readers get, they were told of."""
    harness.store.attach(asyncio.get_running_loop())
    hub = Hub(ChatStore(harness.store), poll_interval_s=NEVER_S)
    yield hub
    await hub.stop()


async def read_until(reader: Reader, wanted: str) -> list[str]:
    """Read frames until one holds the words; give the kinds of frames."""
    ops = []
    while True:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        ops.append(frame.op)
        if wanted in frame.text:
            return ops


WORK = """
import sys
from tests.store.harness import StoreHarness
harness = StoreHarness(sys.argv[1])
claimed = harness.claimed()
print(claimed.run.thread.pk, claimed.run.thread.id, flush=True)
for line in sys.stdin:
    harness.append(claimed, line.strip())
harness.close()
"""


@pytest.mark.faults
async def test_a_reader_sees_another_process_commit_without_any_poll(
    harness: StoreHarness, hub: Hub
) -> None:
    """L6, L9: two real processes; nothing here looks by itself."""
    writing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORK, harness.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writing.stdin
    assert writing.stdout
    try:
        pk, id_ = (await asyncio.wait_for(writing.stdout.readline(), PATIENCE_S)).split()
        thread = ThreadRef(pk=int(pk), id=id_.decode())
        reader, bystander = hub.follow(thread, 0), hub.follow(await aside(harness), 0)
        for each in (reader, bystander):
            await read_until(each, '"live"')
        for number in range(5):
            writing.stdin.write(f"piece{number}\n".encode())
            await read_until(reader, f"piece{number}")
        assert bystander.delivery.state is not DeliveryState.BEHIND
    finally:
        writing.stdin.close()
        await asyncio.wait_for(writing.wait(), PATIENCE_S)


async def aside(harness: StoreHarness) -> ThreadRef:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, harness.thread)


async def test_a_notice_that_is_lost_costs_latency_only(
    harness: StoreHarness, other: StoreHarness
) -> None:
    """L9: the poll finds what nobody told of."""
    harness.store.attach(asyncio.get_running_loop())
    hub = Hub(ChatStore(harness.store), poll_interval_s=0.01)
    try:
        other.store.writer.batches.notices = Notices()  # which tells nobody
        thread = await asyncio.get_running_loop().run_in_executor(None, other.thread)
        reader = hub.follow(thread, 0)
        await read_until(reader, '"live"')
        await asyncio.get_running_loop().run_in_executor(None, other.answered, thread)
        await read_until(reader, "finalized")
    finally:
        await hub.stop()


# ---------------------------------------------------------------- SQLite


def files(harness: StoreHarness) -> list[Path]:
    folder, path = harness.store.database.folder, harness.store.database.path
    assert folder is not None
    assert path is not None
    return sorted(file for file in folder.iterdir() if file.name.startswith(f"{path.name}-peer-"))


@sqlite_only
@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_each_process_has_one_private_file_and_takes_it_away(
    harness: StoreHarness, other: StoreHarness
) -> None:
    """Its token is what lets others speak to us: nobody else may read it."""
    found = files(harness)
    assert len(found) == 2
    assert {file.stat().st_mode & 0o777 for file in found} == {0o600}
    other.close()
    assert len(files(harness)) == 1


@sqlite_only
def test_what_the_dead_have_left_is_removed(database_url: str) -> None:
    path = Path(database_url.removeprefix("sqlite:///"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    dead = path.with_name(f"{path.name}-peer-dead")
    dead.write_text(f"{port} token\n")
    torn = path.with_name(f"{path.name}-peer-torn")
    torn.write_text("12")
    harness = StoreHarness(database_url)
    try:
        assert not dead.exists()
        assert harness.store.notices.peers == ()  # type: ignore[attr-defined]
        harness.answered()
    finally:
        harness.close()


@sqlite_only
def test_datagrams_of_strangers_are_ignored(harness: StoreHarness, other: StoreHarness) -> None:
    """Whoever cannot read our file cannot make us do anything."""
    ready(harness, other)
    heard, thread = Heard(harness, wants=lambda id_: True), other.thread()
    heard.until(thread)
    own = next(file for file in files(harness) if file == harness.store.notices.own_file)  # type: ignore[attr-defined]
    port, token = own.read_text().split()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (
            b"",
            b"\xff" * 1000,
            f"{'0' * len(token)} ff + {thread.id}".encode(),
            f"{'0' * len(token)} end".encode(),
            f"{token[:-1]} ff + {thread.id}".encode(),
        ):
            stranger.sendto(data, ("127.0.0.1", int(port)))
    last = other.thread()
    assert heard.next() == {last.id}


def test_it_ends_though_the_word_to_end_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its buffer is full, which anybody on the host may see to, a datagram is dropped."""
    own = sqlite.Peers(tmp_path / "chat.db")
    busy, told, go_on = threading.Event(), threading.Event(), threading.Event()
    own.start(lambda notice: (busy.set(), go_on.wait(PATIENCE_S)))  # type: ignore[arg-type, return-value]
    assert own.socket is not None
    own.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least there is
    address, send = own.socket.getsockname(), own.send
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(f"{own.token} {pack(ANYTHING, '01other')}".encode(), address)
        assert busy.wait(PATIENCE_S)
        for _ in range(100):
            stranger.sendto(b"x" * 1000, address)
    monkeypatch.setattr(own, "send", lambda *words: (send(*words), told.set()))
    stopping = threading.Thread(target=own.stop, daemon=True)
    stopping.start()
    assert told.wait(PATIENCE_S)
    go_on.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_looked_at_ends_no_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: nothing is told to others for now, but what they tell is heard."""
    monkeypatch.setattr(Path, "iterdir", refuse := Refusing())
    told: queue.Queue[Notice] = queue.Queue()
    own = sqlite.Peers(tmp_path / "chat.db")
    own.start(told.put)
    try:
        assert refuse.times == 1
        assert own.socket is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            for words in ("look", pack(ANYTHING, "01other")):
                other.sendto(f"{own.token} {words}".encode(), own.socket.getsockname())
        assert told.get(timeout=PATIENCE_S) == ANYTHING
        assert refuse.times == 2
    finally:
        own.stop()


class Refusing:
    """Stands for a method that the system refuses."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, *_: object) -> None:
        self.times += 1
        raise PermissionError("refused by the test")


@sqlite_only
def test_a_process_alone_sends_nothing(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual case costs a comparison."""
    sent: list[Any] = []
    monkeypatch.setattr(sqlite.Peers, "send", lambda *arguments: sent.append(arguments))
    harness.answered()
    assert sent == []


@sqlite_only
def test_without_loopback_everything_else_works(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: notices are hints."""

    def refused() -> socket.socket:
        raise PermissionError("no sockets here")

    monkeypatch.setattr(sqlite, "listening_socket", refused)
    harness = StoreHarness(database_url)
    harness.answered()
    harness.close()


# ---------------------------------------------------------------- Postgres


@postgres_only
def test_after_a_lost_connection_everything_counts_as_changed(
    harness: StoreHarness, other: StoreHarness, postgres_server: Postgres
) -> None:
    """L9: what was told while nobody listened is not known."""
    ready(harness, other)
    heard = Heard(harness, wants=lambda id_: False)
    assert harness.store.look().result(PATIENCE_S) in (True, False)
    assert harness.store.look().result(PATIENCE_S) is False
    database = harness.url.rpartition("/")[2]
    with postgres_server.connect() as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND query LIKE 'LISTEN%'"
        )
    assert heard.next() is None
    assert harness.store.look().result(PATIENCE_S) is True
    ready(harness, other)


@postgres_only
def test_another_schema_of_the_database_hears_nothing(
    harness: StoreHarness, other: StoreHarness, postgres_server: Postgres
) -> None:
    """Several chats in one database are as apart as in several."""
    with postgres_server.connect(harness.url.rpartition("/")[2]) as conn:
        conn.execute("CREATE SCHEMA apart")
    elsewhere = StoreHarness(f"{harness.url}?options=-csearch_path%3Dapart", harness.clock)
    try:
        ready(harness, other)
        heard = Heard(harness, wants=lambda id_: True)
        theirs = elsewhere.thread()
        last = other.thread()
        told = heard.until(last)
        assert all(each is None or theirs.id not in each for each in told)
        assert elsewhere.store.notices.channel != harness.store.notices.channel  # type: ignore[attr-defined]
    finally:
        elsewhere.close()
