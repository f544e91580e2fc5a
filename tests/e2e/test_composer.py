"""The composer: its queue, the history of sent messages, mentions, and `/` commands."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import ChatView, NotebookPage
from tests.e2e.sites import Site

FRAME = "import pandas as pd\ndf = pd.DataFrame({'price': [3, 4], 'city': ['Rome', 'Oslo']})\ndf"
TEXT = words(150)
# The chat at the width of a narrow panel.
NARROW = "node => { node.style.width = '280px'; }"


def queued(chat: ChatView) -> Locator:
    return chat.root.get_by_test_id("queued-text")


def options(notebook: NotebookPage) -> Locator:
    return notebook.page.get_by_test_id("completion-option")


def questions(site: Site, thread: str) -> list[dict[str, Any]]:
    return [message for message in site.messages(thread) if message["role"] == "user"]


def picture_narrow(notebook: NotebookPage, chat: ChatView, name: str) -> None:
    """Keep a picture of the chat at 280 px, besides those of the whole page."""
    notebook.picture(name)
    chat.root.evaluate(NARROW)
    notebook.picture(f"{name}-280", in_all_looks=False)
    chat.root.evaluate("node => { node.style.width = ''; }")


def test_the_queue_is_seen_changed_and_answered_in_all_views(
    site: Site, open_beside: OpenBeside, gate: AnswerGate, name: str
) -> None:
    thread = site.thread(name, MODEL)
    views = [notebooks.code(str(n), notebooks.chat_output(thread, "")) for n in range(2)]
    notebook = open_beside(notebooks.write(site, name, *views))
    chat, other = notebook.chat(0), notebook.chat(1)
    chat.expect_live()
    first = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(first, TEXT[:290])
    for text in ("remove me", "change me", "the last one"):
        chat.field.fill(text)
        chat.field.press("Enter")
        expect(queued(chat).last).to_have_text(text)
    expect(queued(other)).to_have_text(["remove me", "change me", "the last one"])
    expect(chat.questions).to_have_count(1)
    picture_narrow(notebook, chat, "queue")
    other.root.get_by_test_id("queued-remove").first.click()
    expect(queued(chat)).to_have_text(["change me", "the last one"])
    chat.root.get_by_test_id("queued-edit").first.click()
    edit = chat.root.get_by_test_id("edit-field")
    expect(edit).to_be_focused()
    edit.fill("changed")
    notebook.picture("queue-edit")
    edit.press("Enter")
    expect(queued(other)).to_have_text(["changed", "the last one"])
    notebook.reload()
    expect(queued(chat)).to_have_text(["changed", "the last one"])
    gate.open()
    expect(chat.root.get_by_test_id("queue")).to_have_count(0)
    expect(chat.answers).to_have_count(3)
    expect(chat.answers.last).to_have_attribute("data-status", "completed")
    told = [m["content"] for m in site.messages(thread) if m["status"] == "completed"]
    assert told == [TEXT, TEXT, "changed", "changed", "the last one", "the last one"]


def test_sent_messages_come_back_by_arrow_keys_and_undo_takes_them_away(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/fast")
    for text in ("first", "two\nlines"):
        site.wait_for(site.send(thread, text, chars_per_second=0), "completed")
    cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, cell))
    chat, keyboard = notebook.chat(0), notebook.page.keyboard
    chat.expect_live()
    chat.field.click()
    keyboard.type("my draft")
    for key, text in (
        ("ArrowUp", "two\nlines"),
        ("ArrowUp", "first"),
        ("ArrowDown", "two\nlines"),
        ("ArrowDown", "my draft"),
        ("ArrowUp", "two\nlines"),
        ("Control+z", "my draft"),
    ):
        keyboard.press(key)
        expect(chat.field).to_have_value(text)
    # In the middle of a long text, the keys move the caret.
    chat.field.fill("word " * 200)
    keyboard.press("ArrowUp")
    expect(chat.field).to_have_value("word " * 200)


def test_what_is_mentioned_travels_with_the_message(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/fast")
    (site.notebooks / f"{name}.csv").write_text("a,b\n1,2\n")
    chat_cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    path = notebooks.write(site, name, chat_cell, notebooks.code(FRAME))
    notebook = open_beside(path, kernel=True)
    notebook.run(1)
    notebook.wait_until("panel => panel.content.model.cells.get(1).executionCount === 1")
    notebook.wait_until("panel => panel?.sessionContext.session?.kernel?.status === 'idle'")
    chat, keyboard = notebook.chat(0), notebook.page.keyboard
    chat.expect_live()
    chat.field.click()
    keyboard.type("Compare @d")
    expect(options(notebook).first).to_contain_text("df")
    expect(options(notebook).first).to_have_attribute("aria-selected", "true")
    picture_narrow(notebook, chat, "mention")
    keyboard.press("Tab")
    expect(chat.field).to_have_value("Compare @df ")
    for kind, needle in (("cell", "pandas"), ("output", "")):
        keyboard.type(f"@{kind}:{needle}")
        expect(options(notebook).first).to_have_attribute("data-kind", kind)
        keyboard.press("Enter")
    keyboard.type(f"@file:{name[:12]}")
    expect(options(notebook).filter(has_text=f"{name}.csv")).to_be_visible()
    options(notebook).filter(has_text=f"{name}.csv").click()
    expect(chat.root.get_by_test_id("context-chip")).to_have_count(3)
    expect(chat.root.get_by_test_id("chip")).to_have_attribute("data-state", "attached")
    picture_narrow(notebook, chat, "mentioned")
    notebook.save()
    notebook.reload()
    expect(chat.root.get_by_test_id("context-chip")).to_have_count(3)
    expect(chat.field).to_have_value(f"Compare @df @cell#2 @output#2 @{name}.csv ")
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    parts = {part.get("name"): part for part in questions(site, thread)[0]["parts"]}
    assert set(parts) == {"@df", "@cell#2", "@output#2", f"{name}.csv", None}
    assert "Oslo" in parts["@df"]["text"]
    assert "pd.DataFrame" in parts["@cell#2"]["text"]
    assert "Rome" in parts["@output#2"]["text"]
    expect(chat.root.get_by_test_id("context-chip")).to_have_count(0)


def test_commands_act_and_other_texts_are_sent(
    site: Site, open_beside: OpenBeside, gate: AnswerGate, name: str
) -> None:
    thread = site.thread(name, MODEL)
    cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, cell))
    chat, keyboard = notebook.chat(0), notebook.page.keyboard
    chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:290])
    chat.field.click()
    keyboard.type("/")
    expect(options(notebook)).to_have_count(8)
    picture_narrow(notebook, chat, "commands")
    keyboard.type("stop")
    keyboard.press("Enter")
    chat.expect_status(run, "cancelled")
    keyboard.type("/title Churn in May")
    keyboard.press("Enter")
    expect(chat.field).to_have_value("")
    keyboard.type("/help")
    keyboard.press("Enter")
    expect(chat.root.get_by_test_id("composer-help")).to_be_visible()
    picture_narrow(notebook, chat, "help")
    chat.root.get_by_test_id("help-close").click()
    expect(chat.field).to_be_focused()
    chat.expect_status(chat.send("/usr/bin is full"), "completed")
    assert site.chat("GET", f"threads/{thread}")["title"] == "Churn in May"
    assert questions(site, thread)[-1]["content"] == "/usr/bin is full"
