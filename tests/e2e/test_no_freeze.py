"""No text freezes the page, and none is cut without a word (L1): streamed, and drawn anew.

How long anything takes is measured by `benchmarks/rendering.py`. Here is asserted only what does
not depend on the machine: the page answers, and all of the text is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.chat_page import (
    FROZEN_MS,
    MODEL,
    ChatPage,
    content_of,
    drawn,
    first_difference,
    settled,
)
from tests.e2e.conftest import VIEWPORT
from tests.e2e.heavy_texts import BEGINNING, KINDS, MARKERS, MOST_CHARS, letters
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.sites import Site, until

# Sizes at which a page that takes quadratic time is found out within seconds.
SIZES = {
    "row **": 20_000,
    "row ![": 20_000,
    "letters _": 20_000,
    "openers **a ": 20_000,
    "openers [a](": 20_000,
    "growing backticks": 40_000,
    "details": 40_000,
    "table tags": 40_000,
    "quotes": 10_000,
    "lists": 20_000,
    "stairs": 200_000,
    "digits": 100_000,
    "tasks": 40_000,
    "footnotes": 20_000,
    "a long table": 100_000,
    "small formulas": 6_000,
    "mermaid": 40_000,
    "combining marks": 50_000,
    "families": 20_000,
    "a line of code": 300_000,
    "code": 300_000,
}
STREAM_S = 0.7
CHUNKS = 60


@pytest.fixture(scope="module")
def chat_page(browser: Browser, sites: Callable[[str], Site]) -> Iterator[ChatPage]:
    """One page for all texts of this module."""
    context = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE_MS)
    chat_page = ChatPage(context, sites("lab"), "no-freeze")
    yield chat_page
    context.close()
    assert chat_page.notebook.seen.errors_of_ours == []
    assert chat_page.notebook.seen.foreign == []


def pace(text: str) -> dict[str, Any]:
    """Let a text of any length come in about the same time, in as many pieces."""
    return {
        "chunk_chars": max(1, min(65_536, len(text) // CHUNKS)),
        "chars_per_second": min(1_000_000, len(text) / STREAM_S),
    }


@pytest.mark.parametrize("name", SIZES)
def test_the_page_answers_while_a_text_comes_and_shows_all_of_it(
    chat_page: ChatPage, name: str
) -> None:
    kind = KINDS[name]
    text = kind.text(SIZES[name])
    thread = chat_page.site.thread(f"freeze {name}", MODEL)
    chat = chat_page.show(thread)
    run = chat_page.site.send(thread, text, **pace(text))
    expect(content_of(chat, run)).to_contain_text(BEGINNING, timeout=FROZEN_MS)
    chat_page.type(chat, "still here")
    streamed = drawn(settled(chat, run))
    assert [marker for marker in MARKERS if marker not in streamed.text] == []
    if kind.is_plain:
        assert letters(streamed.text) == kind.letters(text)
    chat = chat_page.show(thread)
    chat_page.clear(chat)
    again = drawn(settled(chat, run))
    assert again.html == streamed.html, first_difference(streamed.html, again.html)


def test_a_paragraph_beyond_measure_says_that_it_is_plain_text(chat_page: ChatPage) -> None:
    thread = chat_page.site.thread("beyond measure", MODEL)
    chat = chat_page.show(thread)
    run = chat_page.site.send(thread, f"# A head\n\n{KINDS['digits'].text(30_000)}\n\n**The end.**")
    content = settled(chat, run)
    expect(content.locator(".jp-ChatStream-note")).to_contain_text("plain text")
    assert content.locator("h1, strong").all_inner_texts() == ["A head", "The end."]


@pytest.mark.parametrize("name", ["openers [a](", "a list", "small formulas", "code"])
def test_stop_is_heard_while_a_heavy_text_comes(chat_page: ChatPage, name: str) -> None:
    text = KINDS[name].text(120_000)
    thread = chat_page.site.thread(f"stop {name}", MODEL)
    chat = chat_page.show(thread)
    run = chat_page.site.send(thread, text, chunk_chars=100, chars_per_second=10_000)
    until(
        lambda: len(chat_page.site.messages(thread)[-1]["content"]) > 20_000, "the answer has begun"
    )
    chat.stop.click(timeout=FROZEN_MS)
    expect(chat.answer(run)).to_have_attribute("data-status", "cancelled", timeout=FROZEN_MS)
    kept = chat_page.site.messages(thread)[-1]["content"]
    assert text.startswith(kept)
    assert len(kept) < len(text)


def test_a_question_and_an_answer_of_a_million_characters_are_all_there(
    chat_page: ChatPage,
) -> None:
    text = KINDS["prose"].text(MOST_CHARS)
    thread = chat_page.site.thread("a million", MODEL)
    chat = chat_page.show(thread)
    chat_page.paste(chat, text)
    run = chat.send_typed()
    answer = drawn(settled(chat, run))
    assert letters(answer.text) == letters(text)
    chat_page.type(chat, "still here")
    question = chat.questions.last.get_by_test_id("content")
    assert letters(drawn(question).text) == letters(text)
    chat = chat_page.show(thread)
    chat_page.clear(chat)
    assert drawn(settled(chat, run)).html == answer.html
