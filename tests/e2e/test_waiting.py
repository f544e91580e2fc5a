"""What waits for a person or a time outlives page and kernel, and is met in the page (L10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Route, expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.gated_provider import MODEL
from tests.e2e.pages import ChatView, NotebookPage
from tests.e2e.sites import Site

ASK = "demo/ask"
AT_ONCE: dict[str, Any] = {"chars_per_second": 0}


def written(site: Site, name: str, thread: str) -> str:
    """Write a notebook with one chat and a cell below it; return its path."""
    output = notebooks.chat_output(thread, "")
    return notebooks.write(site, name, notebooks.code("1", output), notebooks.code("2"))


def live_chat(notebook: NotebookPage) -> ChatView:
    """Wait until the chat of such a notebook follows its thread."""
    chat = notebook.chat(0)
    chat.expect_live()
    return chat


def test_a_question_outlives_page_and_kernel_and_is_answered_by_mouse_and_by_keys(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, ASK)
    notebook = open_beside(written(site, name, thread), kernel=True)
    chat = live_chat(notebook)
    run = site.send(thread, "A report, please", **AT_ONCE)
    question = chat.root.get_by_test_id("input-request")
    expect(question).to_have_attribute("data-state", "open")
    notebook.restart_kernel()
    notebook.reload()
    chat.expect_live()
    notebook.picture("asked")
    question.get_by_role("button", name="autumn").click()
    expect(question.first).to_contain_text("answered by you")
    assert question.first.get_by_test_id("answered").inner_text().startswith("autumn")

    before = notebook.cells()
    field = chat.root.get_by_test_id("answer-field")
    field.focus()
    keyboard = notebook.page.keyboard
    keyboard.type("Ada")
    keyboard.press("Enter")
    for key in "ddx":  # the field is gone, and its keys are still ours
        keyboard.press(key)
    chat.expect_status(run, "completed")
    for key in "ddx":
        keyboard.press(key)
    assert notebook.cells() == before
    assert "The autumn report, for Ada" in site.messages(thread)[-1]["content"]
    expect(chat.answer(run)).to_contain_text("The autumn report, for Ada")
    assert [one["attempt"] for one in site.runs(thread)] == [3]
    notebook.picture("answered")


def test_whoever_answers_second_in_another_tab_is_shown_the_first_answer(
    site: Site, open_beside: OpenBeside, open_notebook: Open, name: str
) -> None:
    thread = site.thread(name, ASK)
    path = written(site, name, thread)
    first = live_chat(open_beside(path))
    second_tab = open_notebook(site, path, kernel=False)
    second = live_chat(second_tab)
    held: list[Route] = []
    second_tab.page.route("**/runs/*/input?*", lambda route: held.append(route))
    run = site.send(thread, "A report, please", **AT_ONCE)
    with second_tab.page.expect_request("**/runs/*/input?*"):
        second.root.get_by_role("button", name="spring").click()
    first.root.get_by_role("button", name="winter").click()
    expect(first.root.get_by_test_id("answered")).to_contain_text("winter")
    (second_request,) = held
    with second_tab.page.expect_response("**/runs/*/input?*") as answer:
        second_request.continue_()
    assert answer.value.status == 409
    error = answer.value.json()["error"]
    assert (error["code"], error["value"], error["by"]) == ("request_not_open", "winter", "local")
    expect(second.root.get_by_test_id("answered")).to_contain_text("winter")
    expect(second.root.get_by_test_id("beaten")).to_contain_text("“spring” was not used")
    second_tab.picture("beaten")
    expect(second.root.get_by_test_id("problem")).to_have_count(0)
    first.stop.click()
    for chat in (first, second):
        chat.expect_status(run, "cancelled")
        expect(chat.root.get_by_test_id("answer-field")).to_have_count(0)
    second_tab.seen.errors.clear()  # the browser itself notes the 409


def test_a_message_for_later_stands_after_the_branch_until_it_is_cancelled(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, MODEL)
    notebook = open_beside(written(site, name, thread))
    chat = live_chat(notebook)
    at = (datetime.now().astimezone() + timedelta(days=1)).replace(hour=18, minute=0)
    chat.field.fill("Good evening")
    chat.root.get_by_test_id("later").click()
    chat.root.get_by_test_id("later-at").fill(f"{at:%Y-%m-%dT%H:%M}")
    notebook.picture("later-panel")
    chat.root.get_by_test_id("later-at").press("Enter")
    later = chat.root.get_by_test_id("message-later")
    expect(later).to_contain_text("Will be sent tomorrow at")
    expect(chat.root.get_by_test_id("later-panel")).to_have_count(0)
    expect(chat.field).to_have_value("")

    chat.expect_status(chat.send("Something else meanwhile"), "completed")
    notebook.reload()
    chat.expect_live()
    order = chat.log.locator("article").evaluate_all("all => all.map(one => one.dataset.testid)")
    assert order == ["message-user", "message-assistant", "message-later"]
    notebook.picture("later")
    later.get_by_test_id("cancel-later").click()
    expect(later).to_have_count(0)
    expect(chat.log).to_be_focused()
    assert [(one["role"], one["status"]) for one in site.messages(thread)] == [
        ("user", "cancelled"),
        ("assistant", "cancelled"),
        ("user", "completed"),
        ("assistant", "completed"),
    ]


def test_what_waits_for_a_time_is_stopped_paused_and_deleted_in_the_page(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/wait")
    for content, cron in (("What is new?", "0 9 * * 1-5"), ("Sum up the week.", "30 17 * * 5")):
        wanted = {"thread_id": thread, "content": content, "cron": cron, "timezone": "UTC"}
        site.chat("POST", "schedules", wanted)
    run = site.send(thread, "Wait", wait_s=86_400, **AT_ONCE)
    notebook = open_beside(written(site, name, thread))
    chat = live_chat(notebook)
    expect(chat.root.get_by_test_id("progress")).to_contain_text("Waiting until tomorrow at")
    notebook.picture("sleeping")
    chat.stop.click()
    chat.expect_status(run, "cancelled")
    expect(chat.stop).to_have_count(0)

    chat.root.get_by_test_id("later").click()
    rows = chat.root.get_by_test_id("schedule")
    expect(rows).to_have_count(2)
    rows.first.get_by_test_id("pause").click()
    expect(rows.first).to_have_attribute("data-state", "paused")
    notebook.picture("schedules")
    rows.last.get_by_test_id("delete").click()
    rows.last.get_by_test_id("delete").click()
    expect(rows).to_have_count(1)
    (kept,) = site.chat("GET", f"schedules?thread_id={thread}")["schedules"]
    assert (kept["content"], kept["paused"]) == ("What is new?", True)
