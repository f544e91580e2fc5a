"""Attachments over HTTP: uploads that stream, downloads that no browser renders as a page."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from jupyter_chat_stream.store.front import PIECE_BYTES, StoredAttachment
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply, until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 64
PDF_WITH_SCRIPT = (
    b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(document.cookie))>>>>endobj\n"
    b"<script>alert(1)</script>\n%%EOF\n"
)
MB = 1024 * 1024


async def upload(
    server: ChatServer,
    data: bytes,
    type_: str = "image/png",
    name: str = "plot.png",
    headers: dict[str, str] | None = None,
) -> Reply:
    own = server.headers if headers is None else headers
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    sent = {**own, "Content-Type": type_, "Content-Disposition": disposition}
    return await server.ask("POST", "attachments", data, headers=sent)


async def uploaded(server: ChatServer, data: bytes = PNG, *words: str) -> str:
    reply = await upload(server, data, *words)
    assert reply.status == 201, reply.body
    return str(reply.json["id"])


def count(server: ChatServer, table: str) -> int:
    core = server.service.store.core
    return int(core.read_now(lambda c: c.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar()))


async def test_an_image_of_19_mb_comes_back_byte_for_byte(chat_server: ChatServer) -> None:
    data = PNG + hashlib.sha256(b"noise").digest() * (19 * MB // 32)
    made = await upload(chat_server, data, name="Größe/../Bild 1.png")
    assert made.status == 201
    assert made.json == {
        "id": made.json["id"],
        "name": "Bild 1.png",
        "type": "image/png",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    got = await chat_server.ask("GET", f"attachments/{made.json['id']}")
    assert got.body == data
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Content-Disposition"].startswith("inline; ")


async def sent_in_pieces(server: ChatServer, pieces: int) -> AsyncIterator[bytes]:
    """Upload a text piece by piece, then yield its bytes as they come back."""
    where = urlsplit(server.url)
    piece = b"x" * PIECE_BYTES
    head = "{} %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token %s\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    about = f"Content-Type: text/plain\r\nContent-Length: {pieces * PIECE_BYTES}\r\n\r\n"
    path = f"{where.path}attachments"
    writer.write((head.format("POST") % (path, server.token) + about).encode())
    for _ in range(pieces):
        writer.write(piece)
        await writer.drain()
    made = json.loads((await reader.read()).split(b"\r\n\r\n")[1])
    writer.close()
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write((head.format("GET") % (f"{path}/{made['id']}", server.token) + "\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    while data := await reader.read(PIECE_BYTES):
        yield data
    writer.close()


async def test_the_server_holds_few_pieces_of_a_file_of_19_mb(chat_server: ChatServer) -> None:
    """The peak holds the client's own pieces, too: all of it is one process."""
    pieces = 19 * MB // PIECE_BYTES
    came = 0
    tracemalloc.start()
    try:
        async for data in sent_in_pieces(chat_server, pieces):
            came += len(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert came == pieces * PIECE_BYTES
    assert peak < 5 * MB, f"{peak / MB:.1f} MB"


async def test_a_message_holds_its_attachments(chat_server: ChatServer) -> None:
    image = await uploaded(chat_server)
    table = await uploaded(chat_server, b"a,b\n1,2\n", "text/csv", "t.csv")
    thread = await chat_server.thread()
    context = [
        {"name": "note", "text": "plain"},
        {"name": "t.csv", "text": "2 columns", "attachment_id": table},
    ]
    sent = await chat_server.send(thread, "", attachments=[image, table], context=context)
    assert sent["message"]["parts"] == [
        {"kind": "attachment", "name": "note", "text": "plain"},
        {
            "kind": "attachment",
            "name": "plot.png",
            "text": "",
            "attachment_id": image,
            "type": "image/png",
            "size": len(PNG),
        },
        {
            "kind": "attachment",
            "name": "t.csv",
            "text": "2 columns",
            "attachment_id": table,
            "type": "text/csv",
            "size": 8,
        },
    ]
    assert sent["message"]["content"] == ""


async def test_the_attachment_of_another_user_is_like_none(
    chat_server: ChatServer, start_server: StartServer
) -> None:
    """Guards L16 for attachments: status, body and sentence are the same."""
    other = {"Authorization": f"token {chat_server.host.token_of('ada')}"}
    theirs = (await upload(chat_server, PNG, headers=other)).json["id"]
    thread = await chat_server.thread()
    nobodys = "0" * 22
    answers = []
    for id_ in (theirs, nobodys):
        got = await chat_server.ask("GET", f"attachments/{id_}")
        deleted = await chat_server.ask("DELETE", f"attachments/{id_}")
        body = {"content": "x", "attachments": [id_]}
        sent = await chat_server.ask("POST", f"threads/{thread}/messages", body)
        assert [each.status for each in (got, deleted, sent)] == [404, 404, 404]
        answers.append([each.body.replace(id_.encode(), b"ID") for each in (got, deleted, sent)])
    assert answers[0] == answers[1]
    assert sent.error["code"] == "attachment_not_found"
    assert (await chat_server.ask("GET", f"attachments/{theirs}", headers=other)).body == PNG
    state = await chat_server.ask("GET", f"threads/{thread}/messages")
    assert state.json["messages"] == [], "a refused message leaves nothing"


async def test_a_lying_type_is_corrected_or_refused(chat_server: ChatServer) -> None:
    corrected = await upload(chat_server, JPEG, "image/png")
    assert (corrected.status, corrected.json["type"]) == (201, "image/jpeg")
    for data, claimed in ((b"<script>alert(1)</script>", "image/png"), (PNG, "application/pdf")):
        refused = await upload(chat_server, data, claimed)
        assert (refused.status, refused.error["code"]) == (415, "attachment_type_refused")
    assert count(chat_server, "blob") == 1


async def test_a_type_of_60_kb_is_refused_and_comes_back_cut(chat_server: ChatServer) -> None:
    refused = await upload(chat_server, b"a", "text/" + "x" * 60_000)
    assert (refused.status, refused.error["code"]) == (415, "attachment_type_refused")
    assert refused.error["type"] == "text/" + "x" * 95
    assert len(refused.body) < 1000
    assert count(chat_server, "blob") == 0


async def test_a_text_that_breaks_after_a_megabyte_leaves_nothing(chat_server: ChatServer) -> None:
    made = await upload(chat_server, b"a" * MB + b"\0", "text/plain")
    assert made.status == 415
    assert [count(chat_server, table) for table in ("blob", "blob_piece", "attachment")] == [0] * 3


@pytest.mark.parametrize(
    ("data", "type_", "name"),
    [
        (PDF_WITH_SCRIPT, "application/pdf", "report.pdf"),
        (b"<script>alert(1)</script>", "text/html", "page.html"),
        (b"<svg onload='alert(1)'/>", "image/svg+xml", "drawing.svg"),
        (b"alert(1)", "text/javascript", "code.js"),
    ],
)
async def test_active_content_is_served_sandboxed_and_as_a_download(
    chat_server: ChatServer, data: bytes, type_: str, name: str
) -> None:
    made = await upload(chat_server, data, type_, name)
    got = await chat_server.ask("GET", f"attachments/{made.json['id']}")
    assert got.body == data
    headers = got.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert headers["Content-Type"] in ("application/pdf", "text/plain; charset=utf-8")


async def test_too_large_is_said_by_its_own_code(start_server: StartServer) -> None:
    server = await start_server(ChatStream_max_attachment_bytes=1000)
    refused = await upload(server, b"x" * 1001, "text/plain")
    assert (refused.status, refused.error["code"]) == (413, "attachment_too_large")
    assert refused.error["max_bytes"] == 1000
    assert (await upload(server, b"x" * 1000, "text/plain")).status == 201
    assert (await upload(server, b"", "text/plain")).status == 400


async def test_a_body_of_unknown_length_is_bounded_too(start_server: StartServer) -> None:
    server = await start_server(ChatStream_max_attachment_bytes=2 * PIECE_BYTES)
    chunk = b"%x\r\n%s\r\n" % (PIECE_BYTES, b"x" * PIECE_BYTES)
    head = await raw(server, b"Transfer-Encoding: chunked\r\n", chunk * 3 + b"0\r\n\r\n")
    assert b" 413 " in head
    await until(lambda: count(server, "blob") == 0)
    head = await raw(server, b"Transfer-Encoding: chunked\r\n", chunk * 2 + b"0\r\n\r\n")
    assert b" 201 " in head


async def raw(server: ChatServer, headers: bytes, body: bytes, *, is_cut: bool = False) -> bytes:
    """Send a request by hand; returns the first line of the response."""
    where = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        b"POST %sattachments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        b"Authorization: token %s\r\n%s\r\n" % (where.path.encode(), server.token.encode(), headers)
    )
    writer.write(body)
    await writer.drain()
    try:
        return b"" if is_cut else await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("sent", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
async def test_an_upload_that_is_cut_leaves_nothing(chat_server: ChatServer, sent: int) -> None:
    size = 4 * PIECE_BYTES
    await raw(chat_server, b"Content-Length: %d\r\n" % size, b"x" * sent, is_cut=True)
    # The server answers another request only after it has read what came before the cut.
    assert (await chat_server.ask("GET", "status")).status == 200
    await until(lambda: count(chat_server, "blob_piece") + count(chat_server, "blob") == 0)
    assert count(chat_server, "attachment") == 0


async def test_no_user_fills_the_disk_with_what_nobody_sends(start_server: StartServer) -> None:
    server = await start_server(ChatStream_max_attachment_bytes=1000)
    ids = [await uploaded(server, b"%04d" % n * 250, "text/plain") for n in range(20)]
    refused = await upload(server, b"x", "text/plain")
    assert (refused.status, refused.error["code"]) == (409, "too_much_unsent")
    other = {"Authorization": f"token {server.host.token_of('ada')}"}
    assert (await upload(server, b"x", "text/plain", headers=other)).status == 201
    assert (await server.ask("DELETE", f"attachments/{ids[0]}")).status == 204
    assert (await upload(server, b"x", "text/plain")).status == 201
    await server.send(await server.thread(), attachments=ids[1:])
    assert (await upload(server, b"y" * 1000, "text/plain")).status == 201
    held = await server.ask("DELETE", f"attachments/{ids[1]}")
    assert (held.status, held.error["code"]) == (409, "attachment_in_use")


async def test_a_download_whose_bytes_are_deleted_meanwhile_is_cut_and_never_looks_whole(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards L16, too: another user's upload comes at once after the deletion."""
    other = {"Authorization": f"token {chat_server.host.token_of('ada')}"}
    id_ = await uploaded(chat_server, b"x" * (3 * PIECE_BYTES), "text/plain")
    read = chat_server.service.store.attachments.piece

    async def piece(stored: StoredAttachment, n: int) -> bytes:
        if n == 1:
            await chat_server.service.delete_attachment("local", id_)
            secret = b"y" * (3 * PIECE_BYTES)
            assert (await upload(chat_server, secret, "text/plain", headers=other)).status == 201
        return bytes(await read(stored, n))

    monkeypatch.setattr(chat_server.service.store.attachments, "piece", piece)
    with pytest.raises(HTTPStreamClosedError):
        await chat_server.ask("GET", f"attachments/{id_}")
    assert (await chat_server.ask("GET", f"attachments/{id_}")).status == 404


async def test_an_upload_needs_a_token_and_the_right_to_write(chat_server: ChatServer) -> None:
    refused = await upload(chat_server, PNG, headers={"Authorization": "token wrong"})
    assert refused.status == 403
    assert count(chat_server, "blob") == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": "", "context": [{"name": "a", "text": "b"}]}, "content"),
        ({"attachments": ["A"] * 2}, "attachments"),
        ({"attachments": [str(n) for n in range(21)]}, "attachments"),
        ({"context": [{"name": "a", "text": "b", "attachment_id": "A"}]}, "context"),
    ],
)
async def test_a_message_with_wrong_attachments_names_the_field(
    chat_server: ChatServer, fields: dict[str, Any], field: str
) -> None:
    thread = await chat_server.thread()
    body = {"content": "x", **fields}
    refused = await chat_server.ask("POST", f"threads/{thread}/messages", body)
    assert (refused.status, refused.error["field"]) == (400, field)


