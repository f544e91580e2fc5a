"""Clients of an SDK that many streams share, one for each access: an API key and its address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    """A client that can be closed."""

    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closing)
Access = TypeVar("Access", bound=Hashable)


@dataclass(kw_only=True)
class _ClientInUse(Generic[Client]):
    """A client, and how many streams use it now."""

    client: Client
    streams: int = 0


class SharedClients(Generic[Access, Client]):
    """Lends the client of one access, and closes older clients when their last stream has ended.

    Args:
        make: makes the client of an access.
    """

    def __init__(self, make: Callable[[Access], Awaitable[Client]]) -> None:
        self._make = make
        self._by_access: dict[Access, _ClientInUse[Client]] = {}

    @property
    def accesses(self) -> list[Access]:
        """The accesses whose client is open."""
        return list(self._by_access)

    @asynccontextmanager
    async def lend(self, access: Access) -> AsyncIterator[Client]:
        """Lend the client of an access for one stream."""
        entry = self._by_access.get(access)
        if entry is None:
            client = await self._make(access)
            # Another stream may have made one meanwhile; then this one is dropped unused.
            entry = self._by_access.setdefault(access, _ClientInUse(client=client))
        entry.streams += 1
        try:
            yield entry.client
        finally:
            entry.streams -= 1
            idle = [
                other
                for other, candidate in self._by_access.items()
                if other != access and not candidate.streams
            ]
            for idle_entry in [self._by_access.pop(other) for other in idle]:
                await idle_entry.client.close()

    async def close(self) -> None:
        """Close all clients; streams that still run are cut."""
        clients = [entry.client for entry in self._by_access.values()]
        self._by_access.clear()
        for client in clients:
            await client.close()
