"""The process that executes ``1`` in a kernel, again and again, through the server's own socket.

It begins when it is told where, and says ``"begun"`` after the first few; when it is told to stop,
it says of each when it was sent (ns of the monotonic clock), how long its result took, and whether
it was a prompt one. The server sends an execution's messages one by one and lets TCP wait for the
acknowledgement of the one before (Nagle), which most clients hold back for 40 ms: a time that no
server can be blamed for, and that would hide what it takes. So every other execution goes over a
connection that acknowledges at once: these are prompt, and the harder measure.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
import time
import uuid
from typing import Any

import aiohttp

PER_S = 10.0
WARM = 10
PATIENCE_S = 60.0

Channel = Any  # aiohttp.ClientWebSocketResponse, whose parameters differ by version


async def echo() -> None:
    """Do as standard input says."""
    loop = asyncio.get_running_loop()
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    headers = {"Authorization": f"token {told['token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = told["url"]
        async with session.post(url + "api/kernels", json={"name": "python3"}) as response:
            kernel = (await response.json())["id"]
        channels = f"{url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
        async with (
            session.ws_connect(channels, compress=0, max_msg_size=0) as usual,
            session.ws_connect(channels, compress=0, max_msg_size=0) as prompt,
        ):
            for _ in range(WARM):
                await _execute(usual, is_prompt=False)
                await _execute(prompt, is_prompt=True)
            print('"begun"', flush=True)
            stop = loop.run_in_executor(None, sys.stdin.readline)
            taken = await _execute_until(usual, prompt, stop)
        await session.delete(f"{url}api/kernels/{kernel}")
    print(json.dumps(taken), flush=True)


async def _execute_until(
    usual: Channel, prompt: Channel, stop: asyncio.Future[str]
) -> list[tuple[int, float, bool]]:
    taken: list[tuple[int, float, bool]] = []
    due = time.monotonic()
    phases = random.Random(7)  # so as not to keep step with what else happens ten times a second
    while not stop.done():
        due = max(due + 1 / PER_S, time.monotonic())
        await asyncio.sleep(max(0.0, due + phases.uniform(0, 0.5 / PER_S) - time.monotonic()))
        is_prompt = len(taken) % 2 == 1
        sent = time.monotonic_ns()
        await _execute(prompt if is_prompt else usual, is_prompt=is_prompt)
        taken.append((sent, (time.monotonic_ns() - sent) / 1e9, is_prompt))
    return taken


async def _execute(channel: Channel, *, is_prompt: bool) -> None:
    """Execute ``1``, and wait for its result and for the kernel to be idle again."""
    request = uuid.uuid4().hex
    await channel.send_json(_message(request))
    sock = channel.get_extra_info("socket")
    seen: set[str] = set()
    while not {"execute_result", "execute_reply", "idle"} <= seen:
        if is_prompt:  # the kernel takes it back as it likes
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        got = json.loads(await asyncio.wait_for(channel.receive_str(), PATIENCE_S))
        if got["parent_header"].get("msg_id") == request:
            seen.add(got["content"].get("execution_state", got["msg_type"]))


def _message(request: str) -> dict[str, Any]:
    header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": request,
              "date": "2026-01-01T00:00:00Z", "version": "5.3"}  # fmt: skip
    content = {"code": "1", "silent": False, "store_history": False, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": True}  # fmt: skip
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell", "buffers": []}  # fmt: skip


if __name__ == "__main__":
    asyncio.run(echo())
