"""Where WebSockets do not pass, the page follows by polling and says nothing wrong (L6)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.sites import Site, until
from tests.proxy import Proxy

TEXT = words(200)


@pytest.fixture
def proxy(site: Site) -> Iterator[Proxy]:
    with Proxy(site.port) as proxy:
        yield proxy


def behind(site: Site, proxy: Proxy) -> Site:
    """The same server, reached through a proxy."""
    through = copy.copy(site)
    through.port = proxy.port
    return through


@pytest.mark.parametrize("sockets", ["refused", "swallowed"])
def test_an_answer_streams_where_no_socket_passes(
    site: Site,
    proxy: Proxy,
    open_notebook: Open,
    name: str,
    gate: AnswerGate,
    sockets: Literal["refused", "swallowed"],
) -> None:
    proxy.without_sockets(sockets)
    thread, other = site.thread(name, MODEL), site.thread(f"{name}-other", "demo/echo")
    cells = [notebooks.code("1", notebooks.chat_output(each, "")) for each in (thread, other)]
    path = notebooks.write(site, name, *cells)
    notebook = open_notebook(behind(site, proxy), path, kernel=False)
    notebook.seen.was_server_killed = True  # the browser notes the sockets that were refused
    chat, second = notebook.chat(0), notebook.chat(1)
    chat.expect_live()
    second.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:290])
    expect(chat.status).to_have_attribute("data-state", "streaming")
    answer = second.send("Said meanwhile, in the other chat")
    second.expect_text(answer, "Said meanwhile, in the other chat")
    gate.open()
    chat.expect_status(run, "completed")
    notebook.assert_grew_into(run, TEXT)
    stopped = site.send(thread, TEXT, **gate.params)
    gate.open(0)
    chat.stop.click()
    chat.expect_status(stopped, "cancelled")
    assert proxy.upgrades >= 1
    chat.expect_live()

    proxy.without_sockets("pass")
    proxy.cut()
    notebook.page.evaluate("window.dispatchEvent(new Event('online'))")
    again = site.send(thread, TEXT, **gate.params)
    gate.open()
    chat.expect_status(again, "completed")
    notebook.assert_grew_into(again, site.messages(thread)[-1]["content"])


def test_an_ended_login_is_said_and_the_page_recovers(
    site: Site, open_notebook: Open, name: str, proxy: Proxy
) -> None:
    thread = site.thread(name, "demo/echo")
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    notebook = open_notebook(behind(site, proxy), path, kernel=False)
    notebook.seen.was_server_killed = True
    chat, page = notebook.chat(0), notebook.page
    chat.expect_live()
    proxy.is_signed_out = True
    proxy.cut()
    expect(chat.status).to_have_text(
        "You are signed out. Reload this page to sign in again.", timeout=PATIENCE_MS
    )
    chat.field.fill("Is it kept?")
    chat.field.press("Enter")
    expect(chat.root.get_by_test_id("problem")).to_contain_text("You are signed out")
    expect(chat.field).to_have_value("Is it kept?")
    proxy.is_signed_out = False
    page.evaluate("window.dispatchEvent(new Event('online'))")
    chat.expect_live()
    chat.field.press("Enter")
    until(lambda: len(site.messages(thread)) == 2, "the message")
