"""Tool calls in the page: consent from any tab, after restarts; edits with one undo (L13, L17)."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.pages import PATIENCE_MS, ChatView, NotebookPage
from tests.e2e.screenshots import use_theme
from tests.e2e.sites import Site
from tests.e2e.test_access import THEMES, violations

MODEL = "demo/tools"
AT_ONCE: dict[str, Any] = {"chars_per_second": 0}
# Hostile markup, and a mark that turns the direction of what follows.
EVIL = "<img src=x onerror=document.title='ran'>\u202e"
DRAWING = f"""
from jupyter_chat_stream import Attachment, Chat
import matplotlib.pyplot as plt
import pandas
%matplotlib inline
chat = Chat({{name!r}}, model="demo/tools")
@chat.tool(effect="read")
def churn(month: str = "Feb"):
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot([2, 31, 12])
    axes.set_title("Churn in %")
    print("drawn")
    table = pandas.DataFrame({{{{"month": ["Jan", "Feb"], "rate": [0.02, 0.31]}}}})
    notes = Attachment("a text", name={EVIL!r} + ".txt")
    return {{{{"figure": figure, "table": table, "notes": notes}}}}
chat
"""
OLD = f"x = 1  # {EVIL}"
NEW = f"x = 2\nprint(x)  # {EVIL}"


def thread_with_notebook_tool(site: Site, name: str) -> str:
    thread = site.thread(name, MODEL)
    tools = {"mode": "ask", "names": ["notebook"]}
    site.chat("PATCH", f"threads/{thread}", {"tools": tools})
    return thread


def written(site: Site, name: str, thread: str) -> str:
    """Write a notebook with a chat, and below it a cell with an output; return its path."""
    printed = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    chat = notebooks.chat_output(thread, "")
    return notebooks.write(site, name, notebooks.code("0", chat), notebooks.code(OLD, printed))


def live_chat(notebook: NotebookPage) -> ChatView:
    chat = notebook.chat(0)
    chat.expect_live()
    return chat


def call(operation: str, **fields: Any) -> str:
    """The message with which the demo model makes one call of the tool ``notebook``."""
    return f"notebook {json.dumps({'operation': operation, **fields})}"


def results(site: Site, thread: str) -> list[dict[str, Any]]:
    parts = [part for message in site.messages(thread) for part in message["parts"]]
    return [part for part in parts if part["kind"] == "tool_result"]


def edits_of(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Replace a cell, and insert one behind it."""
    return [
        {"op": "replace", "cell": cell["id"], "version": cell["version"], "source": NEW},
        {"op": "insert", "after": cell["id"], "type": "markdown", "source": "# Next"},
    ]


