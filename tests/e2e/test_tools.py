"""Tool calls in the page: consent from any tab, after restarts; edits with one undo (L13, L17)."""

from __future__ import annotations

import json
from typing import Any

import jsonpatch
import nbformat
import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.pages import PATIENCE_MS, ChatView, NotebookPage, use_theme
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


def proposal_of(cell: dict[str, Any], path: str) -> str:
    """The message of a proposal that replaces a cell, and adds one below it."""
    at = cell["index"]
    new = {"cell_type": "markdown", "id": "next", "metadata": {}, "source": "# Next"}
    patch = [
        {"op": "test", "path": f"/cells/{at}/id", "value": cell["id"]},
        {"op": "replace", "path": f"/cells/{at}/source", "value": NEW},
        {"op": "add", "path": f"/cells/{at + 1}", "value": new},
    ]
    return call("propose", path=path, versions={cell["id"]: cell["version"]}, patch=patch)


def proposal_for_three(cells: list[dict[str, Any]], path: str) -> str:
    """The message of a proposal for three cells: two are changed, one is new."""
    pins = [
        {"op": "test", "path": f"/cells/{cell['index']}/id", "value": cell["id"]}
        for cell in cells[:2]
    ]
    patch = [
        *pins,
        {"op": "replace", "path": "/cells/0/source", "value": "a = 1\nb = 22"},
        {"op": "replace", "path": "/cells/1/source", "value": "c = 33"},
        {
            "op": "add",
            "path": "/cells/1",
            "value": {"cell_type": "code", "id": "new", "source": "new = 5"},
        },
    ]
    versions = {cell["id"]: cell["version"] for cell in cells}
    return call("propose", path=path, versions=versions, patch=patch)


def saved(notebook: NotebookPage) -> Any:
    """Save a notebook, and read its file, which must be valid (L17)."""
    notebook.save()
    read = nbformat.read(notebook.site.notebooks / notebook.path, as_version=4)
    nbformat.validate(read)
    return read


