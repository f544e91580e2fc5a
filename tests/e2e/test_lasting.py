"""An answer outlives whoever shows it, and the server that makes it (L6, L8, L10)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.sites import Site

TEXT = words(200)


def test_an_answer_goes_on_after_the_server_was_killed_and_started_again(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    thread = site.thread(name, MODEL)
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    notebook = open_beside(path)
    notebook.seen.was_server_killed = True
    chat = notebook.chat(0)
    chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    chat.expect_text(run, TEXT[:290])
    notebook.wait_for_layout()

    site.kill()
    expect(chat.status).to_have_attribute("data-state", "reconnecting")
    notebook.picture("reconnecting", in_all_looks=False)
    site.start()
    gate.open(500)
    chat.expect_text(run, TEXT[:490])
    notebook.assert_grew_steadily(run)

    site.kill()
    site.start()
    notebook.reload()
    chat.expect_text(run, TEXT[:490])
    gate.open()
    chat.expect_status(run, "completed")
    chat.expect_text(run, TEXT)
    notebook.assert_grew_into(run, TEXT)
    assert site.messages(thread)[-1]["content"] == TEXT
    assert [(one["id"], one["attempt"]) for one in site.runs(thread)] == [(run, 3)]


def test_two_tabs_of_a_notebook_move_together_and_closing_both_stops_nothing(
    site: Site, open_beside: OpenBeside, open_notebook: Open, name: str, gate: AnswerGate
) -> None:
    thread = site.thread(name, MODEL)
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, "")))
    tabs = [open_beside(path), open_notebook(site, path, kernel=False)]
    chats = [tab.chat(0) for tab in tabs]
    for chat in chats:
        chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(300)
    for chat in chats:
        chat.expect_text(run, TEXT[:290])
    gate.open()
    for tab, chat in zip(tabs, chats, strict=True):
        chat.expect_status(run, "completed")
        chat.expect_text(run, TEXT)
        tab.assert_grew_into(run, TEXT)
    answer = chats[0].send("Said in the first tab")
    chats[1].expect_text(answer, "Said in the first tab")
    chats[1].field.fill("a draft of the second tab")
    expect(chats[0].field).to_have_value("")

    # Closing both stops nothing.
    gate.open(0)
    run = site.send(thread, TEXT, **gate.params)
    gate.open(100)
    chats[1].expect_text(run, TEXT[:90])
    tabs[0].close()
    tabs[1].page.close()
    gate.open()
    site.wait_for(run, "completed")
    assert site.messages(thread)[-1]["content"] == TEXT
