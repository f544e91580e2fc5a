"""A long thread: only what is near the screen is drawn, and the reader keeps the place."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import words
from tests.e2e.pages import PATIENCE_MS, ChatView
from tests.e2e.sites import Site
from tests.e2e.test_reading import wait_at_end, written

EXCHANGES = 24
_FIRST = """log => {
  const top = log.getBoundingClientRect().top;
  const row = [...log.querySelectorAll('[data-row]')]
    .find(one => one.getBoundingClientRect().bottom > top);
  return { id: row.dataset.row, offset: row.getBoundingClientRect().top - top };
}"""
# Scrolls up by half a screen, and waits until nothing on the screen is a box without its content.
_UP = """async log => {
  log.dispatchEvent(new WheelEvent('wheel', { deltaY: -1 }));
  log.scrollTop -= log.clientHeight / 2;
  const { left, top, width, height } = log.getBoundingClientRect();
  for (let frame = 0; frame < 600; frame += 1) {
    await new Promise(resolve => requestAnimationFrame(resolve));
    const seen = document.elementsFromPoint(left + width / 2, top + height / 2);
    if (!seen.some(node => node.dataset.testid === 'undrawn')) {
      return log.scrollTop;
    }
  }
  throw new Error('a message on the screen is not drawn');
}"""


def drawn_count(chat: ChatView) -> int:
    return chat.answers.count() + chat.questions.count()


def test_a_long_thread_is_drawn_where_it_is_read_and_keeps_its_place_over_a_reload(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    path, thread = written(site, name, "demo/echo")
    for number in range(EXCHANGES):
        run = site.send(thread, f"Part {number}\n\n{words(120)}", chars_per_second=1_000_000)
    site.wait_for(run, "completed")
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_status(run, "completed")
    wait_at_end(chat)
    articles = chat.log.locator("article")
    expect(articles).to_have_count(2 * EXCHANGES)
    assert drawn_count(chat) < EXCHANGES
    expect(articles.first).to_have_attribute("aria-setsize", str(2 * EXCHANGES))
    expect(articles.nth(4)).to_have_attribute("aria-posinset", "5")
    expect(articles.first).to_contain_text("Part 0")  # for the browser's search and for selections

    log = chat.log.element_handle()
    assert log is not None
    for _ in range(8):
        log.evaluate(_UP)
    expect(chat.root.get_by_test_id("latest")).to_have_text("↓ Latest")
    place = log.evaluate(_FIRST)
    notebook.reload()
    latest = chat.root.get_by_test_id("latest")
    expect(latest).to_be_visible(timeout=PATIENCE_MS)
    again = chat.log.evaluate(_FIRST)
    assert again["id"] == place["id"]
    assert abs(again["offset"] - place["offset"]) <= 2

    site.wait_for(site.send(thread, "Something new"), "completed")
    expect(latest).to_have_text("↓ 2 new messages", timeout=PATIENCE_MS)
    assert chat.log.evaluate(_FIRST)["id"] == place["id"]
    latest.click()
    wait_at_end(chat)
    expect(chat.answers.last).to_contain_text("Something new")
    expect(latest).to_have_count(0)
    log = chat.log.element_handle()
    assert log is not None
    while log.evaluate(_UP) > 0:
        pass
    expect(chat.questions.first).to_contain_text("Part 0")
