"""Attachments in exports: named in each format, images shown in two, nothing active in any."""

from __future__ import annotations

import base64
import json
from typing import Any

import nbformat
import pytest

from jupyter_chat_stream.export import source
from jupyter_chat_stream.shared.sizes import size_in_words
from tests.server.harness import ChatServer
from tests.server.test_attachments import PDF_WITH_SCRIPT, PNG, uploaded

NAME = 'a"><img src=x onerror=alert(1)>](x).png'


async def exported(server: ChatServer, thread_id: str, form: str) -> str:
    got = await server.ask("GET", f"threads/{thread_id}/export?format={form}")
    assert got.status == 200
    return got.body.decode()


async def thread_with_attachments(server: ChatServer) -> tuple[str, str]:
    """Send an image, an image that is too large for a document, a PDF and a table."""
    image = await uploaded(server, PNG, "image/png", NAME)
    large = await uploaded(server, PNG * 5, "image/png", "large.png")
    report = await uploaded(server, PDF_WITH_SCRIPT, "application/pdf", "report.pdf")
    table = await uploaded(server, b"a,b\n1,2\n", "text/csv", "t.csv")
    thread_id = await server.thread()
    context = [{"name": "t.csv", "text": "2 columns, 1 row", "attachment_id": table}]
    ids = [image, large, report, table]
    await server.send(thread_id, "Look", attachments=ids, context=context)
    return thread_id, image


async def test_every_format_names_attachments_and_two_show_small_images(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_PICTURE_BYTES", len(PNG))
    thread_id, image = await thread_with_attachments(chat_server)
    encoded = base64.b64encode(PNG).decode()
    markdown = await exported(chat_server, thread_id, "md")
    assert f"report.pdf (application/pdf, {len(PDF_WITH_SCRIPT)} bytes)" in markdown
    assert f"large.png (image/png, {size_in_words(len(PNG) * 5)})" in markdown
    assert "2 columns, 1 row" in markdown
    assert encoded not in markdown
    html = await exported(chat_server, thread_id, "html")
    assert html.count("<img ") == 1
    assert f'<img src="data:image/png;base64,{encoded}" alt="a&quot;' in html
    assert "<script" not in markdown + html
    whole = json.loads(await exported(chat_server, thread_id, "json"))
    parts = whole["messages"][0]["parts"]
    assert [part.get("size") for part in parts] == [
        len(PNG),
        5 * len(PNG),
        len(PDF_WITH_SCRIPT),
        8,
        None,
    ]
    notebook: Any = nbformat.reads(await exported(chat_server, thread_id, "ipynb"), as_version=4)
    nbformat.validate(notebook)
    cell = notebook.cells[1]
    assert cell.attachments == {f"{image}.png": {"image/png": encoded}}
    assert f"](attachment:{image}.png)" in cell.source


async def test_a_document_holds_images_up_to_a_bound(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_PICTURES_BYTES", 2 * len(PNG))
    thread_id = await chat_server.thread()
    ids = [await uploaded(chat_server, PNG[:-1] + bytes([n])) for n in range(3)]
    await chat_server.send(thread_id, "Look", attachments=ids)
    html = await exported(chat_server, thread_id, "html")
    assert (html.count("<img "), html.count("<strong>Attached</strong>")) == (2, 1)
