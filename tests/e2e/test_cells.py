"""What a chat does with the cells of a notebook: its code becomes cells, its kernel is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import PATIENCE_MS, ChatView, NotebookPage
from tests.e2e.sites import FLAVOURS, Site

everywhere = pytest.mark.parametrize("site", FLAVOURS, indirect=True)
CODE = "answer = 6 * 7\nanswer"
SHELL = "echo hello"
TEXT = f"Look:\n\n```python\n{CODE}\n```\n\n```sh\n{SHELL}\n```\n\n```yaml\na: 1\n```\n"
# The chat's part of a page is found by the name of its plugin.
_WORKSPACE = """() => {
  const app = window.jupyterapp;
  const plugins = (app.pluginRegistry ?? app)._plugins;
  return plugins.get('jupyter-chat-stream:page').service.services.workspace;
}"""


def sources(notebook: NotebookPage) -> list[str]:
    return [cell["source"] for cell in notebook.cells()]


def tool(chat: ChatView, action: str, block: int = 0) -> Locator:
    """A button of the bar above a code block."""
    return chat.log.get_by_test_id(action).nth(block)


def with_answer(site: Site, name: str, text: str = TEXT) -> tuple[str, str]:
    """Write a notebook whose first cell has a chat with this answer; return path and thread."""
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, text), "completed")
    output = notebooks.chat_output(thread, "")
    cells = [notebooks.code("chat", output), notebooks.code("1 + 1"), notebooks.code("2 + 2")]
    return notebooks.write(site, name, *cells), thread


def asked(notebook: NotebookPage, call: str) -> Any:
    """Ask the page's notebooks something, as a composer does."""
    return notebook.page.evaluate(
        f"async path => ({_WORKSPACE})().{call}",
        notebook.path,
    )


