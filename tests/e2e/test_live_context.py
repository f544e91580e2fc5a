"""The notebook that a message sends along: it is what the open notebook is at that moment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import PATIENCE_MS, ChatView, use_theme
from tests.e2e.sites import Site
from tests.e2e.test_access import THEMES, violations

SOURCE = "wages = {}\nwages['mine']"
NARROW = 280


def sent(site: Site, thread: str) -> dict[str, str]:
    """Read what the newest question holds as context: texts by their names."""
    questions = [message for message in site.messages(thread) if message["role"] == "user"]
    parts = [part for part in questions[-1]["parts"] if part["kind"] == "attachment"]
    return {part["name"]: part["text"] for part in parts}


def chip(chat: ChatView, kind: str) -> Locator:
    return chat.root.locator(f"[data-testid=live-chip][data-kind={kind}]")


def turn_on(chat: ChatView, *kinds: str) -> None:
    chat.root.get_by_test_id("live-context").click()
    for kind in kinds:
        chat.root.get_by_test_id(f"live-{kind}").check()
    chat.root.page.keyboard.press("Escape")


def written(site: Site, name: str, thread: str) -> str:
    """Write a notebook with a heading, a cell that fails when it is run, and the chat."""
    chat = notebooks.code("chat", notebooks.chat_output(thread, ""))
    return notebooks.write(
        site, name, notebooks.text("# Wages"), notebooks.code(SOURCE), notebooks.code("1"), chat
    )


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_message_sends_the_notebook_as_it_is_when_enter_is_pressed(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    notebook = open_beside(written(site, name, thread), kernel=True)
    chat = notebook.chat(3)
    chat.expect_live()
    chat.expect_status(chat.send("Nothing is sent along by default."), "completed")
    assert sent(site, thread) == {}

    turn_on(chat, "outline", "cell", "error")
    notebook.run(1)
    expect(chip(chat, "error")).to_contain_text("KeyError: 'mine'", timeout=PATIENCE_MS)
    expect(chip(chat, "cell")).to_contain_text("wages = {}", timeout=PATIENCE_MS)
    expect(chip(chat, "outline")).to_contain_text("4 cells, 1 heading")
    chat.field.click()  # now the chat's own cell is the active one
    chat.field.fill("What is wrong?")
    expect(chip(chat, "cell")).to_contain_text("wages = {}")
    notebook.picture("live-context")
    # Edited and sent in one turn of the page: no chip can have followed, and what travels has.
    notebook.on_panel(
        """panel => {
          panel.content.model.sharedModel.cells[1].setSource('wages = 7');
          const field = panel.node.querySelector('[data-testid=field]');
          field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
        }"""
    )
    expect(chat.field).to_have_value("", timeout=PATIENCE_MS)
    expect(chat.answers).to_have_count(2, timeout=PATIENCE_MS)
    told = sent(site, thread)
    assert list(told) == [f"Outline of {name}.ipynb", "Cell [1]", "Error of Cell [1]"]
    outline, cell, error = told.values()
    assert "1. markdown: # Wages\n2. code [1], shows an error: wages = 7\n" in outline
    assert "its source:\nwages = 7" in cell
    assert "KeyError: 'mine'" in error
    assert "\x1b" not in error

    # Off for one message, by keyboard; then the next one has it again.
    toggle = chip(chat, "error").get_by_test_id("live-toggle")
    toggle.press("Enter")
    expect(toggle).to_be_focused()
    said = chat.root.get_by_test_id("live-said")
    expect(said).to_have_text("Error of Cell [1] is removed from this message.")
    chat.expect_status(chat.send("And now?"), "completed")
    assert list(sent(site, thread)) == [f"Outline of {name}.ipynb", "Cell [1]"]
    expect(chip(chat, "error")).to_have_attribute("data-removed", "false")
    # A question shows what was sent, and so it does after a reload: the log has it.
    question = chat.questions.nth(1)
    question.get_by_text("Error of Cell [1]").click()
    expect(question).to_contain_text("KeyError: 'mine'")


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_the_panel_sends_the_notebook_of_its_chat_and_no_other(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    other = site.thread(f"{name}-other", "demo/echo")
    path = notebooks.write(site, name, notebooks.code("x = 1"), notebooks.code("y = 2"))
    notebook = open_beside(path)
    page = notebook.page
    panel = page.get_by_test_id("panel")
    chat = ChatView(panel)
    _open(page, "chat-stream:open-for-notebook", {"path": path})
    turn_on(chat, "cell")
    expect(chip(chat, "cell")).to_contain_text("x = 1", timeout=PATIENCE_MS)
    notebook.on_panel("panel => { panel.content.activeCellIndex = 1 }")
    expect(chip(chat, "cell")).to_contain_text("y = 2", timeout=PATIENCE_MS)
    found: dict[str, Any] = {}
    try:
        for theme in THEMES:
            use_theme(page, theme)
            found[theme] = violations(panel)
            chat.root.get_by_test_id("live-context").click()
            found[f"{theme}, choice"] = violations(page.get_by_test_id("live-context-panel"))
            notebook.picture(f"live-{theme[-5:].strip()}", in_all_looks=False)
            page.keyboard.press("Escape")
        use_theme(page, THEMES[0])
        box = chat.root.get_by_test_id("composer")
        chat.root.evaluate(f"node => {{ node.style.width = '{NARROW}px' }}")
        for direction in ("ltr", "rtl"):
            chat.root.evaluate("(node, dir) => { node.dir = dir }", direction)
            assert box.evaluate("node => node.scrollWidth <= node.clientWidth")
            notebook.picture(f"live-280-{direction}", in_all_looks=False)
        chat.root.evaluate("node => { node.style.width = ''; node.dir = '' }")
    finally:
        use_theme(page, THEMES[0])
    assert not any(found.values()), json.dumps(found, indent=1)
    # A chat that belongs to no open notebook offers nothing of the current one.
    _open(page, "chat-stream:open", {"threadId": other, "place": "panel"})
    expect(panel.get_by_test_id("field")).to_be_visible(timeout=PATIENCE_MS)
    chat.expect_live()
    expect(chat.root.get_by_test_id("live-context")).to_have_count(0)
    page.evaluate(_EXECUTE, ["application:toggle-right-area", {}])


_EXECUTE = """async ([command, args]) => {
  await window.jupyterapp.commands.execute(command, args);
}"""


def _open(page: Any, command: str, args: dict[str, Any]) -> None:
    page.evaluate(_EXECUTE, [command, args])
