"""One page of JupyterLab that shows one chat after the other, and what it measures meanwhile.

A cell's output is replaced in the open page, so that a text costs seconds and not a whole start.
`chat_page.js` measures in the page; the numbers are for people and benchmarks, never for a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator

from tests.e2e import notebooks
from tests.e2e.pages import ChatView, NotebookPage
from tests.e2e.sites import Site

SCRIPT = Path(__file__).with_name("chat_page.js")
MODEL = "demo/echo"
LONG_TASK_MS = 50
# Answers in the page within this time are late; longer means that the page is frozen.
FROZEN_MS = 10_000
_SHOW = """(panel, bundle) => {
  const { outputs } = panel.content.widgets[0].model;
  outputs.clear();
  outputs.add({ output_type: 'display_data', metadata: {}, data: bundle });
}"""
_TYPED = "([field, text]) => field.value === text"
_HAS_LENGTH = "([field, length]) => field.value.length === length"
_HOLD = """text => {
  const held = document.createElement('textarea');
  held.id = 'held';
  held.value = text;
  document.body.append(held);
  held.select();
}"""


@dataclass(frozen=True, kw_only=True)
class PageTimings:
    """What a page measured since it was asked to begin, in ms."""

    tasks_ms: tuple[float, ...]  # the browser lists those of more than 50 ms
    inputs_ms: tuple[float, ...]  # from a key or a click to the frame that shows its effect
    frames_ms: tuple[float, ...]
    longest_gap_ms: float  # in which no other task of the page had a turn

    @property
    def longest_task_ms(self) -> float:
        return max(self.tasks_ms, default=0.0)

    @property
    def fps(self) -> float:
        total_ms = sum(self.frames_ms)
        return 1000 * len(self.frames_ms) / total_ms if total_ms else 0.0

    @property
    def lost_share(self) -> float:
        """The share of the time in tasks beyond what a long task may have."""
        lost_ms = sum(task - LONG_TASK_MS for task in self.tasks_ms)
        total_ms = sum(self.frames_ms)
        return lost_ms / total_ms if total_ms else 0.0


@dataclass(frozen=True, kw_only=True)
class DrawnAnswer:
    """What is drawn of an answer: its HTML without accidents, and the text in it."""

    html: str
    text: str


class ChatPage:
    """A notebook of one cell, whose output is the chat that is to be seen.

    With a thread, its chat is in the file, and is there again after a reload of the page.
    """

    def __init__(
        self, context: BrowserContext, site: Site, name: str, thread: str | None = None
    ) -> None:
        self.page = context.new_page()
        self.page.add_init_script(path=SCRIPT)
        self.site = site
        outputs = [] if thread is None else [notebooks.chat_output(thread, "")]
        path = notebooks.write(site, name, notebooks.code("1", *outputs))
        self.notebook = NotebookPage(self.page, site, path, name)
        self.notebook.open(kernel=False)

    def show(self, thread: str) -> ChatView:
        """Show a thread, drawn anew from its log, instead of what was shown before."""
        bundle = notebooks.chat_output(thread, "")["data"]
        self.notebook.on_panel(_SHOW, bundle)
        chat = self.notebook.chat(0)
        chat.expect_live()
        return chat

    def begin(self) -> None:
        """Forget what was measured."""
        self.page.evaluate("chatPage.begin()")

    def measured(self) -> PageTimings:
        """Read what was measured since `begin`."""
        found = self.page.evaluate("chatPage.read()")
        return PageTimings(
            tasks_ms=tuple(found["tasks"]),
            inputs_ms=tuple(found["inputs"]),
            frames_ms=tuple(found["frames"]),
            longest_gap_ms=found["longest_gap"],
        )

    def type(self, chat: ChatView, text: str) -> None:
        """Type into the composer, and wait until all of it is to be seen there."""
        chat.field.press_sequentially(text, timeout=FROZEN_MS)
        arg = [chat.field.element_handle(), text]
        self.page.wait_for_function(_TYPED, arg=arg, timeout=FROZEN_MS)

    def paste(self, chat: ChatView, text: str) -> None:
        """Paste into the composer, as a person does: typing a long text is slow in any field."""
        self.page.evaluate(_HOLD, text)
        self.page.keyboard.press("Control+C")
        chat.field.focus()
        self.page.keyboard.press("Control+V")
        arg = [chat.field.element_handle(), len(text)]
        self.page.wait_for_function(_HAS_LENGTH, arg=arg, timeout=FROZEN_MS)
        self.page.evaluate("document.querySelector('#held').remove()")

    def clear(self, chat: ChatView) -> None:
        chat.field.fill("", timeout=FROZEN_MS)


def content_of(chat: ChatView, run_id: str) -> Locator:
    """The text of a run's answer, without the line below it."""
    return chat.answer(run_id).get_by_test_id("content")


def settled(chat: ChatView, run_id: str) -> Locator:
    """Wait until an ended answer does not change any more; give its content."""
    chat.expect_status(run_id, "completed")
    content = content_of(chat, run_id)
    content.evaluate("node => chatPage.settle(node)")
    return content


def drawn(content: Locator) -> DrawnAnswer:
    """Read what is drawn."""
    found: dict[str, Any] = content.evaluate(
        "node => ({ html: chatPage.drawn(node), text: chatPage.said(node) })"
    )
    return DrawnAnswer(html=found["html"], text=found["text"])


def first_difference(one: str, other: str, around: int = 60) -> str:
    """Show where two texts part."""
    at = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    span = slice(max(0, at - around), at + around)
    return f"at {at}: {one[span]!r} ({len(one)}) and {other[span]!r} ({len(other)})"
