"""A walk through what a chat can, in the panel and in tabs, on each page; and by touch.

Other modules test each capability closely on the newest JupyterLab. These tests see that it is
there in JupyterLab 4.2 and Notebook 7 as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside, expect_good_behaviour
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, ChatView, NotebookPage, use_theme
from tests.e2e.sites import Site, until
from tests.e2e.test_access import THEMES, violations
from tests.e2e.test_panel import PanelPage, open_panel

elsewhere = pytest.mark.parametrize("site", ["lab42", "notebook"], indirect=True)
LONG = words(900)
TEXT = words(120)
TABLET = {"width": 820, "height": 1180}
# WCAG 2.2, target size (minimum).
TARGET_PX = 24
NARROW_PX = 280
_WIDER_THAN = """(root, width) => [root, ...root.querySelectorAll(
  '[data-testid=composer] *, .jp-ChatStream-roomHead *, .jp-ChatStream-listHead *'
)].filter(node => node.getClientRects().length > 0)
  .filter(node => !node.closest('[aria-hidden=true], .jp-ChatStream-popover, select'))
  .filter(node => {
    const { left, right } = root.getBoundingClientRect();
    const rect = node.getBoundingClientRect();
    return rect.width > 1 && (rect.right > right + 1 || rect.left < left - 1);
  }).map(node => node.outerHTML.slice(0, 160))"""
_NARROW = """([panel, width]) => {
  panel.style.width = `${width}px`;
  panel.style.minWidth = '0';
}"""
_TOP = "log => log.scrollTop"


def menu_item(page: Page, label: str) -> Locator:
    return page.locator(".jp-ChatStream-menu .lm-Menu-item").filter(has_text=label)


@elsewhere
def test_composer_and_messages_of_the_panel(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    """Queue, commands, mentions, an edit and its branches, find, and the copy of it all."""
    thread = site.thread(name, MODEL)
    panel = open_panel(site, open_beside, name, "tour = 'of the panel'", "2")
    panel.execute("open", threadId=thread)
    chat, keyboard = panel.chat, panel.page.keyboard
    chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:290])
    for text in ("remove me", "change me"):
        chat.field.fill(text)
        chat.field.press("Enter")
        expect(chat.root.get_by_test_id("queued-text").last).to_have_text(text)
    panel.notebook.picture("tour-queue", in_all_looks=False)
    chat.root.get_by_test_id("queued-remove").first.click()
    chat.root.get_by_test_id("queued-edit").first.click()
    chat.root.get_by_test_id("edit-field").fill("changed")
    keyboard.press("Enter")
    expect(chat.root.get_by_test_id("queued-text")).to_have_text(["changed"])
    gate.open()
    expect(chat.answers).to_have_count(2, timeout=PATIENCE_MS)
    expect(chat.answers.last).to_have_attribute("data-status", "completed", timeout=PATIENCE_MS)

    chat.field.click()
    keyboard.type("/title The tour")
    keyboard.press("Enter")
    expect(panel.root.get_by_test_id("room-title")).to_have_text("The tour", timeout=PATIENCE_MS)
    keyboard.type("See @cell:tour")
    expect(panel.page.get_by_test_id("completion-option").first).to_contain_text("tour")
    panel.notebook.picture("tour-mention", in_all_looks=False)
    keyboard.press("Tab")
    expect(chat.root.get_by_test_id("context-chip")).to_have_count(1)
    chat.expect_status(chat.send_typed(), "completed")
    [context, _] = site.messages(thread)[-2]["parts"]
    assert "of the panel" in context["text"]

    question = chat.questions.nth(1)
    question.hover()
    question.get_by_test_id("edit").click()
    chat.root.get_by_test_id("edit-field").fill("changed again")
    keyboard.press("Enter")
    switch = question.get_by_test_id("switch")
    expect(switch).to_have_text("‹2/2›", timeout=PATIENCE_MS)
    expect(chat.answers.nth(1)).to_have_attribute("data-status", "completed", timeout=PATIENCE_MS)
    question.get_by_test_id("previous-branch").click()
    expect(switch).to_have_text("‹1/2›", timeout=PATIENCE_MS)
    expect(chat.questions).to_have_count(3)

    chat.field.click()
    keyboard.press("Control+f")
    chat.root.get_by_test_id("find-field").fill("changed")
    expect(chat.root.get_by_test_id("find-count")).to_have_text("2 places", timeout=PATIENCE_MS)
    keyboard.press("Enter")
    expect(chat.root.get_by_test_id("find-count")).to_have_text("1 of 2")
    panel.notebook.picture("tour-find", in_all_looks=False)
    keyboard.press("Escape")
    expect(chat.field).to_be_focused()

    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.root.get_by_test_id("room-menu").click()
    menu_item(panel.page, "Copy as Markdown").click()
    copied = until(
        lambda: _clipboard_with(panel.page, "tour"), "the conversation is on the clipboard"
    )
    assert copied.count("changed") == 2
    assert "w0119" in copied


def _clipboard_with(page: Page, text: str) -> str:
    copied = str(page.evaluate("navigator.clipboard.readText()"))
    return copied if text in copied else ""


@elsewhere
def test_list_and_places_of_the_panel(site: Site, open_beside: OpenBeside, name: str) -> None:
    """Search, new chats, the place that is kept over a reload, and a drag to where it is shown."""
    thread = site.thread(name, "demo/echo")
    word = f"okapi{abs(hash(name))}"
    run = site.send(thread, f"{LONG}\n\nWhere does the {word} live?", chars_per_second=1_000_000)
    site.wait_for(run, "completed")
    panel = open_panel(site, open_beside, name)
    panel.execute("show")
    panel.expect_list()
    expect(panel.row(thread)).to_have_attribute("data-unread", "1")

    panel.search.fill(word)
    snippet = panel.row(thread).get_by_test_id("thread-snippet").first
    expect(snippet.locator("mark").first).to_have_text(word, timeout=PATIENCE_MS)
    snippet.click()
    chat = panel.chat
    chat.expect_status(run, "completed")
    panel.root.get_by_test_id("back").click()
    panel.search.fill("")

    before = len(site.chat("GET", "threads?limit=200")["threads"])
    panel.root.get_by_test_id("thread-new").click()
    expect(chat.field).to_be_focused(timeout=PATIENCE_MS)
    made = chat.thread
    panel.root.get_by_test_id("back").click()
    panel.root.get_by_test_id("thread-new").click()
    expect(chat.field).to_be_focused(timeout=PATIENCE_MS)
    assert chat.thread == made, "an empty chat is used before another one is made"
    assert len(site.chat("GET", "threads?limit=200")["threads"]) <= before + 1

    panel.execute("open", threadId=thread)
    chat.expect_status(run, "completed")
    chat.log.hover()
    panel.page.mouse.wheel(0, -1_500)
    latest = chat.root.get_by_test_id("latest")
    expect(latest).to_be_visible(timeout=PATIENCE_MS)
    until(lambda: _is_kept(panel, thread), "the page keeps what the panel shows")
    top = chat.log.evaluate(_TOP)
    panel.notebook.reload()
    expect(latest).to_be_visible(timeout=PATIENCE_MS)
    expect(chat.answers).to_have_count(1)
    until(lambda: abs(chat.log.evaluate(_TOP) - top) < 30, "the place is back")
    latest.click()
    panel.root.get_by_test_id("back").click()
    expect(panel.row(thread)).to_have_attribute("data-unread", "0", timeout=PATIENCE_MS)

    row = panel.row(thread).get_by_test_id("thread-open")
    row.drag_to(panel.notebook.cell(0), steps=12)
    in_cell = panel.notebook.chats_in(0)
    expect(in_cell).to_have_attribute("data-thread", thread, timeout=PATIENCE_MS)
    if site.flavour.holds_many:
        bar = panel.page.locator("#jp-main-dock-panel .lm-TabBar-content").first
        row.drag_to(bar, steps=12)
        tab = ChatView(panel.page.locator(f"#jp-ChatStream-tab-{thread} .jp-ChatStream"))
        tab.expect_live()
        tab.expect_status(run, "completed")
        panel.notebook.picture("tour-tab", in_all_looks=False)


def _is_kept(panel: PanelPage, thread: str) -> bool:
    """Whether the page knows what the panel shows, and where its reader is."""
    site = panel.notebook.site
    stored = str(panel.page.evaluate("JSON.stringify({ ...sessionStorage })"))
    kept = str(site.ask("GET", "lab/api/workspaces")) if site.flavour.holds_many else stored
    return thread in kept and "jupyter-chat-stream:place" in stored


def test_an_answer_that_is_seen_in_an_output_is_read(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread, hidden = site.thread(name, "demo/echo"), site.thread(f"{name}-hidden", "demo/echo")
    for each in (thread, hidden):
        site.wait_for(site.send(each, "Hello"), "completed")
    below = [notebooks.text("# Below\n\n" + "text\n\n" * 60)]
    chats = [notebooks.code("1", notebooks.chat_output(each, "")) for each in (thread, hidden)]
    path = notebooks.write(site, name, chats[0], *below, chats[1])
    notebook = open_beside(path)
    notebook.page.bring_to_front()
    notebook.chat(0).expect_live()
    until(lambda: _unread(site, thread) == 0, "it is read")
    run = site.send(thread, "Once more")
    notebook.chat(0).expect_status(run, "completed")
    until(lambda: _unread(site, thread) == 0, "the new answer is read")
    assert _unread(site, hidden) == 1
    assert 1 <= len(notebook.seen.marks) <= 2, "one mark for each answer"
    notebook.chats_in(2).scroll_into_view_if_needed()
    until(lambda: _unread(site, hidden) == 0, "what was scrolled to is read")


def _unread(site: Site, thread: str) -> int:
    rows = site.chat("GET", "threads?limit=200")["threads"]
    return int(next(row["unread"] for row in rows if row["id"] == thread))


@pytest.mark.parametrize("site", ["notebook"], indirect=True)
def test_axe_finds_nothing_in_notebook_7_in_panels_and_in_a_narrow_panel(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, "# A heading\n\nText with `code`."), "completed")
    every_day = {"thread_id": thread, "content": "What is new?", "cron": "0 9 * * *"}
    site.chat("POST", "schedules", every_day)
    panel = open_panel(site, open_beside, name)
    panel.execute("show")
    panel.expect_list()
    found = {"list": violations(panel.root)}
    panel.execute("open", threadId=thread)
    chat = panel.chat
    chat.expect_live()
    chat.field.fill("A draft @fi")
    for theme in THEMES[1::-1]:
        use_theme(panel.page, theme)
        found[f"chat, {theme}"] = violations(panel.root)
    chat.field.fill("A draft")
    chat.root.get_by_test_id("later").click()
    expect(chat.root.get_by_test_id("later-panel")).to_be_visible()
    panel.notebook.picture("tour-later", in_all_looks=False)
    found["a message for later"] = violations(chat.root)
    chat.root.get_by_test_id("schedules").get_by_test_id("delete").click()
    found["the deletion of a schedule"] = violations(chat.root)
    panel.page.keyboard.press("Escape")
    chat.root.get_by_test_id("model").click()
    found["models"] = violations(chat.root)
    panel.page.keyboard.press("Escape")
    chat.root.get_by_test_id("parameters").click()
    expect(chat.root.get_by_test_id("parameters-panel")).to_be_visible()
    found["parameters"] = violations(chat.root)
    panel.page.keyboard.press("Escape")
    panel.root.get_by_test_id("room-menu").click()
    expect(menu_item(panel.page, "Delete Chat")).to_be_visible()
    panel.page.keyboard.press("Escape")

    panel.page.evaluate(_NARROW, [panel.root.element_handle(), NARROW_PX])
    for text in ("A longer draft, " * 12, "/"):
        chat.field.fill(text)
        assert panel.root.evaluate(_WIDER_THAN, NARROW_PX) == []
    panel.notebook.picture("tour-280", in_all_looks=False)
    panel.root.get_by_test_id("back").click()
    assert panel.root.evaluate(_WIDER_THAN, NARROW_PX) == []
    panel.row(thread).get_by_test_id("thread-menu").focus()
    panel.page.keyboard.press("Enter")
    menu_item(panel.page, "Delete Chat").click()
    expect(panel.root.get_by_test_id("undo")).to_be_visible()
    found["a deletion"] = violations(panel.root)
    panel.root.get_by_test_id("undo").click()
    told = [f"{where}: {what}" for where, all_of_it in found.items() for what in all_of_it]
    assert not told, "\n".join(told)


@pytest.fixture
def touched(site: Site, browser: Browser, name: str) -> Iterator[PanelPage]:
    """A page of JupyterLab on a tablet: fingers, and nothing that hovers."""
    context = browser.new_context(viewport=TABLET, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE_MS)
    path = notebooks.write(site, name, notebooks.code("1"))
    notebook = NotebookPage(context.new_page(), site, path, name)
    notebook.open(kernel=False)
    yield PanelPage(notebook)
    context.close()
    expect_good_behaviour([notebook])


def test_a_chat_is_used_by_touch(site: Site, touched: PanelPage, name: str) -> None:
    """What the mouse finds by hovering is seen without it, and large enough for a finger."""
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, "Say `this`"), "completed")
    assert touched.page.evaluate("matchMedia('(hover: none)').matches")
    touched.execute("show")
    touched.expect_list()
    row = touched.row(thread)
    expect_seen([row.get_by_test_id("thread-menu")])
    row.get_by_test_id("thread-menu").tap()
    touched.notebook.picture("tour-touch-menu", in_all_looks=False)
    menu_item(touched.page, "Pin").tap()
    expect(row).to_have_attribute("data-pinned", "true", timeout=PATIENCE_MS)
    row.get_by_test_id("thread-open").tap()
    chat = touched.chat
    chat.expect_live()
    answer = chat.answers.first
    question = chat.questions.first
    buttons = [answer.get_by_test_id("copy-message"), question.get_by_test_id("edit")]
    expect_seen(
        [*buttons, chat.root.get_by_test_id("find-open"), chat.root.get_by_test_id("later")]
    )
    touched.notebook.picture("tour-touch", in_all_looks=False)
    question.get_by_test_id("edit").tap()
    chat.root.get_by_test_id("edit-field").fill("Say that")
    chat.root.get_by_test_id("edit-send").tap()
    expect(question.get_by_test_id("switch")).to_have_text(re.compile("2/2"), timeout=PATIENCE_MS)
    question.get_by_test_id("previous-branch").tap()
    expect(question.get_by_test_id("switch")).to_have_text(re.compile("1/2"), timeout=PATIENCE_MS)
    chat.field.tap()
    chat.field.fill("Sent by a finger")
    chat.root.get_by_test_id("send").tap()
    expect(chat.answers).to_have_count(2, timeout=PATIENCE_MS)
    expect(chat.answers.last).to_contain_text("Sent by a finger", timeout=PATIENCE_MS)


def expect_seen(buttons: Sequence[Locator]) -> None:
    for button in buttons:
        expect(button).to_be_visible()
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TARGET_PX, (button, box)
        opacity = button.evaluate(
            """node => {
              let least = 1;
              for (let at = node; at !== null; at = at.parentElement) {
                least = Math.min(least, Number(getComputedStyle(at).opacity));
              }
              return least;
            }"""
        )
        assert opacity > 0.3, button
