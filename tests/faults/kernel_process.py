"""A kernel of one thread, as a process to kill: the real client offers three functions there.

The fork server starts it. The environment names the thread (``JCS_THREAD``), and the file to which
each function adds its name when it begins (``JCS_MADE``). The process says ``ready`` once the
server knows its functions; it makes calls on its loop, as a kernel does between two cells.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from jupyter_chat_stream import Chat


def main() -> None:
    """Offer the functions until the process is killed."""
    asyncio.run(_offer())


async def _offer() -> None:
    chat = Chat(thread=os.environ["JCS_THREAD"])
    for options in ({"name": "look"}, {"name": "peek", "idempotent": True}):
        chat.tool(effect="read", **options)(_function(str(options["name"])))
    chat.tool(name="train")(_function("train"))
    print("ready", flush=True)  # noqa: T201
    await asyncio.Event().wait()


def _function(name: str) -> Callable[[int], str]:
    def function(at: int = 0) -> str:
        """Do something that only the file of this test tells."""
        with open(os.environ["JCS_MADE"], "a") as made:
            made.write(f"{name}\n")
        print("working")  # noqa: T201
        return name

    return function