def test_a_proposal_waits_for_consent_over_a_restart_and_is_taken_back_by_one_undo(
    own_site: Site, open_notebook: Open, name: str
) -> None:
    site, thread = own_site, thread_with_notebook_tool(own_site, name)
    notebook = open_notebook(site, path := written(site, name, thread), kernel=False)
    chat = live_chat(notebook)
    read = site.send(thread, call("read", path=path), **AT_ONCE)
    chat.expect_status(read, "completed")  # reading asks nobody
    (found,) = results(site, thread)
    assert found["output"]["cells"][1]["source"] == OLD
    cell = found["output"]["cells"][1]
    before = notebook.cells()

    proposed = call("propose", path=path, edits=edits_of(cell))
    run = site.send(thread, proposed, **AT_ONCE)
    card = chat.answer(run).get_by_test_id("tool-call")
    expect(card).to_have_attribute("data-state", "asks", timeout=PATIENCE_MS)
    assert notebook.cells() == before  # nothing happens before the consent (L13)
    notebook.seen.was_server_killed = True
    site.kill()
    site.start()
    notebook.reload()
    chat.expect_live()
    other = open_notebook(
        site,
        notebooks.write(
            site, f"{name}-other", notebooks.code("1", notebooks.chat_output(thread, ""))
        ),
        kernel=False,
    )
    there = live_chat(other)
    other.seen.was_server_killed = True
    expect(card).to_have_attribute("data-state", "asks", timeout=PATIENCE_MS)
    there.answer(run).get_by_test_id("consent-once").click()
    chat.expect_status(run, "completed")

    sources = [one["source"] for one in notebook.cells()]
    assert sources == ["0", NEW, "# Next"]
    assert notebook.cells()[1]["outputs"] == 1
    assert notebook.cells()[1]["id"] == cell["id"]
    for each in (chat, there):
        mine = each.answer(run).get_by_test_id("tool-call")
        expect(mine).to_have_attribute("data-state", "done")
        expect(mine).not_to_have_attribute("open", "")
        mine.locator("summary").click()
        expect(mine.get_by_test_id("consent-answer")).to_have_text("Allowed once, by you.")
        assert mine.locator("img").count() == 0
        expect(mine.get_by_test_id("tool-input")).to_contain_text("⟨U+202E⟩")
    assert notebook.page.title() != "ran"
    notebook.save()
    nbformat.validate(nbformat.read(site.notebooks / path, as_version=4))
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    assert notebook.cells() == before
    notebook.save()
    nbformat.validate(nbformat.read(site.notebooks / path, as_version=4))
    (_, result) = results(site, thread)
    assert result["output"]["cells"][0]["id"] == cell["id"]


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_proposal_about_a_cell_that_was_typed_in_meanwhile_changes_nothing(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = thread_with_notebook_tool(site, name)
    notebook = open_beside(path := written(site, name, thread))
    chat = live_chat(notebook)
    chat.expect_status(site.send(thread, call("read", path=path), **AT_ONCE), "completed")
    cell = results(site, thread)[0]["output"]["cells"][1]
    run = site.send(thread, call("propose", path=path, edits=edits_of(cell)), **AT_ONCE)
    card = chat.answer(run).get_by_test_id("tool-call")
    expect(card.get_by_test_id("consent")).to_be_visible(timeout=PATIENCE_MS)
    found: dict[str, Any] = {}
    for theme in THEMES[:2]:
        use_theme(notebook.page, theme)
        found[theme] = violations(card)
    use_theme(notebook.page, THEMES[0])
    notebook.picture("consent")
    chat.root.get_by_test_id("tools").click()
    panel = notebook.page.get_by_test_id("tools-panel")
    expect(panel.locator("[data-tool=notebook] input")).to_be_checked(timeout=PATIENCE_MS)
    found["menu"] = violations(panel)
    notebook.picture("tools-menu", in_all_looks=False)
    notebook.page.keyboard.press("Escape")
    assert not any(found.values()), found

    notebook.on_panel("panel => panel.content.model.sharedModel.cells[1].setSource('mine')")
    card.get_by_test_id("consent-thread").press("Enter")
    chat.expect_status(run, "completed")
    assert [one["source"] for one in notebook.cells()] == ["0", "mine"]
    assert "has changed since it was read" in results(site, thread)[1]["output"]
    expect(card).to_have_attribute("data-state", "failed")
    chat.root.get_by_test_id("tools").click()
    row = panel.get_by_test_id("standing-consent")
    expect(row).to_contain_text("notebook.propose in this chat", timeout=PATIENCE_MS)
    row.get_by_test_id("revoke").click()
    expect(row).to_have_count(0)
    assert [
        one for one in site.chat("GET", "consents")["consents"] if one["thread_id"] == thread
    ] == []


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_what_a_function_draws_stands_below_its_card_and_in_no_cell(
    site: Site, open_notebook: Open, name: str
) -> None:
    """An image opens larger and goes back by the keyboard; a hostile name is a text."""
    cell = notebooks.code(DRAWING.format(name=name))
    notebook = open_notebook(site, notebooks.write(site, name, cell), kernel=True)
    notebook.run(0)
    chat = live_chat(notebook)
    run = chat.send("churn {}")
    chat.expect_status(run, "completed")
    answer = chat.answer(run)
    card = answer.get_by_test_id("tool-call")
    expect(card).to_have_attribute("data-state", "done")
    files = answer.get_by_role("list", name="Files of the result")
    expect(files.get_by_role("listitem")).to_have_count(3)
    expect(files.get_by_test_id("picture")).to_have_attribute("data-state", "ready")
    assert files.locator("img").evaluate("node => node.naturalWidth > 0")
    assert [part["name"] for part in results(site, chat.thread)[0]["attachments"]][:2] == [
        "figure.png",
        "table.parquet",
    ]
    assert len(notebook.cells()) == 1
    assert notebook.chats_in(0).count() == 1
    card.locator("summary").click()
    expect(card.get_by_test_id("tool-output")).to_contain_text("It is the image 'figure.png'")
    found: dict[str, Any] = {}
    for theme in THEMES[:2]:
        use_theme(notebook.page, theme)
        found[theme] = [*violations(card), *violations(files)]
    use_theme(notebook.page, THEMES[0])
    card.locator("summary").click()
    notebook.picture("result-files")
    assert not any(found.values()), found
    thumbnail = files.get_by_test_id("thumbnail")
    thumbnail.press("Enter")
    expect(notebook.page.get_by_test_id("lightbox")).to_be_visible()
    notebook.page.keyboard.press("Escape")
    expect(notebook.page.get_by_test_id("lightbox")).to_have_count(0)
    expect(thumbnail).to_be_focused()
    assert notebook.page.title() != "ran"
