"""(n) The longest task of a page while a text comes that was made to freeze it, and drawn anew.

Beside it, in a page of the same JupyterLab, JupyterLab's own rendering of the same text, once. All
kinds are those of `tests/e2e/heavy_texts.py`, in their full size.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from playwright.sync_api import BrowserContext
from playwright.sync_api import Error as BrowserError

from tests.e2e.chat_page import MODEL, ChatPage, drawn, settled
from tests.e2e.heavy_texts import KINDS, MARKERS, Kind
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.sites import Site

from .browser import site_in_browser
from .report import Section

QUICK = ("row **", "code spans", "small formulas")
QUICK_CHARS = 4_000
CHUNK_CHARS = 400  # in an update, a hundred times a second
NAIVE_MS = 15_000
_NAIVE = """(panel, text) => {
  const { rendermime } = panel.content;
  const renderer = rendermime.createRenderer('text/markdown');
  renderer.node.style.cssText = 'position: fixed; inset: 80px 80px auto auto; width: 700px;'
    + 'height: 480px; overflow: auto; background: white; z-index: 1000';
  document.body.append(renderer.node);
  window.naive = null;
  setTimeout(async () => {
    const data = { 'text/markdown': text };
    await renderer.renderModel(rendermime.createModel({ data }));
    requestAnimationFrame(() => setTimeout(() => {
      window.naive = renderer.node.textContent.length;
      renderer.node.remove();
    }));
  }, 50);
}"""


@dataclass
class OpenPage:
    """The page in use. A page that a text froze is closed, and the next text gets a new one."""

    context: BrowserContext
    site: Site
    chat_page: ChatPage | None = None
    pages: int = 0

    def page(self) -> ChatPage:
        if self.chat_page is None:
            self.pages += 1
            self.chat_page = ChatPage(self.context, self.site, f"freezing-{self.pages}")
        return self.chat_page

    def give_up(self) -> None:
        if self.chat_page is not None:
            self.chat_page.page.close()
        self.chat_page = None


def run(*, quick: bool = False) -> Section:
    """Measure every kind, streamed and drawn anew."""
    rows = [["kind, KB", "longest task ms, streamed", "drawn anew", "a key's effect ms, at most",
             "whole after s", "longest task ms, JupyterLab's own"]]  # fmt: skip
    with site_in_browser() as (site, context):
        pages = OpenPage(context=context, site=site)
        for name in QUICK if quick else KINDS:
            kind = KINDS[name]
            rows.append(_row(pages, kind, QUICK_CHARS if quick else kind.chars))
    return Section(
        name="n",
        title="texts made to freeze a page",
        goal="no task over 200 ms, all of the text is there",
        rows=rows,
        notes=[f"{CHUNK_CHARS} characters an update, 100 updates a second, or all within 2 s"],
    )


def _row(pages: OpenPage, kind: Kind, chars: int) -> list[str]:
    text = kind.text(chars)
    try:
        ours = _ours(pages.page(), kind.name, text)
    except BrowserError:
        pages.give_up()
        ours = [f"not within {PATIENCE_MS / 1000:.0f} s", "", "", ""]
    return [f"{kind.name}, {len(text) // 1000}".replace("|", "\\|"), *ours, _naive(pages, text)]


def _ours(chat_page: ChatPage, name: str, text: str) -> list[str]:
    thread = chat_page.site.thread(name, MODEL)
    chat = chat_page.show(thread)
    chat_page.begin()
    began = time.monotonic()
    pace = max(CHUNK_CHARS * 100, len(text) // 2)
    run_id = chat_page.site.send(
        thread, text, chunk_chars=max(CHUNK_CHARS, pace // 100), chars_per_second=pace
    )
    chat_page.type(chat, "still here")
    content = settled(chat, run_id)
    took_s = time.monotonic() - began
    first = chat_page.measured()  # before `drawn`, which copies all nodes in one task
    streamed = drawn(content)
    chat_page.clear(chat)
    # The removal of the old nodes is not measured.
    chat_page.show(chat_page.site.thread("empty", MODEL))
    chat_page.begin()
    chat = chat_page.show(thread)
    content = settled(chat, run_id)
    second = chat_page.measured()
    again = drawn(content)
    lacks = [marker for marker in MARKERS if marker not in streamed.text + again.text]
    note = f" (without {', '.join(lacks)})" if lacks else ""
    note += "" if again.html == streamed.html else " (drawn otherwise)"
    return [
        f"{first.longest_task_ms:.0f}{note}",
        f"{second.longest_task_ms:.0f}",
        f"{max(first.inputs_ms, default=0):.0f}",
        f"{took_s:.1f}",
    ]


def _naive(pages: OpenPage, text: str) -> str:
    chat_page = pages.page()
    chat_page.begin()
    try:
        chat_page.notebook.on_panel(_NAIVE, text)
        chat_page.page.wait_for_function("window.naive !== null", timeout=NAIVE_MS)
        return f"{chat_page.measured().longest_task_ms:.0f}"
    except BrowserError:
        pages.give_up()
        return f"> {NAIVE_MS}"
