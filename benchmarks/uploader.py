"""The process that uploads attachments, and deletes each, until it is told to stop.

Says ``"ready"`` before the first, and at the end when each upload began and ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_BYTES = 64 * 1024


async def upload() -> None:
    """Do as standard input says."""
    loop = asyncio.get_running_loop()
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    stopped = loop.run_in_executor(None, sys.stdin.readline)
    headers = {"Authorization": f"token {told['token']}", "Content-Type": "image/png"}
    uploads: list[tuple[int, int]] = []
    async with aiohttp.ClientSession(headers=headers) as session:
        print('"ready"', flush=True)
        while not stopped.done():
            began = time.monotonic_ns()
            size = {"Content-Length": str(told["bytes"])}
            body = _body(told["bytes"])
            async with session.post(told["url"] + "attachments", data=body, headers=size) as got:
                assert got.status == 201, await got.text()
                id_ = (await got.json())["id"]
            uploads.append((began, time.monotonic_ns()))
            # A user's unsent bytes are bounded.
            async with session.delete(f"{told['url']}attachments/{id_}") as got:
                assert got.status == 204, await got.text()
        await stopped
    print(json.dumps(uploads), flush=True)


async def _body(size: int) -> AsyncIterator[bytes]:
    first = SIGNATURE + os.urandom(CHUNK_BYTES - len(SIGNATURE))  # no two are equal
    yield first[:size]
    for start in range(CHUNK_BYTES, size, CHUNK_BYTES):
        yield first[: min(CHUNK_BYTES, size - start)]


if __name__ == "__main__":
    asyncio.run(upload())
