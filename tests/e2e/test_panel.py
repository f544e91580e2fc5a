"""The side panel, tabs, and what moves between them and notebooks: in all three pages.

L6 and L9 are guarded where the reader sees them: an answer goes on over a reload in the panel and
in a tab, and the marks of the list change while nobody touches the page.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, ChatView, NotebookPage
from tests.e2e.sites import FLAVOURS, Site, until

everywhere = pytest.mark.parametrize("site", FLAVOURS, indirect=True)
TEXT = words(200)
_EXECUTE = """async ([command, args]) => {
  await window.jupyterapp.commands.execute(command, args);
}"""


class PanelPage:
    """The side panel of a page."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook = notebook
        self.page = notebook.page
        self.root = self.page.locator("#jp-ChatStream-panel")
        self.search = self.root.get_by_test_id("thread-search")
        self.chat = ChatView(self.root.locator(".jp-ChatStream"))

    def execute(self, command: str, **args: Any) -> None:
        self.page.evaluate(_EXECUTE, [f"chat-stream:{command}", args])

    def row(self, thread: str) -> Locator:
        return self.root.locator(f"[data-testid=thread-row][data-thread='{thread}']")

    def expect_list(self) -> None:
        expect(self.root.get_by_test_id("thread-list")).to_have_attribute(
            "data-live", "true", timeout=PATIENCE_MS
        )


def open_panel(site: Site, open_beside: OpenBeside, name: str, *cells: str) -> PanelPage:
    """Open a notebook with these cells, or with two, and give its page's panel."""
    path = notebooks.write(site, name, *[notebooks.code(cell) for cell in cells or ("1", "2")])
    return PanelPage(open_beside(path))


@everywhere
def test_an_answer_in_the_panel_goes_on_over_a_reload(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    thread = site.thread(name, MODEL)
    panel = open_panel(site, open_beside, name)
    panel.execute("open", threadId=thread)
    panel.chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    panel.chat.expect_text(run, TEXT[:290])
    # JupyterLab writes its layout a moment later.
    until(lambda: _is_kept(panel, thread), "the page keeps what the panel shows")
    panel.notebook.reload()
    panel.chat.expect_text(run, TEXT[:290])
    gate.open()
    panel.chat.expect_status(run, "completed")
    panel.chat.expect_text(run, TEXT)


def _is_kept(panel: PanelPage, thread: str) -> bool:
    """Whether the workspace, or in Notebook 7 the browser's tab, names the thread."""
    site = panel.notebook.site
    if not site.flavour.holds_many:
        kept = panel.page.evaluate("sessionStorage.getItem('jupyter-chat-stream:panel')")
        return thread in (kept or "")
    kept = str(site.ask("GET", "lab/api/workspaces"))
    return thread in kept and "jupyter-chat-stream-panel" in kept


def test_marks_move_while_nobody_touches_the_page(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    thread, asked = site.thread(name, MODEL), site.thread(f"{name}-asked", "demo/ask")
    panel = open_panel(site, open_beside, name)
    panel.execute("show")
    panel.expect_list()
    row = panel.row(thread)
    run = site.send(thread, TEXT, **gate.params)
    expect(row).to_have_attribute("data-busy", "true", timeout=PATIENCE_MS)
    gate.open()
    site.wait_for(run, "completed")
    expect(row).to_have_attribute("data-busy", "false", timeout=PATIENCE_MS)
    expect(row).to_have_attribute("data-unread", "1")
    site.wait_for(site.send(asked, "Ask", chars_per_second=0), "waiting")
    expect(panel.row(asked)).to_have_attribute("data-asks", "true", timeout=PATIENCE_MS)
    row.get_by_test_id("thread-open").click()
    panel.chat.expect_status(run, "completed")
    panel.root.get_by_test_id("back").click()
    expect(row).to_have_attribute("data-unread", "0", timeout=PATIENCE_MS)


def test_a_thread_is_found_renamed_and_deleted_by_keyboard(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread, other = site.thread(name, "demo/echo"), site.thread(f"{name}-other", "demo/echo")
    word = f"zebra{abs(hash(name))}"
    site.wait_for(site.send(thread, f"Where does the {word} live?"), "completed")
    site.wait_for(site.send(other, "Something else"), "completed")
    panel = open_panel(site, open_beside, name)
    panel.execute("show")
    panel.search.fill(word)
    snippet = panel.row(thread).get_by_test_id("thread-snippet").first
    expect(snippet.locator("mark").first).to_have_text(word, timeout=PATIENCE_MS)
    expect(panel.row(other)).to_have_count(0)
    snippet.click()
    expect(panel.chat.questions.first).to_contain_text(word, timeout=PATIENCE_MS)
    panel.root.get_by_test_id("back").click()

    panel.search.press("ArrowDown")
    panel.page.keyboard.press("F2")
    hostile = "<img src=x onerror=alert(1)>"
    panel.page.keyboard.insert_text(hostile)
    panel.page.keyboard.press("Enter")
    title = panel.row(thread).get_by_test_id("thread-title")
    expect(title).to_have_text(hostile, timeout=PATIENCE_MS)
    # The list shows the new title before the server has it.
    until(lambda: site.chat("GET", f"threads/{thread}")["title"] == hostile, "it is renamed")

    expect(panel.row(thread).get_by_test_id("thread-open")).to_be_focused()
    panel.page.keyboard.press("Delete")
    expect(panel.row(thread)).to_have_count(0)
    panel.root.get_by_test_id("undo").click()
    expect(panel.row(thread)).to_have_count(1)
    panel.row(thread).get_by_test_id("thread-open").focus()
    panel.page.keyboard.press("Delete")
    expect(panel.row(thread)).to_have_count(0)
    panel.notebook.reload()  # within the 8 s: the page sends the deletion as it goes
    until(lambda: _is_gone(site, thread), "the deletion is sent")


def _is_gone(site: Site, thread: str) -> bool:
    listed = site.chat("GET", "threads?limit=200")["threads"]
    return thread not in [row["id"] for row in listed]


def test_a_thread_is_dragged_into_a_notebook_and_opened_in_a_tab(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, "Hello"), "completed")
    panel = open_panel(site, open_beside, name)
    panel.execute("show")
    row = panel.row(thread).get_by_test_id("thread-open")
    row.drag_to(panel.notebook.cell(0), steps=12)
    chat = panel.notebook.chat(0)
    chat.expect_live()
    assert chat.thread == thread
    assert f'Chat(thread="{thread}")' in panel.notebook.cells()[0]["source"]

    panel.execute("open", threadId=thread, place="tab")
    tab = ChatView(panel.page.locator(f"#jp-ChatStream-tab-{thread} .jp-ChatStream"))
    tab.expect_live()
    expect(tab.field).to_be_focused(timeout=PATIENCE_MS)


@everywhere
def test_a_shortcut_goes_to_the_chat_of_the_notebook_and_back(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    panel = open_panel(site, open_beside, name)
    panel.notebook.cell(1).click()
    panel.execute("about-cell")
    expect(panel.chat.field).to_be_focused(timeout=PATIENCE_MS)
    before = panel.notebook.cells()
    panel.page.keyboard.press("Control+Shift+Space")
    panel.page.wait_for_function(
        "() => document.activeElement?.closest('.jp-Notebook') !== null", timeout=PATIENCE_MS
    )
    panel.page.keyboard.press("Control+Shift+Space")
    expect(panel.chat.field).to_be_focused(timeout=PATIENCE_MS)
    assert panel.notebook.cells() == before
