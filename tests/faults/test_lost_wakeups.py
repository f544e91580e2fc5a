"""What another process commits reaches every reader here, whoever of them looked first (L9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.following.hub import Hub, Reader
from jupyter_chat_stream.shared.errors import StoreError
from jupyter_chat_stream.shared.events import ThreadChanged
from jupyter_chat_stream.store.chat import threads
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.sql.notices.base import Notices
from jupyter_chat_stream.store.store import Store

POLL_S = 0.2
SOON_S = 5.0


class TwoProcesses:
    """TwoProcesses processes' stores on one file: readers here, a writer there."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'chat.db'}"
        self.here, self.there = Store.open(url), Store.open(url)
        self.there.writer.batches.notices = Notices()  # nobody is told: only looking finds it
        self.here.attach(asyncio.get_running_loop())
        self.hub = Hub(ChatStore(self.here), poll_interval_s=POLL_S)
        made = self.there.submit(_create).result(SOON_S)
        found = self.there.read_now(lambda conn: threads.find_thread(conn, "local", made["id"]))
        self.thread: ThreadRef = found

    def commit_there(self, title: str) -> None:
        change = ThreadChanged(thread={"title": title})
        self.there.submit(lambda tx: tx.append(self.thread, change), self.thread.pk).result(SOON_S)

    async def level_reader(self) -> Reader:
        """Return a reader that has everything so far and waits for more."""
        reader = self.hub.follow(self.thread, 0)
        while (await asyncio.wait_for(reader.next(), SOON_S)).op != "live":
            pass
        return reader


def _create(tx: Transaction) -> dict[str, Any]:
    given: dict[str, Any] = {"name": None, "title": None, "model": "demo/echo", "system": None}
    return threads.create_thread(tx, owner="local", project="", **given)[0]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(tmp_path)
    yield made
    await made.hub.stop()
    made.here.close()
    made.there.close()


async def test_a_reader_is_woken_though_another_reader_looked_first(two: TwoProcesses) -> None:
    """L6, L9: one reader's read must not stand for all others'."""
    waiting = await two.level_reader()
    two.commit_there("first")
    late = two.hub.follow(two.thread, waiting.cursor)  # reads before the next look for changes
    assert (await asyncio.wait_for(late.next(), SOON_S)).seq == 2
    assert (await asyncio.wait_for(waiting.next(), SOON_S)).seq == 2


async def test_a_change_is_not_forgotten_because_the_look_at_it_failed(
    two: TwoProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: the database says once that it has changed; a read that fails then is done again."""
    waiting = await two.level_reader()
    await asyncio.wait_for(_no_change(two), SOON_S)
    read, failures = two.here.read, [StoreError("the disk is gone for a moment")]

    async def read_again(work: Any) -> Any:
        if failures:
            raise failures.pop()
        return await read(work)

    monkeypatch.setattr(two.here, "read", read_again)
    two.commit_there("once")
    assert (await asyncio.wait_for(waiting.next(), SOON_S)).seq == 2
    assert not failures


async def _no_change(two: TwoProcesses) -> None:
    while await two.here.has_changed():
        pass
