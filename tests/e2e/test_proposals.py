"""Proposals in a live document: whether they fit, the way to them, and what waits unseen (L17)."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import PATIENCE_MS, NotebookPage
from tests.e2e.sites import Site, until
from tests.e2e.test_panel import PanelPage
from tests.e2e.test_tools import (
    AT_ONCE,
    NEW,
    call,
    live_chat,
    proposal_for_three,
    proposal_of,
    results,
    thread_with_notebook_tool,
    written,
)

_TO_TEXT = """async path => {
  await window.jupyterapp.commands.execute('docmanager:open', { path, factory: 'Editor' });
}"""
_CLOSE_TEXT = """path => {
  const widgets = [...window.jupyterapp.shell.widgets('main')];
  widgets.find(one => one.context?.path === path).close();
}"""
GO = "Alt+Shift+ArrowDown"


def change(notebook: NotebookPage, code: str) -> None:
    """Change the shared document of a notebook, as another person or a kernel would."""
    notebook.on_panel(f"panel => {{ const shared = panel.content.model.sharedModel; {code}; }}")


def proposed(site: Site, thread: str, path: str, message: Any) -> str:
    """Let the model read a notebook, then propose edits of it; return the run that asks."""
    site.wait_for(site.send(thread, call("read", path=path), **AT_ONCE), "completed")
    cells = results(site, thread)[-1]["output"]["cells"]
    run = site.send(thread, message(cells), **AT_ONCE)
    site.wait_for(run, "waiting")
    return run


def covers(bar: Locator, notebook: NotebookPage) -> bool:
    """Whether the bar lies over the cells."""
    bottom = notebook.on_panel("panel => panel.content.node.getBoundingClientRect().bottom")
    return bool(bar.evaluate("node => node.getBoundingClientRect().top") < bottom - 1)


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_proposal_tells_whether_it_fits_and_leads_a_keyboard_there_and_back(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L13, L17: before the consent; over a deletion, an undo, a run, a lock and a new name."""
    thread = thread_with_notebook_tool(site, name)
    cells = [notebooks.code(source) for source in ("a = 1\nb = 2", "c = 3", "d = 4")]
    notebook = open_beside(path := notebooks.write(site, name, *cells))
    panel = PanelPage(notebook)
    panel.execute("open", threadId=thread)
    panel.chat.expect_live()
    run = proposed(site, thread, path, lambda found: proposal_for_three(found, path))
    bar = notebook.page.get_by_test_id("proposal-bar")
    expect(bar).to_contain_text("The chat proposes 3 changes", timeout=PATIENCE_MS)
    card = panel.chat.answer(run).get_by_test_id("tool-call")
    expect(panel.chat.root.get_by_test_id("announcer")).to_contain_text(
        f"An edit of 3 cells is proposed in notebook {path}", timeout=PATIENCE_MS
    )
    expect(card.get_by_test_id("misfits")).to_have_text("")
    until(lambda: not covers(bar, notebook), "the notebook ends above the bar")
    notebook.picture("proposal-row")

    panel.chat.field.focus()
    notebook.page.keyboard.press(GO)
    expect(bar.get_by_test_id("next-change")).to_be_focused()
    notebook.page.keyboard.press("Enter")
    first = notebook.page.locator("[data-testid=proposal] [data-cell=cell-0]")
    expect(first.get_by_test_id("accept-cell")).to_be_focused()
    notebook.page.keyboard.press(GO)
    expect(panel.chat.field).to_be_focused()

    def expect_misfit(why: str) -> None:
        text = f"Accepting will change nothing: {why}." if why else ""
        for place in (card, bar):
            expect(place.get_by_test_id("misfits")).to_have_text(text, timeout=PATIENCE_MS)

    expect(bar.get_by_role("status")).to_have_count(1)
    change(notebook, "shared.deleteCell(1)")
    expect_misfit("a cell is gone")
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    expect_misfit("")
    change(notebook, "shared.cells[0].executionState = 'running'")
    expect_misfit("cell 1 is running")
    change(notebook, "shared.cells[1].setSource('typed')")
    expect_misfit("cell 1 is running; cell 2 has changed since the model read it")
    notebook.picture("proposal-misfit")
    until(lambda: not covers(bar, notebook), "the notebook ends above the bar")
    change(notebook, "shared.cells[0].executionState = 'idle'; shared.cells[1].setSource('c = 3')")
    expect_misfit("")
    change(notebook, "shared.cells[0].setMetadata('editable', false)")
    expect_misfit("cell 1 is protected")
    change(notebook, "shared.cells[0].deleteMetadata('editable')")
    expect_misfit("")

    notebook.on_panel("(panel, name) => panel.context.rename(name)", f"{name}-2.ipynb")
    notebook.path = f"{name}-2.ipynb"
    expect(card.get_by_test_id("proposed-edits").locator("p").first).to_have_text(notebook.path)
    expect(bar).to_have_count(1)
    card.get_by_test_id("consent-once").click()
    panel.chat.expect_status(run, "completed")
    assert [cell["source"] for cell in notebook.cells()][:2] == ["a = 1\nb = 22", "new = 5"]
    assert results(site, thread)[-1]["output"]["path"] == notebook.path
    expect(bar).to_have_count(0)
    notebook.wait_until("panel => panel.node.style.paddingBottom === '0px'")
    assert not (site.notebooks / path).exists()


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_proposal_follows_a_notebook_that_is_closed_or_becomes_a_text(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L17: a text editor's file is left alone, a closed notebook's is changed."""
    thread = thread_with_notebook_tool(site, name)
    notebook = open_beside(written(site, f"{name}-chat", thread))
    chat, page = live_chat(notebook), notebook.page
    path = notebooks.write(site, name, notebooks.code("a = 1"), notebooks.code("c = 3"))
    other = notebook.also(path, kernel=False)

    def propose() -> tuple[str, Locator]:
        run = proposed(site, thread, path, lambda found: proposal_of(found[0], path))
        return run, chat.answer(run).get_by_test_id("tool-call")

    run, card = propose()
    expect(page.get_by_test_id("proposal-bar")).to_have_count(1, timeout=PATIENCE_MS)
    other.close()
    notebook.show()
    line = card.get_by_test_id("proposed-edits").locator("p").first
    expect(line).to_contain_text("which is not open in this page", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("proposal-bar")).to_have_count(0)
    expect(card.locator("del")).to_have_text(["−a = 1"], timeout=PATIENCE_MS)
    page.evaluate(_TO_TEXT, path)
    misfits = card.get_by_test_id("misfits")
    notebook.show()
    expect(misfits).to_contain_text("is open in a text editor", timeout=PATIENCE_MS)
    on_disk = (site.notebooks / path).read_bytes()
    card.get_by_test_id("consent-once").click()
    chat.expect_status(run, "completed")
    assert "Ask the person to close the editor" in results(site, thread)[-1]["output"]
    assert (site.notebooks / path).read_bytes() == on_disk

    run, card = propose()
    expect(card.get_by_test_id("misfits")).to_contain_text("text editor", timeout=PATIENCE_MS)
    page.evaluate(_CLOSE_TEXT, path)
    expect(card.get_by_test_id("misfits")).to_have_text("", timeout=PATIENCE_MS)
    card.get_by_test_id("consent-once").click()
    chat.expect_status(run, "completed")
    after = nbformat.read(site.notebooks / path, as_version=4)
    assert after["cells"][0]["source"] == NEW


def test_a_chat_that_waits_unseen_is_told_by_the_panels_icon_and_opened_by_one_command(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L13: also where the panel is closed, or shows another chat."""
    asking, other = thread_with_notebook_tool(site, name), site.thread(f"{name}-o", "demo/echo")
    notebook = open_beside(notebooks.write(site, f"{name}-o", notebooks.code("1")))
    path = notebooks.write(site, name, notebooks.code("a = 1"))
    changed = open_beside(path)
    page, panel = notebook.page, PanelPage(notebook)
    panel.execute("open", threadId=asking)
    panel.chat.expect_live()
    panel.execute("open", threadId=other)
    run = proposed(site, asking, path, lambda found: proposal_of(found[0], path))
    icon = page.locator(".jp-SideBar .lm-TabBar-tab[data-id=jp-ChatStream-panel]")
    marked = re.compile("jp-ChatStream-asking")
    expect(icon).to_have_class(marked, timeout=PATIENCE_MS)
    expect(icon).to_have_attribute("title", "1 chat waits for your answer")
    notebook.picture("asks-elsewhere")
    open_asking = panel.root.get_by_test_id("open-asking")
    expect(open_asking).to_have_attribute("title", re.compile("which waits for your answer"))
    open_asking.click()
    card = panel.chat.answer(run).get_by_test_id("tool-call")
    expect(card.get_by_test_id("consent-once")).to_be_visible(timeout=PATIENCE_MS)
    panel.execute("open", threadId=other)
    page.evaluate("window.jupyterapp.shell.collapseRight()")
    expect(icon).to_be_visible()
    notebook.picture("asks-closed")
    panel.execute("go-to-question")
    expect(page.get_by_test_id("proposal-bar").get_by_test_id("next-change")).to_be_focused()
    changed.close()  # now no cell shows the proposal
    panel.execute("go-to-question")
    expect(card.get_by_test_id("consent-no")).to_be_visible(timeout=PATIENCE_MS)
    card.get_by_test_id("consent-no").click()
    expect(icon).not_to_have_class(marked, timeout=PATIENCE_MS)
