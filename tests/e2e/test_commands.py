"""What a reader does: send, stop, continue, retry, choose a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import ChatView, NotebookPage, bare
from tests.e2e.sites import Site

TEXT = words(150)


@dataclass(frozen=True, kw_only=True)
class OpenChat:
    """A chat on its page, and its thread."""

    notebook: NotebookPage
    chat: ChatView
    thread: str


@pytest.fixture
def open_chat(site: Site, open_beside: OpenBeside, name: str) -> OpenChat:
    """A chat in the page that all tests of this kind share."""
    thread = site.thread(name, MODEL)
    cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, cell, notebooks.code("2")))
    notebook.chat(0).expect_live()
    return OpenChat(notebook=notebook, chat=notebook.chat(0), thread=thread)


def test_enter_sends_and_shift_enter_begins_a_line(site: Site, open_chat: OpenChat) -> None:
    chat, keyboard = open_chat.chat, open_chat.notebook.page.keyboard
    chat.field.click()
    keyboard.type("one")
    keyboard.press("Shift+Enter")
    keyboard.type("two")
    # An input method's Enter takes its suggestion; it sends nothing.
    chat.field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    expect(chat.field).to_have_value("one\ntwo")
    keyboard.press("Enter")
    expect(chat.answers).to_have_attribute("data-status", "completed")
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_focused()
    assert [message["content"] for message in site.messages(open_chat.thread)] == ["one\ntwo"] * 2


def test_a_draft_survives_a_reload_until_it_is_sent(site: Site, open_chat: OpenChat) -> None:
    open_chat.chat.field.fill("half a thou")
    open_chat.notebook.reload()
    expect(open_chat.chat.field).to_have_value("half a thou")
    run = open_chat.chat.send("half a thought")
    open_chat.chat.expect_status(run, "completed")
    open_chat.notebook.reload()
    open_chat.chat.expect_status(run, "completed")
    expect(open_chat.chat.field).to_have_value("")
    assert len(site.messages(open_chat.thread)) == 2


def test_a_run_is_stopped_before_its_first_character(
    site: Site, open_chat: OpenChat, gate: AnswerGate
) -> None:
    run = site.send(open_chat.thread, TEXT, **gate.params)
    expect(open_chat.chat.root.get_by_test_id("progress")).to_be_visible()
    open_chat.notebook.picture("before-the-first-character")
    open_chat.chat.stop.click()
    open_chat.chat.expect_status(run, "cancelled")
    expect(open_chat.chat.outcome).to_contain_text("Stopped")
    expect(open_chat.chat.stop).to_have_count(0)
    expect(open_chat.chat.root.get_by_test_id("continue")).to_have_count(0)
    gate.open()
    assert site.run(run)["status"] == "cancelled"
    assert site.messages(open_chat.thread)[-1]["content"] == ""


def test_a_stopped_answer_keeps_its_text_and_is_continued_to_its_end(
    site: Site, open_chat: OpenChat, gate: AnswerGate
) -> None:
    run = site.send(open_chat.thread, TEXT, **gate.params)
    gate.open(300)
    open_chat.chat.expect_text(run, TEXT[:290])
    open_chat.chat.stop.click()
    open_chat.chat.expect_status(run, "cancelled")
    kept = site.messages(open_chat.thread)[-1]["content"]
    assert len(kept) >= 290
    assert TEXT.startswith(kept)
    open_chat.chat.expect_text(run, kept)
    assert open_chat.chat.text(run) == bare(kept)
    open_chat.notebook.picture("stopped")
    gate.open()
    open_chat.chat.root.get_by_test_id("continue").click()
    expect(open_chat.chat.answers).to_have_attribute("data-status", "completed")
    again = site.runs(open_chat.thread)[-1]
    assert again["continues"] == run
    open_chat.chat.expect_text(again["id"], TEXT)
    assert open_chat.chat.text(again["id"]) == bare(TEXT)
    assert site.messages(open_chat.thread)[-1]["content"] == TEXT
    assert site.run(run)["status"] == "cancelled"


def test_keys_typed_after_a_button_is_gone_do_not_reach_the_notebook(
    site: Site, open_chat: OpenChat, gate: AnswerGate
) -> None:
    before = open_chat.notebook.cells()
    keyboard = open_chat.notebook.page.keyboard
    run = site.send(open_chat.thread, TEXT, **gate.params)
    open_chat.chat.stop.focus()
    for key in ("Enter", "d", "d"):
        keyboard.press(key)
    open_chat.chat.expect_status(run, "cancelled")
    for key in ("d", "d", "x"):
        keyboard.press(key)
    open_chat.chat.root.get_by_test_id("retry").press("Enter")
    for key in ("d", "d"):
        keyboard.press(key)
    expect(open_chat.chat.stop).to_be_visible()
    for key in ("d", "d", "x"):
        keyboard.press(key)
    assert open_chat.notebook.cells() == before


def test_a_failure_says_why_and_a_retry_makes_a_new_run(site: Site, open_chat: OpenChat) -> None:
    failing: dict[str, Any] = {"failure": "bad_key", "after_chars": 0}
    run = site.send(open_chat.thread, "Fail", model="demo/fail", **failing)
    open_chat.chat.expect_status(run, "failed")
    expect(open_chat.chat.outcome).to_contain_text("a canned failure (bad_key)")
    open_chat.notebook.picture("failed")
    open_chat.chat.root.get_by_test_id("retry").click()
    expect(open_chat.chat.answer(run)).to_have_count(0)  # the newest branch is shown
    first, second = (one["id"] for one in site.runs(open_chat.thread))
    assert first == run
    open_chat.chat.expect_status(second, "failed")
    assert site.run(run)["status"] == "failed"
    answer = open_chat.chat.send("Go on without it")
    open_chat.chat.expect_status(answer, "completed")
    assert site.messages(open_chat.thread)[-1]["content"].endswith("Go on without it")


def test_a_failed_answer_is_continued_from_the_text_it_has(site: Site, open_chat: OpenChat) -> None:
    failing: dict[str, Any] = {"failure": "bad_request", "after_chars": 80}
    run = site.send(open_chat.thread, "Fail", model="demo/fail", **failing)
    open_chat.chat.expect_status(run, "failed")
    kept = site.messages(open_chat.thread)[-1]["content"]
    open_chat.chat.root.get_by_test_id("continue").click()
    expect(open_chat.chat.answers).to_have_attribute("data-status", "completed")
    whole = site.messages(open_chat.thread)[-1]["content"]
    assert whole.startswith(kept)
    assert whole.endswith("you decide.\n")
    again = site.runs(open_chat.thread)[-1]["id"]
    open_chat.chat.expect_text(again, whole)
    assert open_chat.chat.text(again) == bare(whole)


def test_the_model_chosen_answers_from_then_on(site: Site, open_chat: OpenChat) -> None:
    open_chat.chat.choose("demo/fast")
    run = open_chat.chat.send("Which one are you?")
    open_chat.chat.expect_status(run, "completed")
    assert site.messages(open_chat.thread)[-1]["model"] == "demo/fast"
    assert site.chat("GET", f"threads/{open_chat.thread}")["model"] == "demo/fast"
