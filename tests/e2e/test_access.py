"""Chats for everyone: axe-core finds nothing, and what a screen reader gets is what was meant."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from playwright.sync_api import Locator, expect

from scripts.frontend import SOURCES
from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, NotebookPage, use_theme
from tests.e2e.sites import Site

AXE = SOURCES / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = (
    "JupyterLab Light",
    "JupyterLab Dark",
    "JupyterLab Dark High Contrast",
)
_EXECUTE = """async ([command, args]) => {
  await window.jupyterapp.commands.execute(command, args);
}"""
EVERYTHING = """# A heading

A paragraph with **bold**, `code`, a [link](https://jupyter.org) and $x^2$.

- one
- [x] two

| a | b |
|---|---|
| 1 | 2 |

> A quote.

```python
print("text")
```

```python
wide = "WIDE"
```

<details><summary>More</summary>inside</details>
""".replace("WIDE", "wider than any chat " * 12)


def violations(root: Locator) -> Sequence[str]:
    """What axe-core finds below `root`, each with the elements that it is about."""
    page = root.page
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    found = root.evaluate(
        """async (node, tags) => {
          const { violations } = await window.axe.run(node, {
            runOnly: tags, resultTypes: ['violations'], rules: { region: { enabled: false } }
          });
          return violations.map(({ id, help, nodes }) => `${id}: ${help}: ` + nodes.map(
            each => `${each.html.slice(0, 200)} (${each.failureSummary})`).join(' | '));
        }""",
        TAGS,
    )
    return list(found)


@pytest.fixture
def notebook(site: Site, open_beside: OpenBeside, name: str) -> NotebookPage:
    thread = site.thread(name, "demo/echo")
    cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    return open_beside(notebooks.write(site, name, cell))


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_axe_finds_nothing_in_a_chat_in_any_stock_theme(notebook: NotebookPage) -> None:
    chat = notebook.chat(0)
    chat.expect_live()
    run = chat.send(EVERYTHING)
    chat.expect_status(run, "completed")
    wide = chat.answer(run).locator("pre[tabindex='0']")
    expect(wide).to_have_count(1)  # a block that does not scroll is no stop of Tab
    expect(wide).to_contain_text("wide =")
    chat.field.fill("A draft")
    found: dict[str, Sequence[str]] = {}
    try:
        for theme in THEMES:
            use_theme(notebook.page, theme)
            notebook.picture(theme.replace(" ", "-"), in_all_looks=False)
            found[theme] = violations(chat.root)
            chat.root.get_by_test_id("model").click()
            expect(chat.root.get_by_test_id("model-search")).to_be_focused()
            found[f"{theme}, models"] = violations(chat.root)
            notebook.page.keyboard.press("Escape")
    finally:
        use_theme(notebook.page, THEMES[0])
    told = [f"{where}: {what}" for where, all_of_it in found.items() for what in all_of_it]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("site", ["lab"], indirect=True)
def test_axe_finds_nothing_in_the_panel_and_in_a_tab(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    site.wait_for(site.send(thread, EVERYTHING), "completed")
    notebook = open_beside(notebooks.write(site, name, notebooks.code("1")))
    page = notebook.page
    panel = page.get_by_test_id("panel")
    found: dict[str, Sequence[str]] = {}
    try:
        for theme in THEMES[:2]:
            use_theme(page, theme)
            page.evaluate(_EXECUTE, ["chat-stream:show", {}])
            row = panel.locator(f"[data-testid=thread-row][data-thread='{thread}']")
            expect(row).to_be_visible(timeout=PATIENCE_MS)
            found[f"{theme}, list"] = violations(panel)
            row.click(button="right")
            expect(page.get_by_role("menu").last).to_be_visible(timeout=PATIENCE_MS)
            page.keyboard.press("Escape")
            panel.get_by_test_id("thread-search").fill("heading")
            expect(panel.get_by_test_id("thread-snippet").first).to_be_visible(timeout=PATIENCE_MS)
            found[f"{theme}, search"] = violations(panel)
            panel.get_by_test_id("thread-search").fill("")
            page.evaluate(_EXECUTE, ["chat-stream:open", {"threadId": thread, "place": "panel"}])
            expect(panel.get_by_test_id("message-assistant")).to_be_visible(timeout=PATIENCE_MS)
            found[f"{theme}, panel"] = violations(panel)
            page.evaluate(_EXECUTE, ["chat-stream:open", {"threadId": thread, "place": "tab"}])
            tab = page.get_by_test_id("tab")
            expect(tab.get_by_test_id("message-assistant")).to_be_visible(timeout=PATIENCE_MS)
            found[f"{theme}, tab"] = violations(tab)
            page.evaluate("window.jupyterapp.shell.currentWidget.close()")
            panel.get_by_test_id("back").click()
    finally:
        use_theme(page, THEMES[0])
        page.evaluate(_EXECUTE, ["application:toggle-right-area", {}])
    told = [f"{where}: {what}" for where, all_of_it in found.items() for what in all_of_it]
    assert not told, "\n".join(told)


def test_a_screen_reader_hears_the_boundaries_of_an_answer_and_nothing_else(
    site: Site, notebook: NotebookPage, gate: AnswerGate
) -> None:
    chat = notebook.chat(0)
    chat.expect_live()
    heard = """node => {
      window.heard = [];
      const speaks = where => {
        const region = where?.closest('[aria-live], [role=status], [role=alert], [role=log]');
        return region !== null && region?.getAttribute('aria-live') !== 'off';
      };
      new MutationObserver(records => {
        for (const { target } of records) {
          const place = target instanceof Element ? target : target.parentElement;
          if (speaks(place)) window.heard.push(place.textContent);
        }
      }).observe(node, { subtree: true, childList: true, characterData: true });
    }"""
    chat.root.evaluate(heard)
    run = site.send(chat.thread, words(200), model=MODEL, **gate.params)
    gate.open(300)
    chat.expect_text(run, words(200)[:290])
    announcer = chat.root.get_by_test_id("announcer")
    expect(announcer).to_have_text("Answering")
    gate.open()
    chat.expect_status(run, "completed")
    expect(announcer).to_have_text("Finished")
    texts = [text for text in notebook.page.evaluate("window.heard") if text]
    assert sorted(set(texts), key=texts.index) == ["Answering", "Finished"]
    tree = chat.root.aria_snapshot()
    assert '- article "You, message 1"' in tree
    assert f'- article "{MODEL}, message 2"' in tree
