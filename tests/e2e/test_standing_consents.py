"""The list of all standing consents: reached by a command, live in every page, binding (L13)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.pages import PATIENCE_MS, ChatView, use_theme
from tests.e2e.sites import Site
from tests.e2e.test_access import THEMES, violations

DEFINE = """from jupyter_chat_stream import Chat

chat = Chat({name!r}, model="demo/tools")

@chat.tool
def add(a: int, b: int) -> int:
    "Add two numbers."
    print("adding")
    return a + b

chat"""
ADD = 'add {"a": 1, "b": 2}'
_EXECUTE = "command => void window.jupyterapp.commands.execute(command)"


def open_list(page: Page) -> Locator:
    """Open the list of all standing consents."""
    page.evaluate(_EXECUTE, "chat-stream:consents")
    dialog = page.locator(".jp-Dialog")
    expect(dialog.get_by_test_id("consent-list")).to_be_visible(timeout=PATIENCE_MS)
    return dialog


def expect_call(chat: ChatView, run: str, state: str) -> Locator:
    card = chat.answer(run).get_by_test_id("tool-call").first
    expect(card).to_have_attribute("data-state", state, timeout=PATIENCE_MS)
    return card


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_consent_that_one_page_revokes_goes_from_every_list_and_the_next_call_asks(
    site: Site, open_beside: OpenBeside, open_notebook: Open, name: str
) -> None:
    path = notebooks.write(site, name, notebooks.code(DEFINE.format(name=name)))
    notebook = open_beside(path, kernel=True)
    notebook.run(0)
    chat = notebook.chat(0)
    chat.expect_live()
    run = chat.send(ADD)
    card = expect_call(chat, run, "asks")
    card.get_by_test_id("consent-always").press("Enter")
    chat.expect_status(run, "completed")
    expect(card).not_to_have_attribute("open", "")
    card.locator("summary").press("Enter")
    expect(card.get_by_test_id("consent-answer")).to_have_text("Always allowed, by you.")
    expect(card.get_by_test_id("consent-time")).to_be_visible()
    expect(card.get_by_test_id("tool-progress")).to_have_text("adding\n")
    run = chat.send(f"{ADD} {ADD}")
    chat.expect_status(run, "completed")  # nobody was asked
    group = chat.answer(run).get_by_test_id("tool-group")
    expect(group).not_to_have_attribute("open", "")
    group.locator("summary").first.press("Enter")
    expect(group.get_by_test_id("tool-call")).to_have_count(2)
    found: dict[str, Any] = {theme: _seen(notebook.page, chat.root, theme) for theme in THEMES[:2]}

    other = open_notebook(site, notebooks.write(site, f"{name}-other"), kernel=False)
    there = open_list(other.page).get_by_test_id("standing-consent")
    mine = there.filter(has_text="add")
    expect(mine).to_contain_text("in all chats", timeout=PATIENCE_MS)
    dialog = open_list(notebook.page)
    for theme in THEMES[:2]:
        found[f"{theme}, list"] = _seen(notebook.page, dialog, theme)
        notebook.picture(f"consents-{theme[-5:].strip()}", in_all_looks=False)
    use_theme(notebook.page, THEMES[0])
    assert not any(found.values()), found
    dialog.get_by_test_id("standing-consent").filter(has_text="add").get_by_test_id(
        "revoke"
    ).click()
    expect(dialog.get_by_test_id("standing-consent").filter(has_text="add")).to_have_count(0)
    expect(mine).to_have_count(0, timeout=PATIENCE_MS)  # the other page has heard of it
    notebook.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    run = chat.send(ADD)
    expect_call(chat, run, "asks").get_by_test_id("consent-no").click()
    chat.expect_status(run, "completed")
    expect(chat.answer(run).get_by_test_id("tool-call")).to_have_attribute("data-state", "refused")


def _seen(page: Page, root: Locator, theme: str) -> Any:
    use_theme(page, theme)
    return violations(root)
