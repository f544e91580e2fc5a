"""`Chat` as a widget: in a box, in an `Output`, twice on one page, and its traits in the kernel."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL
from tests.e2e.pages import ChatView
from tests.e2e.sites import FLAVOURS, Site

BOX = """from ipywidgets import HTML, Output, VBox
from jupyter_chat_stream import Chat
chat = Chat({name!r}, model={model!r})
seen = []
chat.observe(lambda change: seen.append(change.new), "status")
VBox([HTML("<b>above the chat</b>"), chat])"""
OUTPUT = """output = Output()
with output:
    display(chat)
output"""
ASKED = "chat.ask('asked in a cell').content"
TRAITS = "print(chat.value, chat.status, chat.busy, seen[-1])"


def empty_below(chat: ChatView) -> float:
    """Measure the empty space a box gives a chat below it, in px."""
    return float(
        chat.root.evaluate(
            """node => {
              const box = node.closest('.widget-vbox').getBoundingClientRect();
              return box.bottom - node.getBoundingClientRect().bottom;
            }"""
        )
    )


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_a_chat_in_a_box_sends_and_moves_with_all_others(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    cells = [BOX.format(name=name, model=MODEL), OUTPUT, "chat", ASKED, TRAITS]
    path = notebooks.write(site, name, *map(notebooks.code, cells))
    notebook = open_beside(path, kernel=True)
    notebook.run(0, 1, 2)
    expect(notebook.page.get_by_text("above the chat", exact=True)).to_be_visible()
    boxed, captured, plain = (notebook.chat(index) for index in range(3))
    for chat in (boxed, captured, plain):
        chat.expect_live()
        expect(chat.root).to_have_count(1)
    run = boxed.send("typed in a box")
    for chat in (boxed, captured, plain):
        chat.expect_status(run, "completed")
        chat.expect_text(run, "typed in a box")
        expect(chat.field).to_have_value("")
    assert empty_below(boxed) < 12
    notebook.picture("widget")
    before = notebook.cells()
    boxed.field.focus()
    for key in ("Shift+Enter", "Escape", "d", "d", "x"):
        notebook.page.keyboard.press(key)
    assert notebook.cells() == before
    notebook.run(3)
    asked = site.runs(boxed.thread)[-1]["id"]
    for chat in (boxed, captured, plain):
        chat.expect_text(asked, "asked in a cell")
    notebook.run(4)
    told = notebook.page.locator(".jp-Cell:nth-child(5) .jp-OutputArea-output")
    expect(told).to_have_text("asked in a cell completed False completed\n")


def test_a_boxed_chat_is_disabled_resized_and_focused_from_the_kernel(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    cells = [
        BOX.format(name=name, model=MODEL),
        "chat.disabled, chat.height = True, 333",
        "chat.disabled = False",
        "chat.focus()",
    ]
    path = notebooks.write(site, name, *map(notebooks.code, cells))
    notebook = open_beside(path, kernel=True)
    notebook.run(0)
    chat = notebook.chat(0)
    chat.expect_live()
    notebook.run(1)
    expect(chat.field).to_be_disabled()
    assert chat.live.evaluate("node => node.offsetHeight") == 333
    notebook.run(2)
    expect(chat.field).to_be_enabled()
    notebook.run(3)
    expect(chat.field).to_be_focused()