@everywhere
def test_code_of_an_answer_becomes_cells_below_the_chat_and_one_undo_takes_them_back(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L17: the cell is found by its id, wherever it is by now."""
    path, _ = with_answer(site, name)
    notebook = open_beside(path, kernel=True)
    notebook.chat(0).expect_live()
    notebook.on_panel("panel => panel.content.model.sharedModel.moveCell(0, 1)")
    chat = notebook.chat(1)
    before = ["1 + 1", "chat", "2 + 2"]
    expect(tool(chat, "run")).to_have_attribute("aria-disabled", "false")
    tool(chat, "insert-below").hover()
    expect(tool(chat, "insert-below")).to_have_attribute(
        "title", re.compile(r"Insert below: .*\[1\]")
    )
    notebook.picture("code-actions")
    tool(chat, "insert-below").click()
    assert sources(notebook) == ["1 + 1", "chat", CODE, "2 + 2"]
    tool(chat, "insert-below", 1).click()
    assert sources(notebook) == ["1 + 1", "chat", CODE, f"%%bash\n{SHELL}", "2 + 2"]
    notebook.page.keyboard.press("z")  # the focus is in the notebook
    notebook.page.keyboard.press("z")
    notebook.wait_until("panel => panel.content.model.cells.length === 3")
    assert sources(notebook) == before
    tool(chat, "run").click()
    output = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output")
    expect(output.get_by_text("42", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert sources(notebook) == ["1 + 1", "chat", CODE, "2 + 2"]
    tool(chat, "insert-below", 2).click()
    cell = notebook.cells()[3]
    assert (cell["type"], cell["source"]) == ("markdown", "```yaml\na: 1\n```")
    tool(chat, "run", 2).click()
    expect(chat.log.get_by_test_id("code-note")).to_contain_text("does not run this language")
    notebook.save()
    assert "42" in (site.notebooks / path).read_text()


@everywhere
def test_an_edit_of_a_cell_is_one_undo_and_keeps_what_was_typed_just_before(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """L17: Undo takes back the chat's edit, and nothing of the person's."""
    path, _ = with_answer(site, name)
    notebook = open_beside(path)
    chat = notebook.chat(0)
    for action, expected in (("replace", CODE), ("insert-at-cursor", f"chat.mine{CODE}")):
        tool(chat, action).wait_for()
        # Typed and clicked within the half second in which an editor joins edits to one step.
        notebook.on_panel(
            """(panel, action) => {
              const { widgets, node } = panel.content;
              const { editor } = widgets[0];
              editor.setCursorPosition({ line: 0, column: editor.getLine(0).length });
              editor.replaceSelection('.mine');
              node.querySelector(`[data-testid=${action}]`).click();
            }""",
            action,
        )
        assert sources(notebook)[0] == expected
        notebook.page.keyboard.press("Control+z")
        notebook.wait_until(
            "panel => panel.content.widgets[0].model.sharedModel.getSource() === 'chat.mine'"
        )
        notebook.on_panel("panel => panel.content.widgets[0].model.sharedModel.setSource('chat')")
    assert notebook.cells()[0]["outputs"] == 1


BUSY = """
import pathlib, time
while not pathlib.Path({go!r}).exists():
    time.sleep(0.01)
"""


def test_a_kernel_tells_its_variables_unseen_and_a_busy_one_answers_at_once(
    site: Site, open_beside: OpenBeside, name: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    define = "import pandas\nframe = pandas.DataFrame({'a': [1, 2]})\nword = 'hi'"
    path = notebooks.write(
        site,
        name,
        notebooks.code(define),
        notebooks.code(BUSY.format(go=str(go))),
        notebooks.code("print(len(In), _ih[-2:], [n for n in dir() if 'scope' in n])"),
    )
    notebook = open_beside(path, kernel=True)
    notebook.run(0)
    known = asked(notebook, "variables(path)")
    rows = {row["name"]: (row["type"], row["shape"], row["summary"]) for row in known["variables"]}
    assert rows == {
        "frame": ("DataFrame", "2 × 1", "a int64"),
        "word": ("str", "2 characters", "'hi'"),
    }
    assert "a int64" in asked(notebook, "describe(path, 'frame')")["text"]
    assert asked(notebook, "describe(path, 'gone')") == {"state": "missing"}
    notebook.on_panel("panel => { panel.content.activeCellIndex = 1 }")
    notebook.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-cell')")
    notebook.wait_until("panel => panel.sessionContext.session.kernel.status === 'busy'")
    assert asked(notebook, "variables(path)") == {"state": "busy"}
    go.touch()
    notebook.wait_until("panel => panel.sessionContext.session.kernel.status === 'idle'")
    notebook.run(2)
    printed = asked(notebook, "cells(path)[2].outputs[0].text")
    # Three inputs and the empty one that IPython begins with: nothing was asked in between.
    assert printed.startswith("4 ["), printed
    assert printed.rstrip().endswith("[]")
    assert [cell["count"] for cell in notebook.cells()] == [1, 2, 3]


FIXED = "wages = {'mine': 1}\nwages['mine']"


def panel_chat(notebook: NotebookPage) -> ChatView:
    """The chat in the side panel."""
    return ChatView(
        notebook.page.locator("#jp-left-stack .jp-ChatStream, #jp-right-stack .jp-ChatStream")
    )


@pytest.mark.parametrize("site", ["lab", "notebook"], indirect=True)
def test_an_error_is_taken_to_the_chat_of_its_notebook_with_cell_and_traceback(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    source = "wages = {}\nwages['mine']"
    path = notebooks.write(site, name, notebooks.code(source), notebooks.code("fine = 1"))
    notebook = open_beside(path, kernel=True)
    notebook.run(0, 1)
    explain = notebook.page.get_by_test_id("explain-error")
    expect(explain).to_have_count(1)
    assert set(json.loads((site.notebooks / path).read_text())["cells"][0]["metadata"]) == set()
    notebook.picture("error-offer")
    explain.click()
    chat = panel_chat(notebook)
    expect(chat.field).to_have_value("Explain this error and what causes it.")
    expect(chat.field).to_be_focused()
    notebook.picture("explain")
    chat.choose("demo/echo")
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    question = next(iter(site.messages(chat.thread)))
    told = json.dumps(question)
    assert "Cell [1]" in told
    assert "Error of Cell [1]" in told
    # The answer's code replaces the cell that was asked about, wherever the person is by then.
    chat.field.fill(f"```python\n{FIXED}\n```")
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    notebook.on_panel("panel => { panel.content.activeCellIndex = 1 }")
    tool(chat, "replace").click()
    assert sources(notebook) == [FIXED, "fine = 1"]
    notebook.run(0)
    expect(explain).to_have_count(0)  # the cell is right
    notebook.on_panel("panel => { panel.content.activeCellIndex = 1 }")
    tool(chat, "insert-below").click()
    assert sources(notebook) == [FIXED, "fine = 1", FIXED]
    notebook.on_panel("panel => panel.content.model.sharedModel.deleteCell(0)")
    tool(chat, "replace").click()
    expect(chat.log.get_by_test_id("code-note")).to_contain_text("no longer in")
    notebook.picture("cell-gone")
    chat.log.get_by_test_id("insert-at-end").click()
    assert sources(notebook) == ["fine = 1", FIXED, FIXED]


def stripped(site: Site, path: str, *, whole: bool) -> None:
    """Take the outputs out of a notebook file, as tools for git do; `whole` takes anchors, too."""
    content = json.loads((site.notebooks / path).read_text())
    for cell in content["cells"]:
        cell |= {"outputs": [], "execution_count": None}
        if whole:
            cell["metadata"] = {}
    (site.notebooks / path).write_text(json.dumps(content, indent=1))


def anchors(site: Site, path: str) -> list[Any]:
    cells = json.loads((site.notebooks / path).read_text())["cells"]
    return [cell["metadata"].get("chat_stream") for cell in cells]


def test_a_lost_output_returns_by_its_anchor_and_no_cell_is_run(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    source = f"from jupyter_chat_stream import Chat\nchat = Chat({name!r}, model='demo/echo')\nchat"
    path = notebooks.write(site, name, notebooks.code(source), notebooks.code("1"))
    notebook = open_beside(path, kernel=True)
    notebook.run(0)
    chat = notebook.chat(0)
    run = chat.send("Is this lost?")
    chat.expect_status(run, "completed")
    thread = chat.thread
    notebook.save()
    assert anchors(site, path) == [{"chats": [{"thread": thread}]}, None]
    # A file that another tool stripped, then one that was never saved after the cell was run.
    for whole in (False, True):
        stripped(site, path, whole=whole)
        notebook.reload()
        lost = notebook.page.get_by_test_id("lost-chats")
        expect(lost).to_contain_text("was not saved in the notebook")
        chat.expect_status(run, "completed")
        assert chat.thread == thread
        assert notebook.on_panel("panel => panel.context.model.dirty") is False
        assert [cell["count"] for cell in notebook.cells()] == [None, None]
    notebook.picture("lost-chat")
    lost.get_by_test_id("keep-lost").click()
    expect(lost).to_have_count(0)
    expect(notebook.chats_in(0)).to_have_count(1)
    notebook.save()
    assert notebooks.outputs(site, path)[0][notebooks.MIME_TYPE] == {"thread": thread}
    assert anchors(site, path)[0] == {"chats": [{"thread": thread}]}
    # What a person clears stays away.
    notebook.page.evaluate(
        "() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
    )
    notebook.save()
    assert anchors(site, path) == [None, None]
    notebook.reload()
    notebook.wait_until("panel => panel.content.widgets[1].model !== null")
    expect(notebook.page.get_by_test_id("lost-chats")).to_have_count(0)
