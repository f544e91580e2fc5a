"""Plays answers on a page as `demo/echo` streams them, and draws them again after a reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page

from tests.e2e.chat_page import MODEL, ChatPage, DrawnAnswer, content_of, drawn
from tests.e2e.pages import ChatView
from tests.e2e.sites import Site

HERE = Path(__file__).parent
CHUNK_CHARS = 3
CHARS_PER_SECOND = 500
# A text of more than this is mostly filler.
LONG_CHARS_PER_SECOND = 5_000
LONG_CHARS = 800


def case(name: str) -> str:
    """Read the text of a case, with the line ends it has."""
    return (HERE / name).read_bytes().decode()


@dataclass(frozen=True, kw_only=True)
class Played:
    """One answer: how it was drawn when it had come, and how after the reload; what is stored."""

    text: str
    stored: str
    streamed: DrawnAnswer
    reloaded: DrawnAnswer
    content: Locator  # on the page that was loaded again

    @property
    def shown(self) -> str:
        """The text as a person sees it."""
        return self.content.inner_text()


class CasePlayer:
    """One chat in one notebook, in which all texts of a module are played, one after the other."""

    def __init__(self, context: BrowserContext, site: Site, name: str) -> None:
        self.thread = site.thread(name, MODEL)
        self.chat_page = ChatPage(context, site, name, self.thread)

    @property
    def chat(self) -> ChatView:
        return self.chat_page.notebook.chat(0)

    def play(
        self, texts: Mapping[str, str], before_reload: Callable[[Page], None]
    ) -> dict[str, Played]:
        """Play the texts, reload the page, and give both drawings of each."""
        site = self.chat_page.site
        runs = {name: site.send(self.thread, text, **_pace(text)) for name, text in texts.items()}
        streamed = self._drawn(runs)
        before_reload(self.chat_page.page)
        self.chat_page.notebook.reload()
        self.chat.expect_live()
        reloaded = self._drawn(runs)
        answers = (each for each in site.messages(self.thread) if each["role"] == "assistant")
        stored = {each["run_id"]: each["content"] for each in answers}
        return {
            name: Played(
                text=texts[name],
                stored=stored[run],
                streamed=streamed[name],
                reloaded=reloaded[name],
                content=content_of(self.chat, run),
            )
            for name, run in runs.items()
        }

    def _drawn(self, runs: Mapping[str, str]) -> dict[str, DrawnAnswer]:
        """Read every answer when all have ended and nothing in the chat changes any more."""
        found = {}
        for name, run in runs.items():
            self.chat.bring(run)
            self.chat.expect_status(run, "completed")
            self.chat.log.evaluate("node => chatPage.settle(node)")
            found[name] = drawn(content_of(self.chat, run))
        return found


def _pace(text: str) -> dict[str, Any]:
    is_long = len(text) > LONG_CHARS
    return {
        "chunk_chars": CHUNK_CHARS,
        "chars_per_second": LONG_CHARS_PER_SECOND if is_long else CHARS_PER_SECOND,
    }
