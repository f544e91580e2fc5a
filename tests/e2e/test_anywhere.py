"""What holds on each page a chat is seen on: JupyterLab, the newest and 4.2, and Notebook 7.

L6 is guarded here where the reader sees it: in the text on the page, at every moment.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.sites import FLAVOURS, Site, until

everywhere = pytest.mark.parametrize("site", FLAVOURS, indirect=True)
TEXT = words(240)


def opening(thread: str) -> dict[str, object]:
    return notebooks.code(
        f"from jupyter_chat_stream import Chat\nchat = Chat({thread!r}, model={MODEL!r})\nchat"
    )


def sending(text: str, gate: AnswerGate) -> dict[str, object]:
    return notebooks.code(f"run = chat.send({text!r}, params={gate.params!r})\nrun")


@everywhere
def test_an_answer_streams_into_both_its_outputs(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    path = notebooks.write(site, name, opening(name), sending(TEXT, gate))
    notebook = open_beside(path, kernel=True)
    notebook.run(0, 1)
    chat, exchange = notebook.chat(0), notebook.chat(1)
    (run,) = site.runs(chat.thread)
    expect(chat.stop).to_be_visible()  # before the first character
    gate.open(700)
    chat.expect_text(run["id"], TEXT[:690])
    expect(chat.status).to_have_attribute("data-state", "streaming")
    notebook.picture("streaming")
    gate.open()
    for view in (chat, exchange):
        view.expect_status(run["id"], "completed")
        view.expect_text(run["id"], TEXT)
    assert notebook.assert_grew_into(run["id"], TEXT, views=2) > 10
    assert site.messages(chat.thread)[-1]["content"] == TEXT
    notebook.picture("completed")


@everywhere
def test_an_answer_goes_on_over_kernel_restarts_and_reloads(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    path = notebooks.write(site, name, opening(name), sending(TEXT, gate))
    notebook = open_beside(path, kernel=True)
    notebook.run(0, 1)
    chat = notebook.chat(0)
    (run,) = site.runs(chat.thread)
    gate.open(200)
    chat.expect_text(run["id"], TEXT[:190])
    # Fresh outputs save themselves: nobody presses Ctrl-S here.
    until(lambda: len(notebooks.outputs(site, path)) == 2, "the notebook saves itself")

    notebook.restart_kernel()
    gate.open(400)
    chat.expect_text(run["id"], TEXT[:390])
    notebook.assert_grew_steadily(run["id"])

    notebook.reload()
    chat.expect_text(run["id"], TEXT[:390])
    gate.open(600)
    chat.expect_text(run["id"], TEXT[:590])
    notebook.assert_grew_steadily(run["id"])

    notebook.wait(kernel=True)
    notebook.restart_kernel()
    notebook.reload()
    chat.expect_text(run["id"], TEXT[:590])
    expect(chat.status).to_have_attribute("data-state", "streaming")
    gate.open()
    chat.expect_status(run["id"], "completed")
    chat.expect_text(run["id"], TEXT)
    notebook.assert_grew_into(run["id"], TEXT)
    assert site.messages(chat.thread)[-1]["content"] == TEXT
    assert [cell["count"] for cell in notebook.cells()] == [1, 2]
