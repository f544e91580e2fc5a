"""The process at the other end of the socket: follows, notes the time of each frame, no more.

Says ``"live"`` when every subscription is, and what it received when it is told ``"stop"``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

from .load import received


async def follow() -> None:
    """Do as standard input says."""
    loop = asyncio.get_running_loop()
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    frames: list[tuple[int, str]] = []
    headers = {"Authorization": f"token {told['token']}"}
    url = told["url"].replace("http", "ws", 1) + "ws"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(url, compress=0, max_msg_size=0) as socket,
    ):
        for thread in told["threads"]:
            await socket.send_json({"op": "subscribe", "thread": thread, "after": 0})
        live = 0
        while live < len(told["threads"]):
            live += json.loads(await socket.receive_str())["op"] == "live"
        print('"live"', flush=True)
        reading = asyncio.ensure_future(_read(socket, frames))
        await loop.run_in_executor(None, sys.stdin.readline)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    print(json.dumps(_summary(frames)), flush=True)


async def _read(socket: aiohttp.ClientWebSocketResponse, frames: list[tuple[int, str]]) -> None:
    now = time.monotonic_ns
    async for message in socket:
        frames.append((now(), message.data))


def _summary(frames: list[tuple[int, str]]) -> dict[str, Any]:
    sizes = [len(text) for _, text in frames]
    # RFC 6455: two bytes of header, two more from 126 on, eight more from 65536 on
    headers = sum(2 if size < 126 else 4 if size < 65536 else 10 for size in sizes)
    return {
        "received": list(received(frames).items()),
        "frames": len(frames),
        "wire_bytes": sum(sizes) + headers,
    }


if __name__ == "__main__":
    asyncio.run(follow())
