"""The vectors of the Markdown dialect, drawn in a cell, in the panel and in a tab.

That each vector is drawn as it says is tested without a browser. Here all of them are in one
thread, and each place must show the same: its elements, its formulas and its text.
"""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.chat_page import SCRIPT, DrawnAnswer, drawn, first_difference, settled
from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, ChatView
from tests.e2e.sites import Site
from tests.e2e.test_panel import PanelPage

VECTORS = Path(__file__).parent.parent / "vectors" / "markdown"
LEAST_VECTORS = 120
LEAST_CHARS = 100  # that a file of vectors shows


def drawn_in(chat: ChatView, runs: dict[str, str]) -> dict[str, DrawnAnswer]:
    """Read each answer of a view, by the file of its vectors."""
    found = {}
    for name, run in runs.items():
        expect(chat.root.locator(f"article[data-run-id='{run}']")).to_have_count(
            1, timeout=PATIENCE_MS
        )
        chat.bring(run)
        found[name] = drawn(settled(chat, run))
    return found


def test_the_dialect_is_drawn_alike_in_a_cell_the_panel_and_a_tab(
    site: Site, open_notebook: Open, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    vectors = {path.stem: json.loads(path.read_text()) for path in sorted(VECTORS.glob("*.json"))}
    assert sum(map(len, vectors.values())) >= LEAST_VECTORS
    runs = {}
    for file, cases in vectors.items():
        text = "\n\n---\n\n".join(case["source"] for case in cases)
        runs[file] = site.send(thread, text, chars_per_second=1_000_000)
        site.wait_for(runs[file], "completed")
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    notebook = open_notebook(site, path, kernel=False)
    notebook.page.add_script_tag(path=SCRIPT)
    in_cell = drawn_in(notebook.chat(0), runs)
    assert all(len(answer.text) >= LEAST_CHARS for answer in in_cell.values())

    panel = PanelPage(notebook)
    panel.execute("open", threadId=thread)
    in_panel = drawn_in(panel.chat, runs)
    notebook.picture("dialect-panel", in_all_looks=False)
    panel.execute("open", threadId=thread, place="tab")
    tab = ChatView(notebook.page.locator(f"#jp-ChatStream-tab-{thread} .jp-ChatStream"))
    in_tab = drawn_in(tab, runs)
    notebook.picture("dialect-tab", in_all_looks=False)
    for place, answers in (("panel", in_panel), ("tab", in_tab)):
        for file, cell in in_cell.items():
            other = answers[file]
            assert other.text == cell.text, (
                f"{place}, {file}: {first_difference(other.text, cell.text)}"
            )
            assert other.html == cell.html, (
                f"{place}, {file}: {first_difference(other.html, cell.html)}"
            )
