"""(m) An answer of one shape flows at 100 updates a second: frames, and script time of an update.

Beside it, in the same page and with the same text, two other ways: the list of messages of
`@jupyter/chat`, whose message gets a longer body with each update, and a naive one, which reads the
whole text again with the parser that we use and replaces what was shown. They get their text from a
timer of the page, ours comes over the socket. Script time is CPU time of the page's main thread, so
it means the same on a busy machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, expect
from playwright.sync_api import TimeoutError as BrowserTimeout

from tests.e2e.chat_page import ChatPage, PageTimings, content_of
from tests.e2e.pages import PATIENCE_MS, ChatView
from tests.e2e.sites import Site

from . import flowing, peers
from .browser import KB, site_in_browser
from .page_cpu import PageCounters
from .report import Section, times
from .shapes import last_word, text_of

ROWS = ("prose", "an open fence", "a long list", "a long table", "maths")
LATER_ROWS = ("code in a numbered list", "a quote", "mixed")  # with one size only
SIZES = (0, 20 * KB, 100 * KB, 300 * KB)
# 300 KB hold 5,000 formulas: the page typesets those out of sight for minutes after the answer.
LEFT_OUT = ("maths", 300 * KB)
FIRST_CHARS = 600  # with no text there already, the first that must be seen
PEERS = {"jupyterChat": "@jupyter/chat", "naive": "naive"}
NOT_SHOWN = f"not shown in {PATIENCE_MS // 1000} s"
FROZEN = "frozen with less text"  # a way that draws less than one frame a second is not given more
_HOLDS = "([node, word]) => node.textContent.includes(word)"
_BEGIN = "(panel, [way, flow]) => peers.begin(panel.content.rendermime, way, flow)"
_SHOWS = "word => peers.count() > 2 && peers.shown().includes(word)"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What one way has shown while its text grew."""

    timings: PageTimings
    script_ms: float  # of CPU, in all
    updates: int

    @property
    def script_ms_per_update(self) -> float:
        return self.script_ms / max(1, self.updates)

    @property
    def fps(self) -> float:
        """Frames a second; a page that stood still had less than one frame in its longest gap."""
        return self.timings.fps or 1000 / self.timings.longest_gap_ms

    @property
    def longest_frame_ms(self) -> float:
        return max(self.timings.frames_ms, default=self.timings.longest_gap_ms)

    def cells(self) -> list[str]:
        script_ms = self.script_ms_per_update
        shown = f"{script_ms:.2f}" if script_ms < 10 else f"{script_ms:.0f}"
        return [f"{self.fps:.0f}" if self.fps >= 10 else f"{self.fps:.1f}",
                f"{self.longest_frame_ms:.0f}", shown]  # fmt: skip


def run(*, quick: bool = False) -> Section:
    """Measure each shape with 0 to 300 KB of it already there."""
    cases = [(shape, size) for shape in ROWS for size in SIZES]
    cases.remove(LEFT_OUT)
    cases += [(shape, 100 * KB) for shape in LATER_ROWS]
    seconds = 4.0
    if quick:
        cases, seconds = [("maths", 4 * KB)], 1.0
    head = ["shape, text already there", "fps", "longest frame ms", "script ms an update",
            "longest task ms"]  # fmt: skip
    for name in PEERS.values():
        head += [f"fps, {name}", "frame", "script", "script ÷ ours"]
    files = peers.bundle()
    rows = [head]
    frozen: set[tuple[str, str]] = set()
    with site_in_browser() as (site, context):
        for number, (shape, size) in enumerate(cases):
            rows.append(
                _Row(context, site, files, f"rendering-{number}", frozen).cells(
                    shape, size, seconds
                )
            )
            print(" | ".join(rows[-1]), flush=True)
        idle = _Row(context, site, files, "rendering-idle", frozen).idle(seconds)
    return Section(
        name="m",
        title="an answer of one shape flows at 100 updates a second",
        goal="60 fps and no task over 50 ms at 100 KB, script at most a tenth of `@jupyter/chat`'s",
        rows=rows,
        notes=[
            f"the same page, nothing happening: {idle.fps:.0f} fps",
            f"@jupyter/chat {peers.version()}; script: ms of CPU of the page's main thread for one "
            "update; frame: the longest, in ms",
            "naive typesets no maths and colours no code",
            "an update that a page had no time for is none; ours has all of them",
            "a tenth is out of reach where the others are cheap (prose, a list, a quote): an "
            "update of ours costs 1.2 ms with no text at all, because it comes over the socket",
        ],
    )


