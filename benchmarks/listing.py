"""(o) The list of 5,000 threads beside one of 50, in the same database: pages, rows, comparisons.

Each thread has an answered question; one in a hundred is busy, one in a hundred is pinned, one in
ten is unread. Both lists are read in turns, on a store's own reading thread, as the server does.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyter_chat_stream.store.chat import commands, marks, runs, threads
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.front import ChatStore, ListFilter
from jupyter_chat_stream.store.log.transaction import Transaction
from tests.postgres import Postgres

from .report import Section, ms, times

SIZES = {"few": 50, "many": 5000}
AT_ONCE = 100  # threads made in one transaction
FOLDERS = 20

Read = Callable[[ChatStore, str], Awaitable[Any]]


READS: dict[str, Read] = {
    "GET threads, first page of 50": lambda store, owner: store.threads.page(
        owner, ListFilter(), limit=50
    ),
    "the same, pinned ones": lambda store, owner: store.threads.page(
        owner, ListFilter(pinned=True), limit=50
    ),
    "GET projects": lambda store, owner: store.threads.projects(owner, archived=False),
    "all numbers that a comparison reads": lambda store, owner: store.threads.traces(owner),
}


def run(*, quick: bool = False) -> Section:
    """Measure; quick: a hundredth of the threads."""
    sizes = {"few": 5, "many": 50} if quick else SIZES
    rounds = 3 if quick else 60
    rows = [["", "many : few", "few, ms", "many", "many, p99"]]
    with Postgres() as server, tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        urls = {
            "SQLite": f"sqlite:///{folder}/chat.db",
            "Postgres": server.url(server.create_database()),
        }
        for name, url in urls.items():
            rows += asyncio.run(_measured(name, url, sizes, rounds))
    return Section(
        name="o",
        title=f"the list of {sizes['many']} threads beside one of {sizes['few']}",
        goal="a first page and a row at most 10 ms, whatever the size of the list",
        rows=rows,
        notes=[
            f"medians of {rounds} reads a list, in turns; both lists are in one database",
            "a row: what a watching socket reads after a change of one thread",
        ],
    )


async def _measured(name: str, url: str, sizes: dict[str, int], rounds: int) -> list[list[str]]:
    loop = asyncio.get_running_loop()
    store = await loop.run_in_executor(None, ChatStore.open, url)
    store.attach(loop)
    try:
        newest = {owner: await _fill(store, owner, size) for owner, size in sizes.items()}
        reads = {
            **READS,
            "a row": lambda store, owner: store.threads.read_listed(owner, newest[owner]),
        }
        return [await _row(f"{name}: {what}", store, read, rounds) for what, read in reads.items()]
    finally:
        await loop.run_in_executor(None, store.close)


async def _row(what: str, store: ChatStore, read: Read, rounds: int) -> list[str]:
    taken: dict[str, list[float]] = {owner: [] for owner in SIZES}
    for _ in range(rounds):
        for owner, values in taken.items():
            begun_s = time.perf_counter()
            assert await read(store, owner)
            values.append(time.perf_counter() - begun_s)
    few, many = (statistics.median(taken[owner]) for owner in SIZES)
    slowest = sorted(taken["many"])[int(0.99 * rounds)]
    return [what, times(many / few), ms(few), ms(many), ms(slowest)]


async def _fill(store: ChatStore, owner: str, size: int) -> list[str]:
    """Make a list; returns the id of its newest thread."""
    made: list[str] = []
    for first in range(0, size, AT_ONCE):
        numbers = range(first, min(size, first + AT_ONCE))
        made += await store.core.write(partial(_make_all, owner=owner, numbers=numbers))
    return made[-1:]


def _make_all(tx: Transaction, *, owner: str, numbers: range) -> list[str]:
    return [_make(tx, owner, number) for number in numbers]


def _make(tx: Transaction, owner: str, number: int) -> str:
    wire, _ = threads.create_thread(
        tx,
        owner=owner,
        project=f"/data/{number % FOLDERS}",
        name=None,
        title=f"Question {number}",
        model="demo/echo",
        system=None,
    )
    sent = commands.send(tx, wire["id"], Sender(owner=owner), SendRequest(content="Why? " * 40))
    if number % 100:
        runs.end_run(tx, runs.find_run(tx.conn, owner, sent["run"]["id"]), "completed", 1)
        tx.flush()
    thread = threads.find_thread(tx.conn, owner, wire["id"])
    if number % 10:
        marks.read_up_to(tx, owner, thread, tx.head(thread))
    if number % 100 == 1:
        marks.pin(tx, owner, thread, pinned=True)
    return wire["id"]
