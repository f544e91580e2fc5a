"""What a notebook file keeps of a chat, and what is shown where only the file is left."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.corpus.seen import HOSTILE
from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.sites import FLAVOURS, Site, until

TEXT = words(120)
COPY = "**You**\n\nIs this kept?\n\n**demo/tour**\n\nThis is what the *file* has kept."


def opening(thread: str, model: str = MODEL) -> dict[str, object]:
    source = f"from jupyter_chat_stream import Chat\nchat = Chat({thread!r}, model={model!r})\nchat"
    return notebooks.code(source)


def test_an_untrusted_copy_streams(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    thread = site.thread(name, MODEL)
    path = notebooks.write(site, name, notebooks.code("1", notebooks.chat_output(thread, COPY)))
    notebook = open_beside(path, kernel=True)
    assert notebook.on_panel("panel => panel.content.widgets[0].model.trusted") is False
    chat = notebook.chat(0)
    chat.expect_live()
    run = site.send(thread, TEXT, **gate.params)
    gate.open(200)
    chat.expect_text(run, TEXT[:190])
    gate.open()
    chat.expect_status(run, "completed")
    chat.expect_text(run, TEXT)
    notebook.assert_grew_into(run, TEXT)
    # Reading along changes nothing in the notebook: there is nothing to save.
    assert notebook.on_panel("panel => panel.context.model.dirty") is False


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_a_thread_this_server_does_not_know_is_shown_as_the_saved_copy(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    output = notebooks.chat_output("01m0000000000000000000000f", COPY)
    path = notebooks.write(site, name, notebooks.code("1", output))
    notebook = open_beside(path)
    saved = notebook.chat(0).root.get_by_test_id("saved-copy")
    expect(saved).to_contain_text("saved copy")
    expect(saved).to_contain_text("This chat is not on this server")
    expect(saved).to_contain_text("This is what the file has kept.")
    expect(notebook.chat(0).field).to_have_count(0)
    notebook.save()
    assert notebooks.copies(site, path) == [COPY]
    notebook.picture("saved-copy")


def test_a_saved_notebook_has_the_answer_and_so_has_its_html(
    site: Site, open_beside: OpenBeside, name: str, tmp_path: Path
) -> None:
    path = notebooks.write(site, name, opening(name), notebooks.text("below"))
    notebook = open_beside(path, kernel=True)
    notebook.run(0)
    until(lambda: notebooks.outputs(site, path), "a fresh chat saves itself")
    run = notebook.chat(0).send(TEXT)
    notebook.chat(0).expect_status(run, "completed")
    whole = f"**You**\n\n{TEXT}\n\n**{MODEL}**\n\n{TEXT}"

    def saved_copies() -> list[str]:
        notebook.save()
        return notebooks.copies(site, path)

    until(lambda: saved_copies() == [whole], "a save writes the copy that the server has sent")
    kept = (site.notebooks / path).read_bytes()
    notebook.save()
    assert (site.notebooks / path).read_bytes() == kept  # notebooks go to git
    html = notebooks.to_html(site, path, tmp_path)
    assert all(word in html for word in TEXT.split())
    assert f"<strong>{MODEL}</strong>" in html


def test_nothing_is_saved_where_it_would_be_refused_or_asked_about(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """The last of three fresh chats is saved; its turn comes after that of the other two."""
    read_only = notebooks.write(site, f"{name}-read-only", opening(f"{name}-1"))
    changed = notebooks.write(site, f"{name}-changed", opening(f"{name}-2"))
    writable = notebooks.write(site, f"{name}-writable", opening(f"{name}-3"))
    first = open_beside(writable, kernel=True)

    def refuse(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "writable": False})

    first.page.route(re.compile(rf"/api/contents/{read_only}(\?|$)"), refuse)
    others = [open_beside(path, kernel=True) for path in (read_only, changed)]
    foreign = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (site.notebooks / changed).write_text(foreign)
    for notebook in (*others, first):
        notebook.show()
        notebook.run(0)
        notebook.chat(0).expect_live()
    until(lambda: notebooks.outputs(site, writable), "the last one saves itself")
    assert first.page.locator(".jp-Dialog").count() == 0
    assert set(first.seen.saves) == {writable}
    assert (site.notebooks / changed).read_text() == foreign


SHOW = """
import json
from jupyter_chat_stream.kernel.messages import Message, Messages
names = ("id", "role", "status", "content", "model", "usage", "error", "run_id", "parent_id", "seq")
known = dict.fromkeys(names) | {"role": "assistant", "status": "completed", "parts": (), "seq": 1}
said = [Message(**known | {"content": text}) for text in json.load(open("hostile.json"))]
for message in said[::2]:
    display(message)
Messages(said[1::2])
"""


def test_what_a_trusted_notebook_shows_of_messages_can_do_nothing(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """Jupyter sanitises nothing of what a cell has just shown."""
    (site.notebooks / "hostile.json").write_text(json.dumps(HOSTILE[::29]))
    notebook = open_beside(notebooks.write(site, name, notebooks.code(SHOW)), kernel=True)
    notebook.run(0)
    shown = notebook.page.locator(".jp-OutputArea-output.jp-RenderedMarkdown")
    expect(shown).to_have_count(len(HOSTILE[::29][::2]) + 1)
    expect(shown.last).to_contain_text("Assistant")
    bad = "script, img, iframe, object, embed, form, input, [onclick], [style*=position]"
    found = shown.locator(f"{bad}, [data-commandlinker-command]").evaluate_all(
        "all => all.filter(one => !one.closest('mjx-container')).map(one => one.outerHTML)"
    )
    assert found == []
    assert notebook.page.title() != "ran"