def test_a_proposal_waits_for_consent_over_a_restart_and_is_taken_back_by_one_undo(
    site: Site, open_beside: OpenBeside, open_notebook: Open, name: str
) -> None:
    thread = thread_with_notebook_tool(site, name)
    notebook = open_beside(path := written(site, name, thread))
    chat = live_chat(notebook)
    read = site.send(thread, call("read", path=path), **AT_ONCE)
    chat.expect_status(read, "completed")  # reading asks nobody
    (found,) = results(site, thread)
    assert found["output"]["cells"][1]["source"] == OLD
    cell = found["output"]["cells"][1]
    before, file = notebook.cells(), saved(notebook)

    proposed = proposal_of(cell, path)
    run = site.send(thread, proposed, **AT_ONCE)
    card = chat.answer(run).get_by_test_id("tool-call")
    expect(card).to_have_attribute("data-state", "asks", timeout=PATIENCE_MS)
    proposals = notebook.page.get_by_test_id("proposal")
    expect(proposals).to_have_count(2)
    assert notebook.cells() == before  # nothing happens before the consent (L13)
    notebook.seen.was_server_killed = True
    notebook.wait_for_layout()
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
    assert proposals.count() == 0
    patch = json.loads(proposed.removeprefix("notebook "))["patch"]
    assert saved(notebook)["cells"][1:] == jsonpatch.apply_patch(file, patch)["cells"][1:]
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    assert notebook.cells() == before
    assert saved(notebook)["cells"][1:] == file["cells"][1:]
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
    run = site.send(thread, proposal_of(cell, path), **AT_ONCE)
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

    at_cell = notebook.page.locator("[data-testid=proposal] [data-cell=cell-1]")
    expect(at_cell.get_by_test_id("misfit")).to_have_count(0)
    notebook.on_panel("panel => panel.content.model.sharedModel.cells[1].setSource('mine')")
    expect(at_cell.get_by_test_id("misfit")).to_be_visible()
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
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """An image opens larger and goes back by the keyboard; a hostile name is a text."""
    cell = notebooks.code(DRAWING.format(name=name))
    notebook = open_beside(notebooks.write(site, name, cell), kernel=True)
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


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_edits_are_accepted_cell_by_cell_in_the_notebook_while_a_person_types(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L13, L17: what was not accepted is not made; what was typed stays; one undo restores all."""
    thread = thread_with_notebook_tool(site, name)
    live_chat(open_beside(written(site, f"{name}-chat", thread)))
    cells = [notebooks.code(source) for source in ("a = 1\nb = 2", "c = 3", "d = 4")]
    notebook = open_beside(path := notebooks.write(site, name, *cells))
    site.wait_for(site.send(thread, call("read", path=path), **AT_ONCE), "completed")
    read = results(site, thread)[0]["output"]["cells"]
    run = site.send(thread, proposal_for_three(read, path), **AT_ONCE)
    bar = notebook.page.get_by_test_id("proposal-bar")
    expect(bar).to_contain_text("The chat proposes 3 changes", timeout=PATIENCE_MS)
    at = {
        cell: notebook.page.locator(f"[data-testid=proposal] [data-cell={cell}]")
        for cell in ("cell-0", "cell-1", "new")
    }
    expect(at["cell-0"]).to_contain_text("+b = 22")
    found = {}
    for theme in THEMES[:2]:
        use_theme(notebook.page, theme)
        found[theme] = {cell: violations(node) for cell, node in at.items()}
        found[theme]["bar"] = violations(bar)
    use_theme(notebook.page, THEMES[0])
    assert not any(any(each.values()) for each in found.values()), found
    notebook.picture("proposal")

    editor = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .cm-content").nth(2)
    editor.click()
    notebook.page.keyboard.press("Home")
    notebook.page.keyboard.type("# mine ")
    file = saved(notebook)
    on_disk = (site.notebooks / path).read_bytes()
    bar.get_by_test_id("next-change").press("Enter")  # leads to the first change
    expect(at["cell-0"].get_by_test_id("accept-cell")).to_be_focused()
    notebook.page.keyboard.press("Enter")
    at["cell-1"].get_by_test_id("reject-cell").press("Enter")
    expect(bar).to_contain_text("1 to decide")
    notebook.picture("proposal-chosen", in_all_looks=False)
    assert [one["source"] for one in saved(notebook)["cells"]] == [
        one["source"] for one in file["cells"]
    ]  # nothing is made before the last choice
    at["new"].get_by_test_id("accept-cell").press("Enter")
    site.wait_for(run, "completed")

    expect(bar).to_have_count(0)
    sources = [one["source"] for one in saved(notebook)["cells"]]
    assert sources == ["a = 1\nb = 22", "new = 5", "c = 3", "# mine d = 4"]
    output = results(site, thread)[1]["output"]
    assert output["refused"] == ["cell-1"]
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    notebook.save()
    assert (site.notebooks / path).read_bytes() == on_disk


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_notebook_that_is_open_nowhere_is_changed_in_its_file_and_undo_restores_it(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L13, L17: the card shows the diff against the file; Undo writes back every byte."""
    thread = thread_with_notebook_tool(site, name)
    notebook = open_beside(written(site, f"{name}-chat", thread))
    chat = live_chat(notebook)
    path = notebooks.write(site, name, notebooks.code("a = 1"), notebooks.code("c = 3"))
    on_disk = (site.notebooks / path).read_bytes()
    before = nbformat.read(site.notebooks / path, as_version=4)
    read = site.send(thread, call("read", path=path), **AT_ONCE)
    chat.expect_status(read, "completed")
    cells = results(site, thread)[0]["output"]["cells"]
    proposed = proposal_of(cells[0], path)
    run = site.send(thread, proposed, **AT_ONCE)
    card = chat.answer(run).get_by_test_id("tool-call")
    expect(card.locator("del")).to_have_text(["−a = 1"], timeout=PATIENCE_MS)
    assert (site.notebooks / path).read_bytes() == on_disk
    card.get_by_test_id("consent-once").click()
    chat.expect_status(run, "completed")
    after = nbformat.read(site.notebooks / path, as_version=4)
    nbformat.validate(after)
    patch = json.loads(proposed.removeprefix("notebook "))["patch"]
    assert after == jsonpatch.apply_patch(before, patch)
    card.locator("summary").click()
    card.get_by_test_id("undo-edit").click()
    expect(card.get_by_role("status")).to_have_text("The notebook is as it was before.")
    assert (site.notebooks / path).read_bytes() == on_disk


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_two_tabs_with_typed_text_and_a_changed_file_keep_all_and_one_makes_the_edit(
    site: Site, open_beside: OpenBeside, open_notebook: Open, name: str
) -> None:
    """L12, L17: the edit is made once, in one document; no typed text is lost in any."""
    thread = thread_with_notebook_tool(site, name)
    chat = notebooks.code("0", notebooks.chat_output(thread, ""))
    cells = [chat, *(notebooks.code(source) for source in (OLD, "c = 3", "d = 4"))]
    path = notebooks.write(site, name, *cells)
    tabs = [open_beside(path), open_notebook(site, path, kernel=False)]
    chats = [live_chat(tab) for tab in tabs]
    site.wait_for(site.send(thread, call("read", path=path), **AT_ONCE), "completed")
    cell = results(site, thread)[0]["output"]["cells"][1]
    run = site.send(thread, proposal_of(cell, path), **AT_ONCE)
    typed = ["# typed in the first\n", "# typed in the second\n"]
    for tab, text, index in zip(tabs, typed, (2, 3), strict=True):
        expect(tab.page.get_by_test_id("proposal-bar")).to_be_visible(timeout=PATIENCE_MS)
        editor = tab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .cm-content").nth(index)
        editor.click()
        tab.page.keyboard.press("ControlOrMeta+Home")
        tab.page.keyboard.type(text)
    file = site.notebooks / path
    on_disk = file.read_text("utf-8").replace("c = 3", "c = 30")
    file.write_text(on_disk, "utf-8")  # by another program
    tabs[0].page.locator("[data-testid=proposal-bar] [data-testid=accept-all]").click()
    for each in chats:
        each.expect_status(run, "completed")

    sources = [[one["source"] for one in tab.cells()] for tab in tabs]
    with_edit = [NEW in each and "# Next" in each for each in sources]
    assert sorted(with_edit) == [False, True]
    assert sources[with_edit.index(False)][1] == OLD
    for found, text in zip(sources, typed, strict=True):
        assert sum(text in source for source in found) == 1
    assert file.read_text("utf-8") == on_disk  # nothing is saved over another program's change
    (_, result) = results(site, thread)
    assert result["success"]
    made = tabs[with_edit.index(True)]
    made.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    undone = [one["source"] for one in made.cells()]
    assert undone[1] == OLD
    assert sum("# typed" in source for source in undone) == 1
    for tab in tabs:  # the browser notes that the second claim of a call was refused
        refused = [each for each in tab.seen.errors if "409" in each and "/claim" in each]
        tab.seen.errors = [each for each in tab.seen.errors if each not in refused]
