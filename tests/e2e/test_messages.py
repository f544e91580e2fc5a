"""What a reader does with messages: edits and branches, asks again, copies, and watches phases."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, ChatView
from tests.e2e.sites import Site, until
from tests.e2e.test_reading import written

TEXT = words(60)
NOTE = {"name": "note.txt", "text": "What the model reads beside the question."}
_SECONDS = r"""([node, most]) => {
  const found = /in (\d+) s/.exec(node.textContent);
  return found !== null && Number(found[1]) <= most;
}"""
_PLACES = """node => [...node.querySelectorAll('article')].map(article => {
  const { top, height } = article.getBoundingClientRect();
  return [top, height];
})"""


def switch_of(message: Locator) -> Locator:
    return message.get_by_test_id("switch")


def expect_questions(chat: ChatView, *texts: str) -> None:
    """Wait until the branch with these questions is shown."""
    shown = chat.questions.get_by_test_id("content")
    expect(shown).to_have_text(list(texts), timeout=PATIENCE_MS)


def test_an_edited_question_is_a_branch_that_lasts(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, "The first"), "completed")
    site.wait_for(site.send(thread, "The second", context=[NOTE]), "completed")
    output = notebooks.chat_output(thread, "")
    path = notebooks.write(site, name, notebooks.code("1", output))
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()

    second = chat.questions.nth(1)
    second.hover()
    second.get_by_test_id("edit").click()
    field = chat.root.get_by_test_id("edit-field")
    expect(field).to_be_focused()
    field.fill("Another second")
    field.press("Enter")
    expect_questions(chat, "The first", "Another second")
    expect(switch_of(chat.questions.nth(1))).to_have_text("‹2/2›")
    expect(chat.field).to_be_focused()
    kept = chat.questions.nth(1).get_by_test_id("attachment")
    expect(kept).to_contain_text("note.txt")
    _, old, new = (it for it in site.messages(thread) if it["role"] == "user")
    assert (new["parent_id"], new["parts"][0]) == (old["parent_id"], old["parts"][0])

    chat.questions.nth(1).get_by_test_id("previous-branch").focus()
    notebook.page.keyboard.press("Enter")
    expect_questions(chat, "The first", "The second")
    expect(chat.questions.nth(1).get_by_test_id("next-branch")).to_be_focused()
    notebook.reload()
    chat.expect_live()
    expect_questions(chat, "The first", "The second")
    expect(switch_of(chat.questions.nth(1))).to_have_text("‹1/2›")
    answer = next(it for it in site.messages(thread) if it["parent_id"] == old["id"])
    assert site.chat("GET", f"threads/{thread}")["head"] == answer["id"]


def test_another_model_answers_beside_the_first_and_its_text_is_copied_as_it_is_stored(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    path, thread = written(site, name, "demo/echo")
    site.wait_for(site.send(thread, "Say it **again**"), "completed")
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    answer = chat.answers.first
    answer.hover()
    answer.get_by_test_id("regenerate-with").click()
    option = "[data-testid=model-option][data-value='demo/fast']"
    chat.root.get_by_test_id("regenerate-models").locator(option).first.click()
    expect(switch_of(answer)).to_have_text("‹2/2›", timeout=PATIENCE_MS)
    expect(answer).to_have_attribute("data-status", "completed", timeout=PATIENCE_MS)
    expect(answer.get_by_test_id("who")).to_have_attribute("title", re.compile("fast$"))

    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    stored = until(lambda: _reply_by(site, thread, "demo/fast"), "the other model answers")
    copied = _copy(answer)
    assert copied == stored["content"]
    answer.get_by_test_id("previous-branch").click()
    expect(switch_of(answer)).to_have_text("‹1/2›", timeout=PATIENCE_MS)
    expect(answer.get_by_test_id("content").locator("strong")).to_have_text("again")
    assert _copy(answer) == "Say it **again**"


def _reply_by(site: Site, thread: str, model: str) -> dict[str, Any] | None:
    ended = (run for run in site.runs(thread) if run["status"] == "completed")
    made = {run["message_id"] for run in ended if run["model"] == model}
    return next((it for it in site.messages(thread) if it["id"] in made), None)


def _copy(answer: Locator) -> str:
    button = answer.get_by_test_id("copy-message")
    button.click()
    expect(button).to_have_attribute("aria-label", "Copied as Markdown")
    return str(answer.page.evaluate("navigator.clipboard.readText()"))


def test_a_branch_is_read_while_another_one_is_written(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    path, thread = written(site, name, MODEL)
    gate.open()
    first = site.send(thread, TEXT, **gate.params)
    site.wait_for(first, "completed")
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    chat.expect_text(first, TEXT)
    before = chat.root.evaluate(_PLACES)
    chat.answers.hover()
    expect(chat.answers.get_by_test_id("actions")).to_have_css("opacity", "1")
    assert chat.root.evaluate(_PLACES) == before

    gate.open(0)
    chat.answers.get_by_test_id("regenerate").click()
    progress = chat.root.get_by_test_id("progress")
    elapsed = progress.get_by_test_id("elapsed")
    expect(elapsed).to_have_text(re.compile(r"^\d+ s$"), timeout=PATIENCE_MS)
    second = site.runs(thread)[-1]["id"]
    gate.open(100)
    chat.expect_text(second, TEXT[:90])
    chat.answers.get_by_test_id("previous-branch").click()
    chat.expect_text(first, TEXT)
    expect(chat.status).to_have_text("Answering on another branch")
    gate.open()
    expect(chat.status).to_have_text("", timeout=PATIENCE_MS)
    chat.answers.get_by_test_id("next-branch").click()
    chat.expect_text(second, TEXT)
    chat.expect_status(second, "completed")


def test_a_retry_is_counted_down(site: Site, open_beside: OpenBeside, name: str) -> None:
    path, thread = written(site, name, "demo/fail")
    params = {"failure": "overloaded", "after_chars": 0, "retry_after_s": 60}
    run = site.send(thread, "Fail", **params)
    chat = open_beside(path).chat(0)
    progress = chat.root.get_by_test_id("progress")
    counted = re.compile(r"^Trying again in \d+ s \(the model is overloaded\), attempt 2$")
    expect(progress).to_have_text(counted, timeout=PATIENCE_MS)
    found = re.search(r"in (\d+) s", progress.text_content() or "")
    assert found is not None
    # The next second, by the page's own clock.
    arg = [progress.element_handle(), int(found[1]) - 1]
    progress.page.wait_for_function(_SECONDS, arg=arg, timeout=PATIENCE_MS)
    chat.stop.click()
    chat.expect_status(run, "cancelled")
    expect(progress).to_have_count(0)
