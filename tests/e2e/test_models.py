"""Choosing a model and getting started: by keys alone, at any width, cut by nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.pages import ChatView, NotebookPage
from tests.e2e.sites import FLAVOURS, Site

KEY = "sk-of-the-page-0123456789"
NARROW = 280  # px of the chat
# Whether each edge of the box is in the window and nothing of the page lies over it.
_IS_WHOLE = """box => {
  const { left, right, top, bottom } = box.getBoundingClientRect();
  const isInside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
  const points = [[left + 12, top + 3], [right - 12, top + 3], [left + 12, bottom - 3]];
  return isInside && points.every(([x, y]) => box.contains(document.elementFromPoint(x, y)));
}"""


def opened_chat(notebook: NotebookPage, width: int | None = None) -> ChatView:
    chat = notebook.chat(0)
    chat.expect_live()
    if width is not None:
        chat.root.evaluate("(node, width) => (node.style.width = `${width}px`)", width)
    return chat


def expect_whole(chat: ChatView, testid: str) -> None:
    box = chat.root.get_by_test_id(testid)
    expect(box).to_be_visible()
    assert box.evaluate(_IS_WHOLE)


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_a_model_is_searched_for_and_chosen_by_keys_alone(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/tour")
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    notebook = open_beside(path)
    before = notebook.cells()
    chat = opened_chat(notebook, NARROW)
    button, keyboard = chat.root.get_by_test_id("model"), notebook.page.keyboard
    button.focus()
    keyboard.press("Enter")
    expect(chat.root.get_by_test_id("model-search")).to_be_focused()
    expect_whole(chat, "models")
    notebook.picture(f"{name}-picker")
    keyboard.press("Escape")
    expect(button).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.type("canned (the tour, all")
    expect(chat.root.get_by_role("option")).to_have_count(1)
    keyboard.press("Enter")
    expect(button).to_have_attribute("data-value", "demo/fast")
    expect(button).to_be_focused()
    expect(chat.root.get_by_test_id("models")).to_have_count(0)
    assert site.chat("GET", f"threads/{thread}")["model"] == "demo/fast"
    assert notebook.cells() == before


def test_a_parameter_is_kept_with_the_thread_and_dropped_in_sight(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/long")
    output = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, output))
    chat = opened_chat(notebook)
    chat.root.get_by_test_id("parameters").click()
    expect_whole(chat, "parameters-panel")
    chat.root.get_by_test_id("parameter-chars").fill("70")
    notebook.picture(f"{name}-panel")
    chat.root.get_by_test_id("field").click()  # a click elsewhere keeps the number
    expect(chat.root.get_by_test_id("parameters-panel")).to_have_count(0)
    expect(chat.root.get_by_test_id("parameters")).to_have_class(re.compile("jp-mod-set"))
    run = chat.send("Write.")
    chat.expect_status(run, "completed")
    assert len(site.messages(thread)[-1]["content"]) == 70
    chat.root.get_by_test_id("model").click()
    notebook.page.keyboard.type("all at once")
    notebook.page.keyboard.press("Enter")
    expect(chat.root.get_by_test_id("dropped")).to_be_visible()
    assert site.chat("GET", f"threads/{thread}")["params"] == {}


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(default=Answer(text="It answers."), models=["gpt-5.5"], needs_key=True) as made:
        yield made


@pytest.fixture
def keyless_site(tmp_path: Path, fake: FakeOpenAI) -> Iterator[Site]:
    """A server with an endpoint whose key is missing, and with no local model."""
    site = Site(FLAVOURS["lab"], tmp_path / "site")
    lab = {"base_url": fake.base_url, "key_env": "LAB_KEY"}
    settings = {"ChatStream": {"endpoints": {"lab": lab}, "find_local_models": False}}
    config = Path(site.environment["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.json"
    config.write_text(json.dumps(settings))
    site.start()
    yield site
    site.forget_kernels()  # Jupyter does not end while a kernel starts
    site.stop()


def test_a_key_is_pasted_into_an_empty_chat_or_into_the_picker_which_stays_open(
    keyless_site: Site, fake: FakeOpenAI, open_notebook: Open, name: str
) -> None:
    site = keyless_site
    thread = site.thread(name, "demo/tour")
    output = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_notebook(site, notebooks.write(site, name, output), kernel=False)
    chat = opened_chat(notebook)
    card = chat.root.get_by_test_id("first-run")
    expect(card).to_be_visible()
    notebook.picture(f"{name}-card")
    card.locator("[data-testid=endpoint][data-value=lab]").click()
    card.get_by_test_id("key-field").fill(KEY)
    notebook.page.keyboard.press("Enter")
    expect(card).to_have_count(0)
    expect(chat.root.get_by_test_id("model")).to_have_attribute("data-value", "lab/gpt-5.5")
    run = chat.send("Hello")
    chat.expect_status(run, "completed")
    assert site.messages(thread)[-1]["content"] == "It answers."
    assert KEY not in notebook.page.content()
    assert KEY not in (site.folder / "server.log").read_text()

    site.chat("DELETE", "endpoints/lab/key")
    thread = site.thread(f"{name}-picker", "demo/tour")
    output = notebooks.code("1", notebooks.chat_output(thread, ""))
    path = notebooks.write(site, f"{name}-picker", output)
    notebook = open_notebook(site, path, kernel=False)
    chat = opened_chat(notebook)
    chat.root.get_by_test_id("model").click()
    group = chat.root.locator("[data-testid=model-group][data-key=lab]")
    group.get_by_test_id("enter-key").click()
    expect(group.get_by_test_id("key-field")).to_be_focused()
    notebook.page.keyboard.type(KEY)
    assert KEY not in notebook.page.content()
    notebook.picture(f"{name}-key")
    group.get_by_test_id("key-save").click()
    expect(group.get_by_role("option")).to_have_count(1)
    expect(chat.root.get_by_test_id("model-search")).to_be_focused()
    expect(group.get_by_test_id("key-field")).to_have_count(0)
