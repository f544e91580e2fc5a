"""A component that is built in the chat: its card, consent, Open, Insert and undo (L13, L17)."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest
from playwright.sync_api import expect

from jupyter_chat_stream.runs.components.scratch_kernel import PREFIX
from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import PATIENCE_MS, NotebookPage, use_theme
from tests.e2e.sites import Site, until
from tests.e2e.test_access import THEMES, violations

ASKED = {"operation": "build", "description": "a slider from 1 to 9", "name": "level"}
AT_ONCE: dict[str, Any] = {"chars_per_second": 0}
SLOWLY: dict[str, Any] = {"chars_per_second": 30}
KERNEL_MS = 60_000  # a scratch kernel starts, on a busy machine


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_a_component_is_built_after_its_code_was_allowed_and_inserted_with_one_undo(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread, notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    chat.expect_live()
    run = site.send(thread, f"build_component {json.dumps(ASKED)}", **AT_ONCE)
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


@pytest.mark.parametrize("site", ["lab"], indirect=True)
@pytest.mark.parametrize("step", ["writing", "trying"])
def test_cancel_on_the_card_of_a_build_ends_it_and_its_kernel_and_the_answer_goes_on(
    site: Site, open_beside: OpenBeside, name: str, step: str
) -> None:
    """L10, L12: while a version is written, and while a scratch kernel tries it."""
    thread, notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    chat.expect_live()
    pace = SLOWLY if step == "writing" else AT_ONCE
    run = site.send(thread, f"build_component {json.dumps(ASKED)}", **pace)
    progress = chat.answer(run).get_by_test_id("build")
    if step == "trying":
        chat.root.get_by_test_id("consent").get_by_test_id("consent-once").press("Enter")
    expect(progress).to_have_attribute("data-step", step, timeout=PATIENCE_MS)
    [build] = [each["id"] for each in site.runs(thread) if each["id"] != run]
    until(lambda: site.run(build)["phase"] == "building" or None, "the build is under way")
    kernel = held_kernel(site) if step == "trying" else None
    progress.get_by_role("button", name="Cancel the build").press("Enter")
    expect(progress).to_have_attribute("data-step", "stopped", timeout=PATIENCE_MS)
    expect(progress).to_contain_text("The build was stopped.")
    expect(progress.get_by_role("button")).to_have_count(0)
    chat.expect_status(run, "completed")
    assert site.run(build)["status"] == "cancelled"
    reply = next(each for each in site.messages(thread) if each["run_id"] == run)
    [result] = [part for part in reply["parts"] if part["kind"] == "tool_result"]
    assert (result["success"], result["output"]["status"]) == (False, "cancelled")
    if kernel is not None:
        until(lambda: not kernel.is_running() or None, "the scratch kernel is gone")
    assert scratch_kernels(site) == []


def opened(site: Site, open_beside: OpenBeside, name: str) -> tuple[str, NotebookPage]:
    """Open a notebook whose chat may build components; return the thread too."""
    thread = site.thread(name, "demo/tools")
    tools = {"mode": "ask", "names": ["build_component"]}
    site.chat("PATCH", f"threads/{thread}", {"tools": tools})
    chat_cell = notebooks.code("0", notebooks.chat_output(thread, ""))
    return thread, open_beside(notebooks.write(site, name, chat_cell, notebooks.code("x = 1")))


def scratch_kernels(site: Site) -> list[psutil.Process]:
    return [each for each in site.kernels() if PREFIX in command_of(each)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has just ended
        return ""


def held_kernel(site: Site) -> psutil.Process:
    """Stop a scratch kernel as soon as it is there: its try does not end by itself."""
    kernel = until(lambda: next(iter(scratch_kernels(site)), None), "a scratch kernel starts")
    kernel.suspend()
    return kernel
