"""``demo/joined``: an answer that continues without readers, and can be joined again (L15).

It shows without a key how ``responses`` endpoints work: the upstream begins once, and writes at its
own pace even if nobody reads. An attempt after a crash joins the upstream at the committed cursor.
The text that the upstream has written meanwhile comes at once.

The upstream is a function of its handle and the time. The handle contains its start time and the
number of characters before it; the cursor counts pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from ...shared.errors import UpstreamLost
from ..base import Prompt, TextChunk, UpstreamChunk

CHARS_PER_S = 60.0
Wait = Callable[[float], Awaitable[None]]


async def stream(
    pieces_after: Callable[[int], Sequence[str]],
    prompt: Prompt,
    *,
    existing_chars: int,
    chars_per_s: float,
    joinable_s: float,
    now_s: Callable[[], float],
    wait: Wait,
) -> AsyncGenerator[TextChunk | UpstreamChunk, None]:
    """Begin the upstream, or join it at the cursor of the attempt before.

    Args:
        pieces_after: returns the pieces of the text after a number of characters.
        existing_chars: the number of characters that a new upstream leaves out.
        chars_per_s: the upstream's pace; 0 for all at once.
        joinable_s: how long after its start the upstream can be joined.
        now_s: returns the time in seconds since 1970.
        wait: waits for a time in seconds.

    Raises:
        UpstreamLost: the upstream can no longer be joined.
    """
    if prompt.upstream is None:
        handle, cursor = {"begun_s": now_s(), "after": existing_chars}, 0
        yield UpstreamChunk(handle=handle, cursor=cursor)
    else:
        handle, cursor = dict(prompt.upstream.handle), prompt.upstream.cursor
    begun_s = float(handle["begun_s"])
    if prompt.upstream is not None and now_s() - begun_s > joinable_s:
        raise UpstreamLost("demo: this answer can no longer be joined.")
    chars = 0
    for number, piece in enumerate(pieces_after(int(handle["after"])), 1):
        chars += len(piece)
        if number <= cursor:
            continue
        due_s = begun_s + (chars / chars_per_s if chars_per_s else 0.0)
        if (remaining_s := due_s - now_s()) > 0:
            await wait(remaining_s)
        else:
            await asyncio.sleep(0)
        yield TextChunk(text=piece)
        yield UpstreamChunk(handle=handle, cursor=number)
