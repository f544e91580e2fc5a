"""(d) What one answer of 20 kB in 4000 chunks costs: on the wire, written, and kept.

The next chunk is given only when the reader has the last, so there is one commit for each, the
worst there is. Written is what the process hands to write() (``wchar`` of /proc/self/io: log and
database file, checkpoints; sockets are not in it), less what it hands over while nothing happens.
Kept is how the database file has grown once all of it is in the file.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from jupyter_chat_stream.service import SendRequest, Service

from .load import MARK, OWNER, PacedProvider
from .processes import TOKEN, Helper
from .report import Section, times
from .server import running_server


def run(*, quick: bool = False) -> Section:
    """Measure one answer, with the message row saved as often as its growth allows."""
    return asyncio.run(_run(200 if quick else 4000))


async def _run(chunks: int) -> Section:
    turns: asyncio.Queue[None] = asyncio.Queue()
    provider = PacedProvider(turn=turns.get, count=chunks)
    async with running_server(provider, message_save_interval_s=0.0) as (url, service):
        thread = (await service.create_thread(OWNER))[0]["id"]
        follower = await Helper.start("follower", {"url": url, "token": TOKEN, "threads": [thread]})
        path = service.store.path
        assert path is not None
        before_bytes, written = _kept(path), _written()
        await _answer(service, thread, turns, chunks)
        await asyncio.sleep(2.5)  # the checkpoint's thread has looked twice
        written = _written() - written
        kept = _kept(path) - before_bytes
        found = await follower.stop()
    text_bytes = chunks * MARK
    rows = [
        ["", "for each byte of text", "bytes", "goal"],
        ["on the wire, one reader", times(found["wire_bytes"] / text_bytes),
         str(found["wire_bytes"]), "60×"],
        ["written", times(written / text_bytes), str(written), "1000×"],
        ["kept", times(kept / text_bytes), str(kept), "15×"],
    ]  # fmt: skip
    return Section(
        name="d",
        title=f"bytes for {text_bytes // 1000} kB of text in {chunks} chunks, a commit for each",
        goal="wire at most 60×, written at most 1000×, kept at most 15×",
        rows=rows,
        notes=[
            f"{found['frames']} frames, {found['wire_bytes'] / chunks:.0f} bytes a chunk with "
            "their headers",
            f"{written / chunks:.0f} bytes written a chunk: SQLite writes whole pages",
            "jupyterlab-chat 0.25, measured before: 2040× on the wire, 2065× written",
        ],
    )


async def _answer(service: Service, thread: str, turns: asyncio.Queue[None], chunks: int) -> None:
    """Let the answer come, a chunk whenever the reader has the one before."""
    head = json.loads(await service.state_text(OWNER, thread))["seq"]
    reader = await service.follow(OWNER, thread, head)
    await service.send(OWNER, thread, SendRequest(content="go"))
    turns.put_nowait(None)
    given = 1
    while True:
        frame = await reader.next()
        for _, event in frame.event_texts:
            if '"type":"delta"' in event and given < chunks:
                given += 1
                turns.put_nowait(None)
            if '"type":"finalized"' in event:
                reader.close()
                return


def _written() -> int:
    """Return how many bytes this process has handed to write() so far."""
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _kept(path: Path) -> int:
    """Bring everything into the file, and give its size."""
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    conn.close()
    return path.stat().st_size
