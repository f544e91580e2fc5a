"""The view of a chat is loaded when the first chat is drawn, and may arrive late or not at all."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, Route, expect

from scripts.bundle_sizes import files
from tests.e2e import notebooks
from tests.e2e.conftest import expect_good_behaviour
from tests.e2e.pages import PATIENCE_MS, NotebookPage
from tests.e2e.sites import Site


def test_chats_are_drawn_in_order_after_a_view_that_could_not_be_loaded_at_first(
    site: Site, profile: BrowserContext, name: str
) -> None:
    late = {file.name for file in files() if not file.is_start}
    loaded: list[str] = []
    stopped: list[Route] = []
    page = profile.new_page()

    def stop(route: Route) -> None:
        stopped.append(route)
        route.abort()

    page.on("request", lambda request: loaded.append(Path(request.url.split("?")[0]).name))
    page.route(lambda url: Path(url.split("?")[0]).name in late, stop)
    threads = [site.thread(f"{name}-{number}", "demo/echo") for number in range(2)]
    for number, thread in enumerate(threads):
        site.wait_for(site.send(thread, f"Question {number}"), "completed")
    cells = [
        notebooks.code("1", notebooks.chat_output(thread, f"A copy of {number}"))
        for number, thread in enumerate(threads)
    ]
    plain = notebooks.write(site, f"{name}-plain", notebooks.text("No chat here."))
    first = NotebookPage(page, site, plain, name)
    first.seen.was_server_killed = True  # the browser notes each stopped request as an error
    first.open(kernel=False)
    assert not late & set(loaded), "a page without a chat loads no view"
    notebook = first.also(notebooks.write(site, name, *cells), kernel=False)
    notebook.seen.was_server_killed = True
    chats = [notebook.chats_in(number) for number in range(2)]
    for number, chat in enumerate(chats):
        expect(chat).to_contain_text("could not load the chat", timeout=PATIENCE_MS)
        expect(chat.locator("pre")).to_have_text(f"A copy of {number}")
    assert stopped
    page.unroute_all()
    for chat in chats:
        chat.get_by_test_id("view-again").click()
    for number, chat in enumerate(chats):
        expect(chat.get_by_test_id("live")).to_have_attribute(
            "data-link", "live", timeout=PATIENCE_MS
        )
        expect(chat.get_by_test_id("content").first).to_have_text(f"Question {number}")
        expect(chat.get_by_test_id("view-loading")).to_have_count(0)
    page.close()
    expect_good_behaviour([first, notebook])
