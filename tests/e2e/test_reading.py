"""What a reader sees and does not see: scrolling that yields, links that wait, nothing hostile."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.demo import answer_to
from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS, ChatView, bare
from tests.e2e.sites import FLAVOURS, Site, until

TEXT = words(900)
CORPUS = Path(__file__).parent.parent / "corpus" / "hostile.json"
_LEFT = "node.scrollHeight - node.scrollTop - node.clientHeight"
_PLACE = f"node => ({{ top: node.scrollTop, left: {_LEFT} }})"
_IS_AT_END = f"node => {_LEFT} < 2"
LOADING = "audio, base, embed, form[action], iframe, img, link, meta, object, script, style, video"
HOSTILE = """Before <script>window.isCaught = 1</script>
<img src="https://example.org/a.png" onerror="window.isCaught = 2">
<img src="x" onerror="window.isCaught = 3"> ![b](https://example.org/b.png)
<svg onload="window.isCaught = 4"><image href="https://example.org/c.png" /></svg>
<iframe src="https://example.org/d" srcdoc="<script>parent.isCaught = 5</script>"></iframe>
<video src="https://example.org/e.mp4" poster="https://example.org/e.png" autoplay></video>
<input autofocus onfocus="window.isCaught = 6"><form action="https://example.org/f"></form>
<style>@import url(https://example.org/g.css); body { display: none }</style>
<link rel="stylesheet" href="https://example.org/h.css"><base href="https://example.org/">
<meta http-equiv="refresh" content="0; url=https://example.org/i">
<p style="background: url(https://example.org/j.png); position: fixed; inset: 0">over all</p>
<a href="javascript:window.isCaught = 7" ping="https://example.org/k">scripted</a>
<object data="https://example.org/l"></object><embed src="https://example.org/m">

[also scripted](javascript:window.isCaught=8) and [a link](https://example.org/away) and
<a href="https://example.org/named" target="_top">a named one</a> <https://example.org/auto>

[x]: https://example.org/n

The end.
"""


def written(site: Site, name: str, model: str) -> tuple[str, str]:
    """Write a notebook with one chat, and much below it; return its path and the thread."""
    thread = site.thread(name, model)
    below = [notebooks.text(f"# Below {number}\n\n" + "text\n\n" * 12) for number in range(6)]
    output = notebooks.chat_output(thread, "")
    return notebooks.write(site, name, notebooks.code("1", output), *below), thread


def shown(site: Site, open_beside: OpenBeside, name: str, model: str) -> tuple[ChatView, str]:
    """Show such a notebook's chat in the page that all tests of this kind share."""
    path, thread = written(site, name, model)
    chat = open_beside(path).chat(0)
    chat.expect_live()
    return chat, thread


def wait_for_width(chat: ChatView, width: int) -> None:
    """Wait until the chat has been laid out in a window of this width."""
    fits = """([node, width]) => window.innerWidth === width
      && node.getBoundingClientRect().right > width - 100
      && node.getBoundingClientRect().right <= width"""
    arg = [chat.root.element_handle(), width]
    chat.root.page.wait_for_function(fits, arg=arg, timeout=PATIENCE_MS)


def height_of(chat: ChatView) -> int:
    return int(chat.live.evaluate("node => node.offsetHeight"))


def wait_at_end(chat: ChatView) -> None:
    chat.root.page.wait_for_function(_IS_AT_END, arg=chat.log.element_handle(), timeout=PATIENCE_MS)


def test_scrolling_yields_to_the_reader(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    chat, thread = shown(site, open_beside, name, MODEL)
    page = chat.root.page
    latest = chat.root.get_by_test_id("latest")
    run = site.send(thread, TEXT, **gate.params)
    gate.open(2000)
    chat.expect_text(run, TEXT[:1990])
    wait_at_end(chat)
    expect(latest).to_have_count(0)
    chat.log.hover()
    page.mouse.wheel(0, -400)
    expect(latest).to_be_visible()
    place = chat.log.evaluate(_PLACE)
    gate.open(3500)
    chat.expect_text(run, TEXT[:3490])
    assert chat.log.evaluate(_PLACE)["top"] == place["top"]
    assert chat.log.evaluate(_PLACE)["left"] > place["left"]
    latest.click()
    wait_at_end(chat)
    expect(latest).to_have_count(0)
    gate.open()
    chat.expect_status(run, "completed")
    chat.expect_text(run, TEXT)
    wait_at_end(chat)


def test_a_chat_stays_at_its_end_when_its_width_changes(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    chat, thread = shown(site, open_beside, name, MODEL)
    run = site.send(thread, words(150), **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:290])
    chat.stop.click()
    chat.expect_status(run, "cancelled")
    wait_at_end(chat)
    for width in (620, 1280, 560, 900, 1280):
        chat.root.page.set_viewport_size({"width": width, "height": 900})
        wait_for_width(chat, width)
        wait_at_end(chat)
        expect(chat.root.get_by_test_id("latest")).to_have_count(0)


def test_the_wheel_goes_on_to_the_notebook_at_the_end_of_a_chat(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    chat, thread = shown(site, open_beside, name, "demo/echo")
    page = chat.root.page
    site.wait_for(site.send(thread, TEXT), "completed")
    expect(chat.answers).to_have_attribute("data-status", "completed")
    wait_at_end(chat)
    before = chat.root.bounding_box()
    assert before is not None
    chat.log.hover()
    page.mouse.wheel(0, 200)
    page.wait_for_function(
        "([node, top]) => node.getBoundingClientRect().top < top - 50",
        arg=[chat.root.element_handle(), before["y"]],
        timeout=PATIENCE_MS,
    )


def test_a_chat_is_never_higher_than_its_bound_until_it_is_made_so(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    chat, thread = shown(site, open_beside, name, "demo/echo")
    site.wait_for(site.send(thread, TEXT), "completed")
    expect(chat.answers).to_have_attribute("data-status", "completed")
    until(lambda: height_of(chat) >= 440, "the chat is as high as its bound")  # it is drawn then
    wait_at_end(chat)
    height = height_of(chat)
    assert height <= 500
    chat.root.get_by_test_id("resize").focus()
    chat.root.page.keyboard.press("ArrowDown")
    taller = f"node => node.offsetHeight > {height}"
    chat.root.page.wait_for_function(taller, arg=chat.live.element_handle())


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_nothing_a_model_writes_runs_loads_or_leads_away_by_itself(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """That nothing was loaded is asserted for every test, when its pages are closed."""
    chat, thread = shown(site, open_beside, name, "demo/echo")
    page = chat.root.page
    address = page.url
    for content in (HOSTILE, f"```html\n{HOSTILE}\n```"):
        run = site.send(thread, content, chars_per_second=4000)
        chat.expect_status(run, "completed")
        expect(chat.answer(run)).to_contain_text("The end.")
        expect(chat.questions.last).to_contain_text("The end.")
    answer = chat.answers.first
    assert [node.evaluate("one => one.outerHTML") for node in answer.locator(LOADING).all()] == []
    assert answer.locator("[style*=position], [style*=url]").count() == 0
    links = answer.locator("a[href]")
    assert links.count() >= 4
    for link in links.all():
        assert (link.get_attribute("href") or "").startswith("https://example.org/")
        assert link.get_attribute("target") == "_blank"
        assert "noopener" in (link.get_attribute("rel") or "")
    assert page.evaluate("window.isCaught") is None
    assert page.url == address
    with page.expect_popup() as popup:
        answer.get_by_role("link", name="a link", exact=True).click()
    popup.value.close()
    assert page.url == address


def test_no_click_in_a_hostile_answer_runs_or_changes_anything(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """All of the corpus in one answer; that nothing was loaded is asserted when the page closes."""
    path, thread = written(site, name, "demo/echo")
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    page = notebook.page
    cells = notebook.cells()
    corpus = json.loads(CORPUS.read_text(encoding="utf-8"))
    text = "\n\n<!-- -->\n\n".join([*corpus, "````\nThe end."])
    run = site.send(thread, text, chars_per_second=200_000, chunk_chars=2_000)
    chat.expect_status(run, "completed")
    content = chat.answer(run).get_by_test_id("content")
    expect(content).to_contain_text("The end.", timeout=3 * PATIENCE_MS)
    content.evaluate(
        """node => {
          const ours = '.jp-ChatStream-codeButton, .jp-ChatStream-codeButton *';
          for (const one of node.querySelectorAll(`*:not(a[href], ${ours})`)) {
            one.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
          }
        }"""
    )
    names = content.evaluate(
        "node => [...node.querySelectorAll('*')].flatMap(one => one.getAttributeNames())"
    )
    theirs = {name for name in names if name.startswith(("on", "data-", "id", "name", "for"))}
    assert theirs <= {"data-testid", "data-lm-suppress-shortcuts", "data-language"}
    pictures = content.locator(LOADING).evaluate_all(
        "all => all.map(one => one.src ?? one.outerHTML)"
    )
    assert all(picture.startswith("data:image/") for picture in pictures)
    assert page.title() != "ran"
    assert notebook.cells() == cells


def test_a_code_block_is_copied_as_it_was_written(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    chat, thread = shown(site, open_beside, name, "demo/echo")
    page = chat.root.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = "def f(x):\n    return x < 1 and '&amp;'\n"
    run = site.send(thread, f"Look:\n\n```python\n{code}```\n")
    chat.expect_status(run, "completed")
    copy = chat.answer(run).get_by_test_id("copy-code")
    copy.click()
    expect(copy).to_have_attribute("aria-label", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == code.rstrip("\n")


def test_the_tour_reads_the_same_streamed_and_after_a_reload(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    prompt = Prompt(model="tour", turns=(text_turn("user", "Show me"),))
    path, thread = written(site, name, "demo/tour")
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    run = site.send(thread, "Show me", chars_per_second=1500)
    chat.expect_status(run, "completed")
    assert site.messages(thread)[-1]["content"] == answer_to(prompt)
    streamed = what_is_drawn(chat, run)
    assert streamed["tables"] == 1
    assert streamed["codes"] == 2
    assert streamed["formulas"] == 8
    notebook.reload()
    chat.expect_status(run, "completed")
    assert what_is_drawn(chat, run) == streamed


def what_is_drawn(chat: ChatView, run: str) -> dict[str, object]:
    """Return what an ended answer looks like, once its formulas are typeset."""
    content = chat.answer(run).get_by_test_id("content")
    expect(content).to_contain_text("This demo needs no key, and sends nothing to other machines.")
    expect(content).not_to_contain_text("$")
    prose = content.evaluate(
        """node => {
          const copy = node.cloneNode(true);
          copy.querySelectorAll('mjx-container, .MathJax').forEach(one => one.remove());
          return copy.textContent;
        }"""
    )
    return {
        "prose": re.sub(r"\s+", " ", bare(prose)),
        "tables": content.locator("table").count(),
        "codes": content.locator("pre").count(),
        "items": content.locator("li").count(),
        "headings": content.locator("h1, h2, h3").all_text_contents(),
        "formulas": content.locator("mjx-container, .MathJax").count(),
    }
