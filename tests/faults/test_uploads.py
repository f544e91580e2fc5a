"""A server that is killed in the middle of an upload leaves nothing that stays."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_chat_stream.store.chat.attachments import PIECE_BYTES, UPLOAD_EXPIRES_MS
from jupyter_chat_stream.store.front import ChatStore, Counts, Policy, system_now_ms
from tests.faults.databases import FaultyDatabase
from tests.faults.harness import TOKEN, Server
from tests.faults.processes import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SIZE = 8 * PIECE_BYTES
KEEPS = Policy(keep_events_ms=None, retention_ms=None)


async def half_an_upload(server: Server, sent: int) -> asyncio.StreamWriter:
    """Send the beginning of a body, and leave the connection open."""
    where = urlsplit(server.url)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        f"POST {where.path}attachments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIZE}\r\n"
        f"Content-Type: text/plain\r\nAuthorization: token {TOKEN}\r\n\r\n".encode()
    )
    writer.write(b"x" * sent)
    await writer.drain()
    return writer


@pytest.mark.parametrize("pieces", [1, 5])
async def test_a_server_killed_in_the_middle_of_an_upload_leaves_nothing(
    make_server: Any, faulty_database: FaultyDatabase, pieces: int
) -> None:
    """What it had written is whole, is nobody's attachment, and is deleted after an hour."""
    database = faulty_database
    server = make_server(**database.settings)
    await server.start()
    writer = await half_an_upload(server, pieces * PIECE_BYTES + 7)

    async def arrived() -> bool:
        return database.rows("SELECT COUNT(*) FROM blob_piece")[0][0] == pieces

    await eventually(arrived, what=f"{pieces} pieces of an upload")
    server.kill()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    database.assert_whole()
    assert database.rows("SELECT COUNT(*) FROM attachment")[0][0] == 0
    late = lambda: system_now_ms() + UPLOAD_EXPIRES_MS  # noqa: E731
    store = await asyncio.to_thread(ChatStore.open, database.settings["database_url"], now_ms=late)
    try:
        done = await asyncio.to_thread(store.upkeep.collect, KEEPS, progress=_quietly)
    finally:
        await asyncio.to_thread(store.close)
    assert done.deleted_attachments == 0
    for table in ("blob", "blob_piece"):
        assert database.rows(f"SELECT COUNT(*) FROM {table}")[0][0] == 0
    database.assert_whole()


def _quietly(counts: Counts) -> None:
    """Tell nobody."""
