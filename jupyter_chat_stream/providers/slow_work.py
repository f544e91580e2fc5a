"""Slow work beside the event loop: imports of SDKs, files of the disk, opening the store.

The service uses it too. `shared/` cannot hold it: no module there needs an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(work: Callable[[], T]) -> T:
    """Run slow work in a thread of its own: the loop's executor belongs to the whole server."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="chat-stream-work")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        executor.shutdown(wait=False)
