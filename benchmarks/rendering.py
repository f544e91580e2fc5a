"""(m) Frames per second while an answer of one shape flows at 100 updates a second.

Beside it, in the same page and with the same text, the naive way: all of the Markdown rendered
again by JupyterLab's rendermime for each update, as soon as the rendering before has ended.
"""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.chat_page import ChatPage, PageTimings, content_of
from tests.e2e.pages import PATIENCE_MS

from . import flowing
from .browser import KB, NAIVE, site_in_browser
from .report import Section
from .shapes import SHAPES, last_word, text_of

_HOLDS = "([node, word]) => node.textContent.includes(word)"


def run(*, quick: bool = False) -> Section:
    """Measure each shape with 32 and 100 KB of it already there."""
    sizes, seconds = ((4 * KB,), 1.0) if quick else ((32 * KB, 100 * KB), 4.0)
    rows = [["shape, text already there", "fps", "longest task ms", "share of time lost",
             "longest wait ms", "fps, naive", "longest task ms, naive"]]  # fmt: skip
    with site_in_browser() as (site, context):
        chat_page = ChatPage(context, site, "rendering")
        for shape in SHAPES:
            rows.extend(_row(chat_page, shape, size, seconds) for size in sizes)
        idle = _measure(chat_page, seconds)
    return Section(
        name="m",
        title="an answer of one shape flows at 100 updates a second",
        goal="at least 55 fps, no task over 50 ms",
        rows=rows,
        notes=[f"the same page, nothing happening: {idle.fps:.0f} fps"],
    )


def _row(chat_page: ChatPage, shape: str, size: int, seconds: float) -> list[str]:
    thread = chat_page.site.thread(f"{shape} {size}", flowing.MODEL)
    chat = chat_page.show(thread)
    run_id = chat_page.site.send(thread, "Flow", already=size, shape=shape)
    content = content_of(chat, run_id)
    content.wait_for()
    node = content.element_handle()
    already = text_of(shape, size)
    chat_page.page.wait_for_function(_HOLDS, arg=[node, last_word(already)], timeout=PATIENCE_MS)
    # A typeset formula has less text than its source, so growth is told by a later word.
    later = last_word(text_of(shape, size + 600))
    chat_page.page.wait_for_function(_HOLDS, arg=[node, later], timeout=PATIENCE_MS)
    ours = _measure(chat_page, seconds)
    chat_page.site.chat("POST", f"runs/{run_id}/cancel")
    # A page that was slow may have shown the whole flow by now.
    ended = re.compile("cancelled|completed")
    expect(chat.answer(run_id)).to_have_attribute("data-status", ended, timeout=PATIENCE_MS)
    content.evaluate("node => chatPage.settle(node)")
    text = text_of(shape, size + flowing.UPDATES_PER_S * flowing.CHUNK_CHARS * 60)
    arguments = [text, size, flowing.CHUNK_CHARS, flowing.UPDATES_PER_S]
    chat_page.notebook.on_panel(NAIVE, arguments)
    chat_page.page.wait_for_timeout(500)
    naive = _measure(chat_page, seconds)
    chat_page.page.evaluate("window.endNaive()")
    return [
        f"{shape}, {size // KB} KB",
        *(f"{ours.fps:.0f}", f"{ours.longest_task_ms:.0f}"),
        *(f"{100 * ours.lost_share:.1f} %", f"{ours.longest_gap_ms:.0f}"),
        *(f"{naive.fps:.0f}", f"{naive.longest_task_ms:.0f}"),
    ]


def _measure(chat_page: ChatPage, seconds: float) -> PageTimings:
    chat_page.begin()
    chat_page.page.wait_for_timeout(seconds * 1000)
    return chat_page.measured()
