"""Responses in the background whose id has not come yet: nobody else could stop or join them.

If the reader leaves that early (a Stop, a shutdown, a silence), the request stays open in a task of
its own until the id comes, for ``PATIENCE_S`` at most. Then that response is cancelled, because no
attempt has its handle.

::

    request ─► id comes ─► the reader goes on; the run commits the handle (L15)
       │ the reader leaves
       └─► read on in a task ─► id comes ─► cancel it ─► close the connection
                                 │ PATIENCE_S, or an error
                                 └─► close the connection
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ...shared.logs import Line
from ..streaming import Events

log = logging.getLogger("jupyter_chat_stream.providers")

PATIENCE_S = 10.0

Open = Callable[[], Awaitable[Events]]
Cancel = Callable[[str], Awaitable[None]]
SdkEvent = Any  # the SDK's classes of events


class Beginnings:
    """The tasks that read on after their reader has left; ``close`` ends them."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self, ask: Open, cancel: Cancel) -> Events:
        """Send a request for a response in the background; returns its events.

        Args:
            ask: sends the request, and checks that a stream of events answers.
            cancel: cancels a response by its id.
        """
        opening = asyncio.ensure_future(_begin(ask))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.ensure_future(self._stop(opening, cancel))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            raise

    async def close(self) -> None:
        """End the tasks, with their connections."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self, opening: asyncio.Future[_BegunResponse], cancel: Cancel) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                response = await opening
                try:
                    id_ = await response.background_id()
                finally:
                    await response.close()
                if id_ is not None:
                    await cancel(id_)
        except Exception as error:  # noqa: BLE001  the run has ended in any case
            log.warning(Line("upstream.not_stopped", error=type(error).__name__))


class _BegunResponse:
    """The events of a response whose first event has come, or the error that came instead."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._rest = aiter(events)
        self._first: SdkEvent = None
        self._failure: Exception | None = None

    @property
    def response(self) -> Any:
        return self._events.response

    async def read_first(self) -> None:
        """Wait for the first event."""
        try:
            self._first = await anext(self._rest, None)
        except Exception as failure:  # noqa: BLE001  the reader gets it
            self._failure = failure

    async def background_id(self) -> str | None:
        """Return the id of a response that goes on by itself; None if it is none."""
        async for event in self:
            response = getattr(event, "response", None)
            id_ = getattr(response, "id", None)
            if isinstance(id_, str):
                return id_ if getattr(response, "background", None) is True else None
        return None

    async def __aiter__(self) -> AsyncIterator[SdkEvent]:
        if self._failure is not None:
            raise self._failure
        first, self._first = self._first, None
        if first is not None:
            yield first
        async for event in self._rest:
            yield event

    async def close(self) -> None:
        await self._events.close()


async def _begin(ask: Open) -> _BegunResponse:
    events = await ask()
    response = _BegunResponse(events)
    try:
        await response.read_first()
    except asyncio.CancelledError:
        await events.close()
        raise
    return response
