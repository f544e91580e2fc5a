"""Hundreds of broken sockets, one line as slow as 3G: no gap, no duplicate, nothing stuck (L6).

``CHAT_STREAM_CUTS`` (300) says how many. Four pages of JupyterLab follow one answer through two
proxies, in cells, a panel and a tab. The proxies break each socket of the chat after a few hundred
bytes, most of them within a frame, while the answer grows. Other sockets pass: Jupyter's own are
not what is tested.
"""

from __future__ import annotations

import copy
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, ChatView
from tests.e2e.sites import Site
from tests.e2e.test_panel import PanelPage
from tests.proxy import Line, Proxy

PAGES = 4
CUTS = int(os.environ.get("CHAT_STREAM_CUTS", "300"))
# On the slow line a handshake takes about 0.3 s, and its page polls between.
CUTS_OF_THE_SLOW_LINE = min(30, CUTS // 25)
# What the server sends before a cut: its 101 response has 314 bytes, a word of the answer 283.
LEAST_BYTES, MOST_BYTES = 500, 1_200
SLOW_3G = Line(bytes_per_s=50_000, delay_s=0.05)
# A word passes when this many pages listen: else the gaps would be longer than a cut socket's life.
LISTENING = 2
# A page that polls after two deaf sockets has none for some seconds.
LONGEST_STEP_S = 1.0
WORD_S = 0.02
PATIENCE_S = 300.0
TEXT = words(1_000)
WORD_CHARS = len(TEXT) // 1_000


@pytest.fixture
def proxies(site: Site) -> Iterator[Sequence[Proxy]]:
    with Proxy(site.port) as slow, Proxy(site.port) as fast:
        yield slow, fast


def behind(site: Site, proxy: Proxy) -> Site:
    """The same server, reached through a proxy."""
    through = copy.copy(site)
    through.port = proxy.port
    return through


def let_grow(gate: AnswerGate, slow: Proxy, fast: Proxy) -> None:
    """Let the answer through, word by word, until enough sockets were broken, on both lines."""
    deadline = time.monotonic() + PATIENCE_S
    chars, pause = 0, threading.Event()
    while slow.cuts + fast.cuts < CUTS or slow.cuts <= CUTS_OF_THE_SLOW_LINE:
        assert time.monotonic() < deadline, f"{slow.cuts} and {fast.cuts} cuts in {PATIENCE_S} s"
        chars = min(chars + WORD_CHARS, len(TEXT) - 1)  # the answer ends after the last cut
        gate.open(chars)
        pause.wait(WORD_S)
        step_end = time.monotonic() + LONGEST_STEP_S
        while slow.to_be_cut + fast.to_be_cut < LISTENING:
            if time.monotonic() > step_end:
                break
            pause.wait(WORD_S)


@pytest.mark.timeout(2 * PATIENCE_S)
def test_hundreds_of_cut_sockets_lose_and_repeat_nothing(
    site: Site, proxies: Sequence[Proxy], open_notebook: Open, name: str, gate: AnswerGate
) -> None:
    thread = site.thread(name, MODEL)
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    slow, fast = proxies
    lines = (slow, *[fast] * (PAGES - 1))
    pages = [open_notebook(behind(site, line), path, kernel=False) for line in lines]
    chats = [page.chat(0) for page in pages]
    in_panel, in_tab = (PanelPage(page) for page in pages[-2:])
    in_panel.execute("open", threadId=thread)
    in_tab.execute("open", threadId=thread, place="tab")
    tab = in_tab.page.locator(f"#jp-ChatStream-tab-{thread} .jp-ChatStream")
    chats[-2:] = [in_panel.chat, ChatView(tab)]
    for page, chat in zip(pages, chats, strict=True):
        page.seen.was_server_killed = True  # the browser notes the sockets that broke
        chat.expect_live()

    randomness = random.Random(name)
    run = site.send(thread, TEXT, **gate.params)
    slow.slow_down(SLOW_3G)
    for proxy in proxies:
        proxy.cut_after(lambda: randomness.randint(LEAST_BYTES, MOST_BYTES))
        proxy.cut()
    let_grow(gate, slow, fast)
    assert slow.cuts > CUTS_OF_THE_SLOW_LINE
    for proxy in proxies:
        proxy.cut_after(None)
    gate.open()

    assert site.wait_for(run, "completed")["attempt"] == 1
    assert site.messages(thread)[-1]["content"] == TEXT
    for page, chat in zip(pages, chats, strict=True):
        chat.expect_status(run, "completed")
        page.assert_grew_into(run, TEXT)
    # A page that polls has its socket back within a minute, or when the browser is on the net.
    for question, asking in (("on the slow line", chats[0]), ("in the tab", chats[-1])):
        asked = asking.send(f"Said {question}")
        for chat in chats:
            chat.expect_status(asked, "completed")
            chat.expect_text(asked, f"Said {question}")
            chat.expect_live()
            expect(chat.status).to_have_text("", timeout=PATIENCE_MS)
            expect(chat.field).to_be_enabled()
