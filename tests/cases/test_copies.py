"""Untrusted text in copies and exports, in a real browser: nothing runs, nothing is fetched.

All hostile texts are on one page for each form: what nbconvert makes of a notebook with saved
copies, what it makes of an exported notebook, and the exported page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Request, Route, sync_playwright

from jupyter_chat_stream.export import html, markdown, notebook
from jupyter_chat_stream.export.blocks import no_picture
from jupyter_chat_stream.export.source import Source
from jupyter_chat_stream.kernel.messages import Message, Messages
from jupyter_chat_stream.kernel.output import bundle
from tests.corpus.seen import HOSTILE
from tests.e2e.conftest import FLAGS, HOST_RULES

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
CASES = ["saved_copy_with_script", "click_runs_code", "looks_like_the_chat"]
# Each page holds a part of the corpus; all of it is rendered without a browser (`test_copies`).
TEXTS = [*((HERE / f"{name}.md").read_text("utf-8") for name in CASES), *HOSTILE[::5]]
ADDRESS = "http://127.0.0.1:9/page.html"
# What nbconvert's own page asks for.
OWN = ("cdnjs.cloudflare.com", "cdn.jsdelivr.net", "unpkg.com")
RAN = ("ran", "a script of the model ran", "a handler of the model ran")
# Elements and attributes that a browser made of the texts, beyond what is harmless.
FOUND = """() => [...document.querySelectorAll('AREA *')].flatMap(node => {
  const isBad = node.matches('script, img:not([src^="data:image/"]), svg, math, iframe, object, ' +
    'embed, form, input:not([disabled]), button, style, link, meta, base, video, audio, ' +
    '.jp-ChatStream-message, .jp-Spinner');
  const isRisk = one => /^on|^data-commandlinker|^src|^style$/.test(one.name) &&
    !/^data:image\\/(png|gif|jpeg|webp|avif);/.test(one.value);
  const bad = [...node.attributes].filter(isRisk);
  const goes = node.matches('a') && !/^(https?:|mailto:|#)/.test(node.getAttribute('href') ?? '#');
  return isBad || goes || bad.some(one => !one.value.startsWith('text-align'))
    ? [node.outerHTML.slice(0, 200)] : [];
})"""


def said(content: str, index: int) -> dict[str, Any]:
    """Make an answer of the wire with this text, and names that are hostile, too."""
    tool = {"kind": "tool_call", "name": content, "tool_call_id": "t", "input": {"a": content}}
    asked = {"kind": "input_request", "prompt": content, "choices": [content], "by": None}
    return {
        "id": f"m{index}",
        "parent_id": None,
        "role": "assistant",
        "status": "completed",
        "model": content[:40] or None,
        "content": content,
        "created_at": "2026-01-01T00:00:00Z",
        "parts": [{"kind": "text", "text": content}, tool, asked],
        "error": None,
        "usage": None,
        "run_id": "r",
        "seq": 1,
    }


class Thread:
    """What an export reads of a thread."""

    def __init__(self) -> None:
        self.title = TEXTS[0]
        self.info = {"id": "t"}
        self.seq, self.other_count, self.at = 1, 0, "2026-01-01T00:00:00Z"
        self.picture = no_picture

    def shown_messages(self) -> Iterator[dict[str, Any]]:
        return (said(text, index) for index, text in enumerate(TEXTS))


def exported(pieces: Callable[[Source], Iterator[str]]) -> str:
    return "".join(pieces(cast(Source, Thread())))


def converted(content: Any) -> str:
    page, _ = HTMLExporter().from_notebook_node(content)
    return str(page)


def notebook_of_copies() -> str:
    """Make a notebook as Jupyter saves it: a cell whose outputs are all these copies."""
    data: list[dict[str, Any]] = []
    for index, text in enumerate(TEXTS):
        message = said(text, index)
        data.append(bundle("t", [message]))
        data.append({"text/markdown": Messages([Message.from_wire(message)])._repr_markdown_()})
    outputs = [nbformat.v4.new_output("display_data", data=each) for each in data]
    cell = nbformat.v4.new_code_cell("chat", outputs=outputs)
    return converted(nbformat.v4.new_notebook(cells=[cell]))


def exported_notebook() -> str:
    return converted(nbformat.reads(exported(notebook.pieces), as_version=4))


def exported_markdown() -> str:
    cell = nbformat.v4.new_markdown_cell(exported(markdown.pieces))
    return converted(nbformat.v4.new_notebook(cells=[cell]))


def exported_page() -> str:
    return exported(html.pieces)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, chromium_sandbox=False, args=[*FLAGS, HOST_RULES]
        )
        yield browser
        browser.close()


@pytest.mark.parametrize(
    ("make", "area"),
    [
        (notebook_of_copies, ".jp-OutputArea"),
        (exported_notebook, ".jp-MarkdownOutput"),
        (exported_markdown, ".jp-MarkdownOutput"),
        (exported_page, "main"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_no_copy_and_no_export_runs_or_fetches_anything(
    browser: Browser, make: Callable[[], str], area: str
) -> None:
    page_source = make()
    asked: list[str] = []
    context = browser.new_context()

    def answer(route: Route, request: Request) -> None:
        if request.url == ADDRESS:
            route.fulfill(body=page_source, content_type="text/html; charset=utf-8")
            return
        asked.append(request.url)
        route.abort()

    context.route("**/*", answer)
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.goto(ADDRESS, wait_until="load")
    title = page.title()
    assert title not in RAN
    assert page.locator(area).count() > 0
    assert page.evaluate(FOUND.replace("AREA", area)) == []
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert page.title() == title
    assert [url for url in asked if not any(own in url for own in OWN)] == []
    assert page.url == ADDRESS
    context.close()


@pytest.mark.parametrize("name", ["placeholders", "prices", "details"])
def test_a_copy_still_shows_every_character(browser: Browser, name: str) -> None:
    text = (HERE / f"{name}.md").read_text("utf-8")
    copy = nbformat.v4.new_output("display_data", data=bundle("t", [said(text, 0)]))
    cell = nbformat.v4.new_code_cell("chat", outputs=[copy])
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content(
        converted(nbformat.v4.new_notebook(cells=[cell])), wait_until="domcontentloaded"
    )
    shown = page.locator(".jp-OutputArea").inner_text()
    page.close()
    for words in SHOWN[name]:
        assert words in shown


SHOWN = {
    "placeholders": ["login(<your-api-key>) and load(<path>, <n_rows>)"],
    "prices": ["$5 a month and the team plan $20 a month", "$5 or $20. Set $HOME and $PATH."],
    "details": ["Show the solution", "Anything else?"],
}


def test_an_exported_notebook_keeps_each_text_in_a_cell_of_its_own() -> None:
    cells = json.loads(exported(notebook.pieces))["cells"]
    assert len(cells) == len(TEXTS) + 1
