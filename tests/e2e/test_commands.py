"""What a reader does: send, stop, continue, retry, choose a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.held import MODEL, Tap, words
from tests.e2e.pages import ChatView, NotebookPage, bare
from tests.e2e.sites import Site

TEXT = words(150)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A chat on its page, and its thread."""

    notebook: NotebookPage
    chat: ChatView
    thread: str


def written(site: Site, name: str) -> tuple[str, str]:
    """Write a notebook with a chat; return its path and the thread."""
    thread = site.thread(name, MODEL)
    output = notebooks.chat_output(thread, "")
    return notebooks.write(site, name, notebooks.code("1", output), notebooks.code("2")), thread


def desk_at(notebook: NotebookPage, thread: str) -> Desk:
    notebook.chat(0).expect_live()
    return Desk(notebook=notebook, chat=notebook.chat(0), thread=thread)


@pytest.fixture
def desk(site: Site, open_beside: OpenBeside, name: str) -> Desk:
    """A chat in the page that all tests of this kind share."""
    path, thread = written(site, name)
    return desk_at(open_beside(path), thread)


@pytest.fixture
def own_desk(site: Site, open_notebook: Open, name: str) -> Desk:
    """A chat in a page of the test's own, which it may load again."""
    path, thread = written(site, name)
    return desk_at(open_notebook(site, path, kernel=False), thread)


def test_enter_sends_and_shift_enter_begins_a_line(site: Site, desk: Desk) -> None:
    chat, keyboard = desk.chat, desk.notebook.page.keyboard
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
    assert [message["content"] for message in site.messages(desk.thread)] == ["one\ntwo"] * 2


def test_a_draft_survives_a_reload_until_it_is_sent(site: Site, own_desk: Desk) -> None:
    desk = own_desk
    desk.chat.field.fill("half a thou")
    desk.notebook.reload()
    expect(desk.chat.field).to_have_value("half a thou")
    run = desk.chat.send("half a thought")
    desk.chat.expect_status(run, "completed")
    desk.notebook.reload()
    desk.chat.expect_status(run, "completed")
    expect(desk.chat.field).to_have_value("")
    assert len(site.messages(desk.thread)) == 2


def test_a_run_is_stopped_before_its_first_character(site: Site, desk: Desk, tap: Tap) -> None:
    run = site.send(desk.thread, TEXT, **tap.params)
    expect(desk.chat.root.get_by_test_id("progress")).to_be_visible()
    desk.notebook.picture("before-the-first-character")
    desk.chat.stop.click()
    desk.chat.expect_status(run, "cancelled")
    expect(desk.chat.outcome).to_contain_text("Stopped")
    expect(desk.chat.stop).to_have_count(0)
    expect(desk.chat.root.get_by_test_id("continue")).to_have_count(0)
    tap.open()
    assert site.run(run)["status"] == "cancelled"
    assert site.messages(desk.thread)[-1]["content"] == ""


def test_a_stopped_answer_keeps_its_text_and_is_continued_to_its_end(
    site: Site, desk: Desk, tap: Tap
) -> None:
    run = site.send(desk.thread, TEXT, **tap.params)
    tap.open(300)
    desk.chat.expect_text(run, TEXT[:290])
    desk.chat.stop.click()
    desk.chat.expect_status(run, "cancelled")
    kept = site.messages(desk.thread)[-1]["content"]
    assert len(kept) >= 290
    assert TEXT.startswith(kept)
    desk.chat.expect_text(run, kept)
    assert desk.chat.text(run) == bare(kept)
    desk.notebook.picture("stopped")
    tap.open()
    desk.chat.root.get_by_test_id("continue").click()
    expect(desk.chat.answers).to_have_attribute("data-status", "completed")
    again = site.runs(desk.thread)[-1]
    assert again["continues"] == run
    desk.chat.expect_text(again["id"], TEXT)
    assert desk.chat.text(again["id"]) == bare(TEXT)
    assert site.messages(desk.thread)[-1]["content"] == TEXT
    assert site.run(run)["status"] == "cancelled"


def test_keys_typed_after_a_button_is_gone_do_not_reach_the_notebook(
    site: Site, desk: Desk, tap: Tap
) -> None:
    before = desk.notebook.cells()
    keyboard = desk.notebook.page.keyboard
    run = site.send(desk.thread, TEXT, **tap.params)
    desk.chat.stop.focus()
    for key in ("Enter", "d", "d"):
        keyboard.press(key)
    desk.chat.expect_status(run, "cancelled")
    for key in ("d", "d", "x"):
        keyboard.press(key)
    desk.chat.root.get_by_test_id("retry").press("Enter")
    for key in ("d", "d"):
        keyboard.press(key)
    expect(desk.chat.stop).to_be_visible()
    for key in ("d", "d", "x"):
        keyboard.press(key)
    assert desk.notebook.cells() == before


def test_a_failure_says_why_and_a_retry_makes_a_new_run(site: Site, desk: Desk) -> None:
    failing: dict[str, Any] = {"failure": "bad_key", "after_chars": 0}
    run = site.send(desk.thread, "Fail", model="demo/fail", **failing)
    desk.chat.expect_status(run, "failed")
    expect(desk.chat.outcome).to_contain_text("a canned failure (bad_key)")
    desk.notebook.picture("failed")
    desk.chat.root.get_by_test_id("retry").click()
    expect(desk.chat.answer(run)).to_have_count(0)  # the newest branch is shown
    first, second = (one["id"] for one in site.runs(desk.thread))
    assert first == run
    desk.chat.expect_status(second, "failed")
    assert site.run(run)["status"] == "failed"
    answer = desk.chat.send("Go on without it")
    desk.chat.expect_status(answer, "completed")
    assert site.messages(desk.thread)[-1]["content"].endswith("Go on without it")


def test_a_failed_answer_is_continued_from_the_text_it_has(site: Site, desk: Desk) -> None:
    failing: dict[str, Any] = {"failure": "bad_request", "after_chars": 80}
    run = site.send(desk.thread, "Fail", model="demo/fail", **failing)
    desk.chat.expect_status(run, "failed")
    kept = site.messages(desk.thread)[-1]["content"]
    desk.chat.root.get_by_test_id("continue").click()
    expect(desk.chat.answers).to_have_attribute("data-status", "completed")
    whole = site.messages(desk.thread)[-1]["content"]
    assert whole.startswith(kept)
    assert whole.endswith("lets you decide.\n")
    again = site.runs(desk.thread)[-1]["id"]
    desk.chat.expect_text(again, whole)
    assert desk.chat.text(again) == bare(whole)


def test_the_model_chosen_answers_from_then_on(site: Site, desk: Desk) -> None:
    desk.chat.root.get_by_test_id("model").select_option("demo/fast")
    expect(desk.chat.root.get_by_test_id("model")).to_have_value("demo/fast")
    run = desk.chat.send("Which one are you?")
    desk.chat.expect_status(run, "completed")
    assert site.messages(desk.thread)[-1]["model"] == "demo/fast"
    assert site.chat("GET", f"threads/{desk.thread}")["model"] == "demo/fast"