async def test_a_key_recalls_a_message_with_attachments(chat_server: ChatServer) -> None:
    """Guards L11: the attachments are part of the compared body."""
    first, second = await uploaded(chat_server), await uploaded(chat_server, PNG + b".")
    thread = await chat_server.thread()
    path, headers = f"threads/{thread}/messages", {**chat_server.headers, "Idempotency-Key": "k"}
    bodies = [{"content": "x", "attachments": [id_]} for id_ in (first, first, second)]
    sent = [await chat_server.ask("POST", path, body, headers=headers) for body in bodies]
    assert [each.status for each in sent] == [202, 202, 409]
    assert sent[0].json["message"]["id"] == sent[1].json["message"]["id"]


async def test_a_cell_that_runs_again_uses_up_no_quota(start_server: StartServer) -> None:
    """Guards L11: not even the 25th time, and a response that is lost can be asked for again."""
    server = await start_server(ChatStream_max_attachment_bytes=1000)
    path = f"threads/{await server.thread()}/messages"
    headers = {**server.headers, "Idempotency-Key": "q3"}
    for _ in range(25):
        id_ = await uploaded(server, b"x" * 1000, "text/plain", "a.txt")
        body = {"content": "See", "attachments": [id_]}
        for _ in range(2):
            assert (await server.ask("POST", path, body, headers=headers)).status == 202
    assert count(server, "message_attachment") == 1


async def test_a_cell_that_runs_again_uploads_again_and_sends_once_l11(
    chat_server: ChatServer,
) -> None:
    """Guards L11: under a key, an attachment is compared by its bytes, not by its new id."""
    thread = await chat_server.thread()

    async def sent(data: bytes, text: str = "2 columns") -> Reply:
        table = await uploaded(chat_server, data, "text/csv", "t.csv")
        body = {
            "content": "See",
            "attachments": [table],
            "context": [{"name": "t.csv", "text": text, "attachment_id": table}],
        }
        headers = {**chat_server.headers, "Idempotency-Key": "q3"}
        path = f"threads/{thread}/messages"
        return await chat_server.ask("POST", path, body, headers=headers)

    first, again = await sent(b"a,b\n"), await sent(b"a,b\n")
    assert first.status == again.status == 202
    assert again.json["message"] == first.json["message"]
    assert count(chat_server, "message_attachment") == 1
    for other in (await sent(b"a,c\n"), await sent(b"a,b\n", "3 columns")):
        assert (other.status, other.json["error"]["code"]) == (409, "idempotency_mismatch")
