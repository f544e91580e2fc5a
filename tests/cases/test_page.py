"""What is shown is what was said (L1): the cases of the page, streamed and after a reload.

All of them are played once, in one chat: each test looks at one answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.cases.pages import CasePlayer, Played, case
from tests.e2e.chat_page import first_difference
from tests.e2e.conftest import FLAGS, HOST_RULES
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.sites import FLAVOURS, Site

pytestmark = pytest.mark.e2e

WIDTH = 1000
HEIGHT = 900
FILLER = "A paragraph that says little, and takes its place. " * 20 + "\n\n"
COMMAND = 'data-commandlinker-command="notebook:insert-cell-below" data-commandlinker-args="{}"'
TEXTS = {
    "quote_with_steps": case("quote_with_steps.md"),
    "prices": case("prices.md"),
    "placeholders": case("placeholders.md"),
    "details": case("details.md"),
    "details in a long text": FILLER * 4 + case("details.md"),
    "reference_over_two_lines": case("reference_over_two_lines.md"),
    "emphasis_chinese": case("emphasis_chinese.md"),
    "right_to_left": case("right_to_left.md"),
    "wide_table": case("wide_table.md"),
    "maths_brackets": case("maths_brackets.md"),
    "saved_copy_with_script": case("saved_copy_with_script.md"),
    "click_runs_code": case("click_runs_code.md"),
    "looks_like_the_chat": case("looks_like_the_chat.md"),
    # Others of the same kinds.
    "generics": "A `x` is List<int>, Map<str, List<T>> or a<b && c>d; 3 < 4 <br> <end>",
    "emphasis_japanese": "これは**「重要」**です。**注意！**必ず保存。\n\n**굵게(강조)**는 됩니다.",
    "prices_in_a_table": "| a | price |\n|---|---|\n| b | $5 |\n| c | $20 |\n\n$1$ and $2$ are $3.",
    "commands": f"[a link](https://example.org/ '{COMMAND}') <a href='#' {COMMAND}>one</a>\n\n"
    f"<details {COMMAND}>\n<summary {COMMAND}>two</summary>\n\n<b {COMMAND}>three</b>\n\n"
    f"</details>\n\n<table><tr><td {COMMAND}>four</td></tr></table>\n\n"
    f'<div style="position:fixed;inset:0;opacity:0" {COMMAND}>five</div>',
    "lies_over_all": '<div style="position:fixed;inset:0;z-index:9999">over all</div>\n\n'
    '<p class="jp-ChatStream-outcome" role="alert" id="main">an alert</p>\n\n'
    '<b style="margin:-500px">bold</b> <span class="jp-mod-failed">failed</span>\n\n'
    '<details class="jp-ChatStream-folded" open>\n<summary name="x">tool</summary>\n\nin\n\n'
    "</details>",
}
_OUTSIDE = """() => {
  window.outside = [];
  new MutationObserver(() => {
    for (const content of document.querySelectorAll('[data-testid=content]')) {
      if (content.textContent.includes('Show the solution')) {
        const found = [...content.querySelectorAll('pre, ol, strong')];
        window.outside.push(...found.filter(one => one.closest('details') === null)
          .map(one => one.outerHTML));
      }
    }
  }).observe(document, { subtree: true, childList: true });
}"""
_WORDS_IN_PIECES = r"""node => {
  const found = [];
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    for (const word of text.data.matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) {
        found.push(word[0]);
      }
    }
  }
  return found;
}"""
_SCROLLERS = """node => {
  const found = [];
  for (let one = node; !one.matches('article'); one = one.parentElement) {
    if (one.scrollWidth > one.clientWidth + 1) {
      found.push(getComputedStyle(one).overflowX);
    }
  }
  return found;
}"""
_FOREIGN_MARKS = """node => {
  const FOREIGN = /^jp-(?!ChatStream-)|^jp-ChatStream-(message|bubble|outcome|question|folded)/;
  const ours = new Set(['data-testid', 'data-lm-suppress-shortcuts']);
  const found = [];
  for (const one of node.querySelectorAll('*')) {
    if (one.closest('mjx-container') !== null) {
      continue;
    }
    for (const { name, value } of one.attributes) {
      const isForeign = name.startsWith('on') || ['id', 'name', 'style'].includes(name)
        || (name.startsWith('data-') && !ours.has(name));
      const isWorn = name === 'role' && value === 'alert';
      if (isForeign || isWorn) {
        found.push(`${one.localName} ${name}=${value}`);
      }
    }
    for (const name of one.classList) {
      if (FOREIGN.test(name) && name !== 'jp-RenderedHTMLCommon') {
        found.push(`${one.localName}.${name}`);
      }
    }
  }
  return found;
}"""
_FALLS_OUT = """node => {
  const frame = node.closest('article').getBoundingClientRect();
  const isOut = box => box.width > 0 && box.height > 0 && (box.left < frame.left - 1
    || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  return [...node.querySelectorAll('*')]
    .filter(one => getComputedStyle(one).position === 'fixed' || isOut(one.getBoundingClientRect()))
    .map(one => one.outerHTML.slice(0, 200));
}"""
_DIRECTIONS = """node => {
  const of = selector => [...node.querySelectorAll(selector)]
    .map(one => getComputedStyle(one).direction);
  const list = node.querySelector('ul').getBoundingClientRect();
  const item = node.querySelector('li').getBoundingClientRect();
  return {
    text: [...of('h1'), ...of('p'), ...of('li')],
    code: of('pre'),
    left_of_item: item.left - list.left,
    right_of_item: list.right - item.right
  };
}"""


@pytest.fixture(scope="module")
def player(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CasePlayer]:
    site = Site(FLAVOURS["lab"], tmp_path_factory.mktemp("cases") / "site")
    site.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium_path, chromium_sandbox=False, args=[*FLAGS, HOST_RULES]
            )
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            context.set_default_timeout(PATIENCE_MS)
            yield CasePlayer(context, site, "cases")
            browser.close()
    finally:
        site.stop()


@pytest.fixture(scope="module")
def outside() -> list[str]:
    """What was drawn outside of its fold, at any moment, while it came."""
    return []


@pytest.fixture(scope="module")
def played(player: CasePlayer, outside: list[str]) -> dict[str, Played]:
    player.chat_page.page.evaluate(_OUTSIDE)
    return player.play(TEXTS, lambda page: outside.extend(page.evaluate("window.outside")))


def seen(answer: Played) -> str:
    """Return the text of an answer as a person sees it, in one line."""
    return " ".join(answer.shown.split())


@pytest.mark.parametrize("name", TEXTS)
def test_an_answer_is_stored_as_it_was_said(played: dict[str, Played], name: str) -> None:
    assert played[name].stored == TEXTS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_an_answer_is_drawn_the_same_streamed_and_after_a_reload(
    played: dict[str, Played], name: str
) -> None:
    streamed, reloaded = played[name].streamed.html, played[name].reloaded.html
    assert streamed == reloaded, first_difference(streamed, reloaded)


def test_a_list_in_a_quote_goes_on_without_a_character_that_nobody_wrote(
    played: dict[str, Played],
) -> None:
    content = played["quote_with_steps"].content
    assert content.locator("blockquote ol").count() == 1
    items = content.locator("blockquote ol > li").all_inner_texts()
    assert [" ".join(item.split()) for item in items] == [
        "load the file",
        "clean it Then we go on.",
    ]
    assert seen(played["quote_with_steps"]) == "load the file clean it Then we go on. end"


def test_a_dollar_is_money_and_a_formula_is_typeset(played: dict[str, Played]) -> None:
    lines = [line.strip() for line in played["prices"].shown.splitlines() if line.strip()]
    assert lines[:4] == [
        "The basic plan costs $5 a month and the team plan $20 a month.",
        "Basic: $5/month",
        "Team: $20/month",
        "Escaped: $5 or $20. Set $HOME and $PATH.",
    ]
    content = played["prices"].content
    assert content.locator("li").count() == 2
    assert content.locator("mjx-container").count() == 1
    assert content.locator("p", has_text="Still maths").locator("mjx-container").count() == 1
    table = played["prices_in_a_table"].content
    assert table.locator("td").all_inner_texts() == ["b", "$5", "c", "$20"]
    assert table.locator("mjx-container").count() == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "placeholders",
            "Set the key with export KEY=... "
            "or call login(<your-api-key>) and load(<path>, <n_rows>).",
        ),
        ("generics", "A x is List<int>, Map<str, List<T>> or a<b && c>d; 3 < 4 <end>"),
    ],
)
def test_what_looks_like_a_tag_is_seen(played: dict[str, Played], name: str, text: str) -> None:
    assert seen(played[name]) == text


@pytest.mark.parametrize("name", ["details", "details in a long text"])
def test_a_fold_holds_what_was_written_in_it(
    played: dict[str, Played], outside: list[str], name: str
) -> None:
    content = played[name].content
    fold = content.locator("details")
    assert fold.count() == 1
    assert fold.locator("summary").inner_text().strip() == "Show the solution"
    assert fold.locator("strong").text_content() == "left join"
    assert "LEFT JOIN b" in (fold.locator("pre").text_content() or "")
    assert fold.locator("ol > li").all_text_contents() == ["keep all of a", "fill with NULL"]
    assert "Anything else?" not in (fold.text_content() or "")
    assert played[name].shown.strip().endswith("Anything else?")
    assert outside == []


def test_a_reference_over_two_lines_is_a_link(played: dict[str, Played]) -> None:
    content = played["reference_over_two_lines"].content
    link = content.locator("a")
    assert link.get_attribute("href") == "https://example.org/docs"
    assert link.inner_text() == "my docs"
    assert seen(played["reference_over_two_lines"]) == "First a paragraph. See my docs."


@pytest.mark.parametrize(
    ("name", "bold"),
    [
        ("emphasis_chinese", ["重要：", "数据（2024年）"]),
        ("emphasis_japanese", ["「重要」", "注意！", "굵게(강조)"]),
    ],
)
def test_emphasis_ends_at_punctuation_of_its_own_writing(
    played: dict[str, Played], name: str, bold: list[str]
) -> None:
    content = played[name].content
    assert content.locator("strong").all_inner_texts() == bold
    assert "*" not in played[name].shown


def test_arabic_runs_from_right_to_left_and_code_does_not(played: dict[str, Played]) -> None:
    found = played["right_to_left"].content.evaluate(_DIRECTIONS)
    assert set(found["text"]) == {"rtl"}
    assert found["code"] == ["ltr"]
    assert found["right_of_item"] > 10  # the bullets' place
    assert abs(found["left_of_item"]) < 2


def test_a_wide_table_scrolls_and_breaks_no_word(played: dict[str, Played]) -> None:
    table = played["wide_table"].content.locator("table")
    assert table.evaluate(_WORDS_IN_PIECES) == []
    assert set(table.evaluate(_SCROLLERS)) & {"auto", "scroll"}
    content = played["wide_table"].content
    assert content.evaluate("node => node.scrollWidth <= node.clientWidth + 1")


def test_tab_stops_at_a_table_only_where_it_scrolls(played: dict[str, Played]) -> None:
    frames = ".jp-ChatStream-table"
    wide = played["wide_table"].content.locator(frames)
    narrow = played["prices_in_a_table"].content.locator(frames)
    assert wide.evaluate("node => [node.tabIndex, node.ariaLabel]") == [0, "Table"]
    assert narrow.evaluate("node => [node.tabIndex, node.role]") == [-1, None]


def test_maths_in_brackets_is_typeset(played: dict[str, Played]) -> None:
    content = played["maths_brackets"].content
    assert content.locator("mjx-container").count() == 2
    assert content.locator("mjx-container[display=true]").count() == 1
    assert re.search(r"\\[\[\]()]", played["maths_brackets"].shown) is None


def test_an_answer_s_scripts_are_text_and_its_pictures_links(
    played: dict[str, Played], player: CasePlayer
) -> None:
    content = played["saved_copy_with_script"].content
    assert content.locator("script, img").count() == 0
    assert content.locator("a[href='https://tracker.example/p.png?leak=1']").inner_text() == "chart"
    shown = played["saved_copy_with_script"].shown
    assert "<script>document.title = 'a script of the model ran'</script>" in shown
    assert "<img src=x onerror=" in shown
    assert "of the model ran" not in player.chat_page.page.title()
    assert player.chat_page.notebook.seen.foreign == []


@pytest.mark.parametrize("name", ["click_runs_code", "commands"])
def test_no_click_in_an_answer_runs_anything(
    played: dict[str, Played], player: CasePlayer, name: str
) -> None:
    chat_page, content = player.chat_page, played[name].content
    assert content.evaluate(_FOREIGN_MARKS) == []
    before = chat_page.notebook.cells()
    places: list[Any] = content.locator("p, b, summary, td, button, a:not([target=_blank])").all()
    assert places
    for place in places:
        place.scroll_into_view_if_needed()
        if place.is_visible():
            place.click()
    assert chat_page.notebook.cells() == before
    assert list(Path(chat_page.site.notebooks).rglob("RAN")) == []


@pytest.mark.parametrize("name", ["looks_like_the_chat", "lies_over_all", "click_runs_code"])
def test_an_answer_wears_no_name_of_the_chat_and_covers_nothing(
    played: dict[str, Played], name: str
) -> None:
    content = played[name].content
    assert content.evaluate(_FOREIGN_MARKS) == []
    assert content.evaluate(_FALLS_OUT) == []


def test_a_message_that_an_answer_draws_is_seen_as_its_text(played: dict[str, Played]) -> None:
    shown = played["looks_like_the_chat"].shown
    assert '<article class="jp-ChatStream-message jp-mod-user">' in shown
    assert "Yes, delete all of it." in shown
    assert '<div class="jp-Spinner">S</div>' in shown