class _Row:
    """One page, in which the ways take turns; it is closed, because one may have frozen it."""

    def __init__(
        self,
        context: BrowserContext,
        site: Site,
        files: tuple[Path, Path],
        name: str,
        frozen: set[tuple[str, str]],
    ) -> None:
        self._frozen = frozen
        self._chat_page = ChatPage(context, site, name)
        self._site = site
        page = self._chat_page.page
        page.add_script_tag(path=files[0])
        page.add_style_tag(path=files[1])
        self._counters = PageCounters(page)

    def cells(self, shape: str, size: int, seconds: float) -> list[str]:
        ours = self._ours(shape, size, seconds)
        cells = [f"{shape}, {size // KB} KB", *ours.cells(),
                 f"{ours.timings.longest_task_ms:.0f}"]  # fmt: skip
        text = text_of(shape, size + flowing.UPDATES_PER_S * flowing.CHUNK_CHARS * 60)
        for way in ("naive", "jupyterChat"):  # the one that freezes pages comes last
            found = [FROZEN, "", "", ""]
            if (way, shape) not in self._frozen:
                found = self._beside(ours, way, shape, self._peer(way, text, size, seconds))
            cells = [*cells[:5], *found, *cells[5:]]
        self._chat_page.page.close()
        return cells

    def _beside(self, ours: Flow, way: str, shape: str, other: Flow | None) -> list[str]:
        if other is None:
            return [NOT_SHOWN, "", "", ""]
        if other.fps < 1:
            self._frozen.add((way, shape))
        return [*other.cells(), times(other.script_ms_per_update / ours.script_ms_per_update)]

    def idle(self, seconds: float) -> Flow:
        return _measure(self._chat_page, self._counters, seconds, lambda: 0)

    def _ours(self, shape: str, size: int, seconds: float) -> Flow:
        chat_page = self._chat_page
        thread = self._site.thread(f"{shape} {size}", flowing.MODEL)
        chat = chat_page.show(thread)
        run_id = self._site.send(thread, "Flow", already=size, shape=shape)
        content = content_of(chat, run_id)
        content.wait_for()
        node = content.element_handle()
        # A typeset formula has less text than its source, so growth is told by a later word.
        words = [text_of(shape, chars) for chars in (size, size + 600) if chars]
        for text in words:
            chat_page.page.wait_for_function(
                _HOLDS, arg=[node, last_word(text)], timeout=PATIENCE_MS
            )
        content.evaluate("node => new Promise(done => setTimeout(done, 500))")
        flow = _measure(chat_page, self._counters, seconds, lambda: _seq(chat))
        self._site.chat("POST", f"runs/{run_id}/cancel")
        # A page that was slow may have shown the whole flow by now.
        ended = re.compile("cancelled|completed")
        expect(chat.answer(run_id)).to_have_attribute("data-status", ended, timeout=PATIENCE_MS)
        content.evaluate("node => chatPage.settle(node)")
        return flow

    def _peer(self, way: str, text: str, already: int, seconds: float) -> Flow | None:
        """Measure another way; None if the page did not show the text that was there already."""
        page = self._chat_page.page
        flow = {"text": text, "already": already, "chars": flowing.CHUNK_CHARS,
                "updates": flowing.UPDATES_PER_S}  # fmt: skip
        try:
            self._chat_page.notebook.on_panel(_BEGIN, [way, flow])
            word = last_word(text[: already or FIRST_CHARS])
            page.wait_for_function(_SHOWS, arg=word, timeout=PATIENCE_MS)
            found = _measure(
                self._chat_page,
                self._counters,
                seconds,
                lambda: int(page.evaluate("peers.count()")),
            )
            page.evaluate("peers.end()")
        except BrowserTimeout:
            return None
        return found


def _seq(chat: ChatView) -> int:
    return int(chat.live.get_attribute("data-seq") or 0)


def _measure(
    chat_page: ChatPage, counters: PageCounters, seconds: float, count: Callable[[], int]
) -> Flow:
    """Watch a page for some seconds, or until it answers again."""
    before, script_ms = count(), counters.script_ms()
    chat_page.begin()
    chat_page.page.wait_for_timeout(seconds * 1000)
    timings = chat_page.measured()
    return Flow(
        timings=timings, script_ms=counters.script_ms() - script_ms, updates=count() - before
    )
