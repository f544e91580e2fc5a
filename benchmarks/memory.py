"""(v) What a page keeps of 200 threads that were opened in the side panel and closed again.

Each thread is opened, seen whole, and left for the list. The heap is that after a collection, once
the page has let go of threads and sockets it keeps for a while. Two halves: what the first one
leaves may be code and caches, what the second one adds is a leak.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page, WebSocket, expect

from tests.e2e import notebooks
from tests.e2e.pages import PATIENCE_MS, NotebookPage
from tests.e2e.sites import Site

from .browser import site_in_browser
from .page_cpu import PageCounters
from .report import Section
from .shapes import text_of

THREADS = 200
CHARS = 3_000
# A thread stays for 5 s after its last view, and the socket for 10 s after its last thread.
LET_GO_MS = 17_000
_OPEN = "([threadId]) => void jupyterapp.commands.execute('chat-stream:open', { threadId })"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a page holds at one moment."""

    heap_mb: float
    nodes: int
    listeners: int
    subscriptions: int
    sockets: int

    def cells(self) -> list[str]:
        counts = (self.nodes, self.listeners, self.subscriptions, self.sockets)
        return [f"{self.heap_mb:.1f}", *map(str, counts)]


class Subscriptions:
    """Counts the sockets of a page and the threads that they follow."""

    def __init__(self, page: Page) -> None:
        self.sockets = 0
        self._threads: Counter[str] = Counter()
        page.on("websocket", self._opened)

    @property
    def threads(self) -> int:
        return sum(self._threads.values())

    def _opened(self, socket: WebSocket) -> None:
        if "chat-stream" in socket.url:
            self.sockets += 1
            socket.on("close", lambda _: self._closed())
            socket.on("framesent", self._sent)

    def _closed(self) -> None:
        self.sockets -= 1
        self._threads.clear()

    def _sent(self, payload: str | bytes) -> None:
        frame = json.loads(payload)
        if frame["op"] == "subscribe":
            self._threads[frame["thread"]] = 1
        elif frame["op"] == "unsubscribe":
            self._threads.pop(frame["thread"], None)


def run(*, quick: bool = False) -> Section:
    """Open and close all threads."""
    count = 6 if quick else THREADS
    with site_in_browser() as (site, context):
        rows = [
            ["", "heap MB", "nodes", "listeners", "threads followed", "sockets"],
            *_rows(site, context, count),
        ]
    return Section(
        name="v",
        title=f"a page after {count} threads were opened and closed",
        goal="no leak: what the second half adds is nothing",
        rows=rows,
        notes=[
            f"each thread holds a question and an answer of {2 * CHARS // 1000} kB together",
            "the panel shows its list at each of these moments",
        ],
    )


def _rows(site: Site, context: BrowserContext, count: int) -> list[list[str]]:
    threads = [_thread(site, number) for number in range(count)]
    page = context.new_page()
    subscriptions = Subscriptions(page)
    path = notebooks.write(site, "memory", notebooks.code("1"))
    NotebookPage(page, site, path, "memory").open(kernel=False)
    counters = PageCounters(page)
    _visit(page, threads[:2])
    found = {"two threads opened and closed": _kept(page, counters, subscriptions)}
    half = count // 2
    for visited in (threads[:half], threads[half:]):
        _visit(page, visited)
        number = threads.index(visited[-1]) + 1
        found[f"{number} threads opened and closed"] = _kept(page, counters, subscriptions)
    *_, first, second = found.values()
    added = Kept(
        heap_mb=second.heap_mb - first.heap_mb,
        nodes=second.nodes - first.nodes,
        listeners=second.listeners - first.listeners,
        subscriptions=second.subscriptions - first.subscriptions,
        sockets=second.sockets - first.sockets,
    )
    rows = [[name, *kept.cells()] for name, kept in found.items()]
    return [*rows, ["the second half added", *added.cells()]]


def _thread(site: Site, number: int) -> str:
    thread = site.thread(f"memory-{number}", "demo/echo")
    text = text_of("mixed", CHARS)
    run_id = site.send(thread, text, chars_per_second=1_000_000, chunk_chars=CHARS)
    site.wait_for(run_id, "completed")
    return thread


def _visit(page: Page, threads: list[str]) -> None:
    panel = page.get_by_test_id("panel")
    for thread in threads:
        page.evaluate(_OPEN, [thread])
        live = panel.get_by_test_id("live")
        expect(live).to_have_attribute("data-link", "live", timeout=PATIENCE_MS)
        expect(panel.get_by_test_id("message-assistant")).to_have_count(1, timeout=PATIENCE_MS)
        panel.get_by_test_id("back").click()
        expect(live).to_have_count(0, timeout=PATIENCE_MS)


def _kept(page: Page, counters: PageCounters, subscriptions: Subscriptions) -> Kept:
    page.wait_for_timeout(LET_GO_MS)
    heap_bytes = counters.heap_bytes()
    dom = counters.dom()
    return Kept(
        heap_mb=heap_bytes / 1e6,
        nodes=dom["nodes"],
        listeners=dom["jsEventListeners"],
        subscriptions=subscriptions.threads,
        sockets=subscriptions.sockets,
    )
