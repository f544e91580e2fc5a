"""A component that is built in the chat: its card, consent, Open, Insert and undo (L13, L17)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.screenshots import use_theme
from tests.e2e.sites import Site
from tests.e2e.test_access import THEMES, violations

KERNEL_MS = 60_000  # a scratch kernel starts, on a busy machine


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_component_is_built_after_its_code_was_allowed_and_inserted_with_one_undo(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/tools")
    tools = {"mode": "ask", "names": ["build_component"]}
    site.chat("PATCH", f"threads/{thread}", {"tools": tools})
    chat_cell = notebooks.code("0", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, chat_cell, notebooks.code("x = 1")))
    chat = notebook.chat(0)
    chat.expect_live()
    asked = {"operation": "build", "description": "a slider from 1 to 9", "name": "level"}
    params: dict[str, Any] = {"chars_per_second": 0}
    run = site.send(thread, f"build_component {json.dumps(asked)}", **params)
    answer = chat.answer(run)
    progress = answer.get_by_test_id("build")
    expect(progress).to_have_attribute("data-step", "asks", timeout=PATIENCE_MS)
    expect(progress.get_by_role("button", name="Cancel the build")).to_be_visible()
    consent = chat.root.get_by_test_id("consent")
    expect(consent).to_have_count(1)
    expect(chat.root.get_by_test_id("tool-code")).to_contain_text("max=9")
    for theme in THEMES[:2]:
        use_theme(notebook.page, theme)
        assert violations(answer) == []
    use_theme(notebook.page, THEMES[0])
    before = notebook.cells()
    consent.get_by_test_id("consent-once").press("Enter")
    product = answer.get_by_test_id("product")
    expect(product).to_be_visible(timeout=KERNEL_MS)
    chat.expect_status(run, "completed")
    expect(answer.get_by_test_id("file")).to_contain_text("level.py")
    product.get_by_test_id("open-product").press("Enter")
    expect(product.locator("pre")).to_contain_text("FloatSlider")
    assert violations(product) == []
    assert notebook.cells() == before
    product.get_by_test_id("insert-product").press("Enter")
    expect(product.get_by_test_id("product-note")).to_contain_text("Inserted below the cell")
    sources = [cell["source"] for cell in notebook.cells()]
    assert [sources[0], sources[2]] == ["0", "x = 1"]
    assert "FloatSlider" in sources[1]
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    assert notebook.cells() == before
