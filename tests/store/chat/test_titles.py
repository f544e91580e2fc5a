"""Titles that threads get by themselves: short, whole, and never in place of a person's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.store.chat import commands, threads, titles
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.chat.titles import MAX_CHARS, title_of
from jupyter_chat_stream.store.log.reading import read_thread
from jupyter_chat_stream.store.log.transaction import ThreadRef
from tests.store.harness import StoreHarness

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # one sign, of five characters

TITLES = {
    "Why do prices rise?": "Why do prices rise?",
    "Why do prices rise? And since when? ": "Why do prices rise?",
    "Explain this. Then fix it.": "Explain this",
    "E.g. like this": "E.g. like this",
    "  \n\n## Plan\n\nFirst we look.": "Plan",
    "- one\n- two": "one",
    "> quoted\nanswer": "quoted",
    "Why?\n```python\n1/0\n```": "Why?",
    "```python\nprint(1)\n```\nWhat does this print?": "What does this print?",
    "```python\nprint(1)\n```": "print(1)",
    "```\nprint(1)": "print(1)",
    "为什么价格上涨？因为需求。": "为什么价格上涨？",
    "Load version 1.2.3 of the file": "Load version 1.2.3 of the file",
    "a\tb   c": "a b c",
    "\u202eevil\u202c title": "evil title",
    "???": None,
    "": None,
    "```\n```": None,
    "Compare the monthly churn of both regions with the year before and tell me why":
        "Compare the monthly churn of both regions with the year…",
    "x" * 100: "x" * 59 + "…",
    "Look at " + "y" * 100: "Look at " + "y" * 51 + "…",
}  # fmt: skip


@pytest.mark.parametrize(("text", "title"), TITLES.items())
def test_a_title_is_the_first_sentence_cut_at_a_word(text: str, title: str | None) -> None:
    assert title_of(text) == title


@pytest.mark.parametrize("before", range(50, 62))
def test_a_cut_goes_through_no_sign(before: int) -> None:
    for sign in (FAMILY, "e\u0301", "\U0001f44d\U0001f3fd"):
        title = title_of("x" * before + sign + "y" * 20)
        assert title is not None
        kept = title.removesuffix("…").strip("xy")
        assert kept in ("", sign), (before, kept)


@given(st.text(max_size=400))
def test_a_title_is_one_short_line_with_a_word_whatever_the_question_is(text: str) -> None:
    title = title_of(text)
    if title is not None:
        assert len(title) <= MAX_CHARS
        assert len(title.splitlines()) == 1
        assert title == title.strip()
        assert any(char.isalnum() for char in title)
        assert not set(title) & titles.TURNS


def send(harness: StoreHarness, thread: ThreadRef, text: str, **options: Any) -> None:
    sender = Sender(owner="local", **{"gives_titles": True, **options})
    attached = [harness.attachment()] if not text else []
    request = SendRequest(content=text, attachments=attached)
    harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)


def title(harness: StoreHarness, thread: ThreadRef) -> str | None:
    return harness.look(lambda conn: read_thread(conn, thread))["title"]


def test_the_first_question_with_words_gives_the_title_and_no_later_one(
    harness: StoreHarness,
) -> None:
    thread = harness.thread(name="churn")
    send(harness, thread, "")  # an attachment alone
    assert title(harness, thread) is None
    send(harness, thread, "Why do prices rise?")
    assert title(harness, thread) == "Why do prices rise?"
    assert [event.type for event in harness.events(thread)][-1] == "thread"
    send(harness, thread, "And now?")
    assert title(harness, thread) == "Why do prices rise?"
    assert harness.damage() == []


def test_a_persons_title_stays_an_empty_one_too(harness: StoreHarness) -> None:
    for given_title in ("Mine", ""):
        thread = harness.thread(title=given_title)
        send(harness, thread, "Why?")
        assert title(harness, thread) == given_title


def test_an_older_thread_gets_the_title_of_its_first_question(harness: StoreHarness) -> None:
    thread = harness.thread()
    send(harness, thread, "What came first?", gives_titles=False)
    assert title(harness, thread) is None
    send(harness, thread, "And second?")
    assert title(harness, thread) == "What came first?"


def test_a_message_that_is_sent_again_changes_no_title(harness: StoreHarness) -> None:
    """L11"""
    thread = harness.thread()
    send(harness, thread, "Why?", key="k")
    change = {"title": None}
    harness.do(lambda tx: threads.change_thread(tx, "local", thread.id, change), thread.pk)
    send(harness, thread, "Why?", key="k")
    assert title(harness, thread) is None
