"""Nothing hostile in a title, a name, a file name or a snippet runs or loads anything."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.corpus.seen import HOSTILE
from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.sites import Site

SHORT = 180  # characters: a title may have 200
MOST = 40
# Texts that turn the order of what follows, or look like another word.
BIDI = ("\u202egnp.exe", "\u2066\u2067abc", "paypa\u0430l", "\u200b", "a\u0301" * 80)
LOADING = "script, iframe, object, embed, form, style, link, svg [href], img[src^='http'], math"
WORD = "zebra"


def hostile_titles() -> list[str]:
    """Choose texts of the corpus that fit a title, of each beginning one."""
    by_beginning: dict[str, str] = {}
    for text in HOSTILE:
        line = " ".join(text.split())
        if len(line) <= SHORT:
            by_beginning.setdefault(line[:12].lower(), line)
    chosen = list(by_beginning.values())
    step = max(1, len(chosen) // MOST)
    return [*chosen[::step], *BIDI]


def test_no_title_name_or_snippet_of_the_list_runs_or_loads_anything(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """That nothing left the machine is asserted when the page is closed."""
    titles = hostile_titles()
    for number, title in enumerate(titles):
        thread = site.thread(f"{name}-{number}", "demo/echo")
        site.chat("PATCH", f"threads/{thread}", {"title": title})
    content = f"{WORD} {' '.join(titles)}"[:20_000]
    site.wait_for(site.send(thread, content, chars_per_second=200_000), "completed")
    notebook = open_beside(notebooks.write(site, name, notebooks.code("1")))
    page = notebook.page
    before = page.title()
    page.evaluate("window.jupyterapp.commands.execute('chat-stream:show').then(() => null)")
    panel = page.get_by_test_id("panel")
    expect(panel.get_by_test_id("thread-row").first).to_be_visible()
    search = panel.get_by_test_id("thread-search")
    search.fill(WORD)
    snippet = panel.get_by_test_id("thread-snippet").first
    expect(snippet).to_contain_text(WORD)
    search.fill("")
    expect(panel.get_by_test_id("thread-row").first).to_be_visible()
    assert panel.locator(LOADING).count() == 0
    attributes = panel.evaluate(
        """node => [...new Set([...node.querySelectorAll('*')]
          .flatMap(each => each.getAttributeNames()).filter(name => name.startsWith('on')))]"""
    )
    assert attributes == []
    for handle in panel.get_by_test_id("thread-title").all():
        box = handle.bounding_box()
        outer = panel.bounding_box()
        assert box is not None
        assert outer is not None
        assert box["x"] >= outer["x"] - 1
        assert box["height"] < 80, "a title takes one or two lines, whatever it holds"
    assert page.title() == before


def test_a_hostile_file_name_is_text_in_the_composer_and_in_the_message(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    thread = site.thread(name, "demo/echo")
    cell = notebooks.code("1", notebooks.chat_output(thread, ""))
    notebook = open_beside(notebooks.write(site, name, cell))
    chat = notebook.chat(0)
    chat.expect_live()
    names = [
        "<img src=x onerror=document.title='ran'>.txt",
        "\u202egnp.txt",
        "a\u0301" * 60 + ".txt",
    ]
    before = notebook.page.title()
    chat.root.get_by_test_id("attach-input").set_input_files(
        [{"name": each, "mimeType": "text/plain", "buffer": b"text"} for each in names]
    )
    expect(chat.root.get_by_test_id("chip")).to_have_count(len(names))
    run = chat.send("What are these files?")
    chat.expect_status(run, "completed")
    question = chat.questions.last
    expect(question).to_contain_text("<img src=x onerror=document.title='ran'>.txt")
    assert question.locator("img[src=x], script").count() == 0
    assert notebook.page.title() == before
