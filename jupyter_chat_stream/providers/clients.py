"""Clients of an SDK that many streams share, one for each key: a new key needs a new client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    """What is closed once nobody uses it."""

    async def close(self) -> None: ...


T = TypeVar("T")
Client = TypeVar("Client", bound=Closing)


async def in_own_thread(work: Callable[[], T]) -> T:
    """Run something slow in a thread of its own: the shared executor is not ours to fill."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="chat-stream-provider")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        executor.shutdown(wait=False)


@dataclass(kw_only=True)
class _Lent(Generic[Client]):
    """A client and how many streams run over it."""

    client: Client
    streams: int = 0


class SharedClients(Generic[Client]):
    """Lends the client of a key, and closes the others when their last stream has ended.

    Args:
        make: makes the client of a key.
    """

    def __init__(self, make: Callable[[str], Awaitable[Client]]) -> None:
        self._make = make
        self._lent: dict[str, _Lent[Client]] = {}

    @asynccontextmanager
    async def lend(self, key: str) -> AsyncIterator[Client]:
        """Lend the client of a key for one stream."""
        lent = self._lent.get(key)
        if lent is None:
            made = await self._make(key)
            # A second request may have been faster; then this one, never used, is just dropped.
            lent = self._lent.setdefault(key, _Lent(client=made))
        lent.streams += 1
        try:
            yield lent.client
        finally:
            lent.streams -= 1
            idle = [other for other, it in self._lent.items() if other != key and not it.streams]
            for closing in [self._lent.pop(other) for other in idle]:
                await closing.client.close()

    async def close(self) -> None:
        """Close all clients; streams that still run are cut."""
        clients = [lent.client for lent in self._lent.values()]
        self._lent.clear()
        for client in clients:
            await client.close()
