"""``GET threads/{id}/export``: a thread as a file, whole, harmless, and somebody's own."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_chat_stream.export import html as html_file
from jupyter_chat_stream.export import markdown
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply

VECTORS = Path(__file__).parents[1] / "vectors"
FENCED = "Look:\n\n```python\nfor x in y:\n    print(x)\n```\n"


async def export(server: ChatServer, thread_id: str, query: str) -> Reply:
    return await server.ask("GET", f"threads/{thread_id}/export?{query}")


async def test_markdown_keeps_what_was_said_as_it_was_said(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(title="Why did *churn* rise?")
    await chat_server.answered(thread_id, FENCED)
    got = await export(chat_server, thread_id, "format=md")
    assert got.status == 200
    assert got.headers["Content-Type"] == "text/markdown; charset=utf-8"
    text = got.body.decode()
    assert text.startswith("# Why did \\*churn\\* rise?\n")
    assert text.count(FENCED.strip()) == 2  # the question, and the echo of it
    assert text.index("## You") < text.index("## demo/echo")


async def test_an_answer_that_has_not_ended_is_marked_and_swallows_nothing(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id})
    slow = {"chars_per_second": 20}
    await chat_server.send(thread_id, "```\nnever closed", model="demo/long", params=slow)
    while not any(e["type"] == "delta" for e in (await socket.next("events"))["events"]):
        pass
    for kind, mark in (("md", "**Partial**"), ("html", "<strong>Partial</strong>")):
        text = (await export(chat_server, thread_id, f"format={kind}")).body.decode()
        assert mark in text
    markdown = (await export(chat_server, thread_id, "format=md")).body.decode()
    before, _, _ = markdown.partition("\n## demo/")
    assert before.count("```") == 2, "the open fence of the question goes on into the answer"
    whole = (await export(chat_server, thread_id, "format=json")).json
    assert whole["messages"][1]["status"] == "processing"
    assert whole["messages"][1]["content"]
    assert whole["messages"][1]["seq"] == whole["seq"]  # L6: folded to the very end of the log


async def test_json_holds_every_branch_and_every_event(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(name="churn")
    first = await chat_server.answered(thread_id, "one")
    retried = await chat_server.ask("POST", f"runs/{first['run']['id']}/retry", {})
    assert retried.status == 202
    await chat_server.answered(thread_id, "two")
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    log = (await chat_server.ask("GET", f"threads/{thread_id}/events?raw=1")).json
    got = (await export(chat_server, thread_id, "format=json&events=1")).json
    assert (got["format"], got["version"]) == ("jupyter-chat-stream/thread", 1)
    assert {name: got[name] for name in state} == state
    assert got["events"] == log["events"]
    assert [event["seq"] for event in got["events"]] == list(range(1, got["seq"] + 1))
    assert "events" not in (await export(chat_server, thread_id, "format=json")).json
    shown = (await export(chat_server, thread_id, "format=md")).body.decode()
    assert "1 more message is on other branches" in shown


async def test_a_notebook_is_valid_and_has_a_cell_for_each_message(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread(title="Churn")
    sent = await chat_server.answered(thread_id, FENCED)
    got = await export(chat_server, thread_id, "format=ipynb")
    notebook: Any = nbformat.reads(got.body.decode(), as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown"] * 3
    assert [cell.id for cell in notebook.cells[1:]] == [sent["message"]["id"], sent["reply"]["id"]]
    assert FENCED.strip() in notebook.cells[1].source


class _Tags(html.parser.HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> ![p](https://e.example/p.png)\n\n"
    "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x) ![d](data:,x)\n\n"
    "$x<script>alert(1)</script>$ and\n\n$$\n<img src=x>\n$$\n\n"
    "```\"><script>alert(1)</script>\nx\n```\n\n[ok](https://e.example/?a=1&b=2 '\"><script>')"
)


async def test_html_stands_alone_and_can_do_nothing(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(title="</title><script>alert(1)</script>")
    context = [{"name": "<script>", "text": "</code></pre><script>alert(1)</script>"}]
    await chat_server.send(thread_id, HOSTILE, context=context)
    await chat_server.answered(thread_id, HOSTILE)
    got = await export(chat_server, thread_id, "format=html")
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    tags = _Tags(got.body.decode()).found
    names = {tag for tag, _ in tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "form", "base"}
    for tag, attributes in tags:
        assert not any(name.startswith("on") or name in ("src", "srcset") for name in attributes)
        assert tag == "a" or "href" not in attributes
        assert re.match(r"(https?://|mailto:|#)", attributes.get("href") or "#")
    assert ("a", "https://e.example/?a=1&b=2") in {(tag, a.get("href")) for tag, a in tags}


@pytest.mark.parametrize(
    ("title", "plain", "whole"),
    [
        ("Churn in Q3", "Churn-in-Q3.md", "Churn-in-Q3.md"),
        ("../../etc/passwd", "etc-passwd.md", "etc-passwd.md"),
        ('a"\r\nSet-Cookie: x', "a-Set-Cookie-x.md", "a-Set-Cookie-x.md"),
        ("CON", "chat-CON.md", "chat-CON.md"),
        ("日本", "chat.md", "%E6%97%A5%E6%9C%AC.md"),
        ("...", "chat.md", "chat.md"),
    ],
)
async def test_the_file_s_name_is_the_thread_s_and_safe(
    chat_server: ChatServer, title: str, plain: str, whole: str
) -> None:
    thread_id = await chat_server.thread(title=title)
    got = await export(chat_server, thread_id, "format=md")
    assert got.headers["Content-Disposition"] == (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"
    )


async def test_what_is_not_there_is_not_exported(start_server: StartServer) -> None:
    server = await start_server()
    thread_id = await server.thread()
    assert (await export(server, thread_id, "format=pdf")).error["code"] == "invalid_input"
    assert (await export(server, "0" * 22, "format=md")).error["code"] == "thread_not_found"
    foreign = await server.service.create_thread("somebody-else", name="theirs")
    assert (await export(server, foreign[0]["id"], "format=json")).status == 404
    await server.ask("DELETE", f"threads/{thread_id}")
    gone = await export(server, thread_id, "format=md")
    assert (gone.status, gone.error["code"]) == (404, "thread_not_found")


async def test_json_may_be_asked_for_by_a_thread_with_no_message(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    for kind in ("md", "html", "ipynb", "json"):
        assert (await export(chat_server, thread_id, f"format={kind}")).status == 200
    empty = json.loads((await export(chat_server, thread_id, "format=json")).body)
    assert (empty["messages"], empty["runs"]) == ([], [])


def test_a_note_of_the_chat_is_a_line_in_italics_and_no_markup() -> None:
    note = "“<b>*chart*.png” was left out: this model reads no images."
    vector = json.loads((VECTORS / "notes.json").read_text("utf-8"))
    message = {**vector["state"]["messages"][-1], "parts": [{"kind": "note", "text": note}]}
    written = "*“&#60;b&#62;\\*chart\\*.png” was left out: this model reads no images.*"
    assert markdown.body(message).startswith(written)
    assert "<em>“&lt;b&gt;*chart*.png” was left out" in html_file.article(message)
