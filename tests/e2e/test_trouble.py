"""What a reader sees of a broken network: at once, and only as long as it is broken."""

from __future__ import annotations

from playwright.sync_api import WebSocketRoute, expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.sites import Site

TEXT = words(120)
# How long the reader waits for the news, in ms: the browser tells the page, and it the reader.
NEWS_MS = 3_000
_OFFLINE = """root => new Promise(resolve => {
  const begun = performance.now();
  const look = () => {
    const state = root.querySelector('[data-testid=status]')?.dataset.state;
    if (state === 'reconnecting') {
      resolve(performance.now() - begun);
    } else {
      requestAnimationFrame(look);
    }
  };
  window.dispatchEvent(new Event('offline'));
  look();
})"""


class Mutable:
    """A network that can swallow what the sockets of chats send, as one without a link does."""

    def __init__(self) -> None:
        self.is_mute = False

    def route(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        page_side.on_message(lambda frame: self.is_mute or server_side.send(frame))
        server_side.on_message(lambda frame: self.is_mute or page_side.send(frame))


def test_a_dead_network_is_shown_at_once_and_heals_without_a_gap(
    site: Site, open_notebook: Open, name: str, gate: AnswerGate
) -> None:
    """L6: what came while the network was dead is not lost."""
    network = Mutable()
    thread = site.thread(name, MODEL)
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    notebook = open_notebook(site, path, kernel=False, through=network.route)
    chat = notebook.chat(0)
    chat.expect_live()
    # A browser without a network still reaches a server on its own machine.
    notebook.page.evaluate("() => window.dispatchEvent(new Event('offline'))")
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:250])
    expect(chat.status).to_have_attribute("data-state", "streaming")
    network.is_mute = True
    took_ms = float(chat.root.evaluate(_OFFLINE))
    assert took_ms < NEWS_MS
    notebook.picture("offline")
    gate.open()
    site.wait_for(run, "completed")
    network.is_mute = False
    notebook.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    chat.expect_status(run, "completed")
    chat.expect_live()
    notebook.assert_grew_into(run, TEXT)
    assert chat.root.locator(".jp-ChatStream-dots, .jp-mod-tail").count() == 0
