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
class _Lent(Generic[Client]):
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
        self._lent: dict[Access, _Lent[Client]] = {}

    @property
    def accesses(self) -> list[Access]:
        """The accesses whose client is open."""
        return list(self._lent)

    @asynccontextmanager
    async def lend(self, access: Access) -> AsyncIterator[Client]:
        """Lend the client of an access for one stream."""
        lent = self._lent.get(access)
        if lent is None:
            made = await self._make(access)
            # Another stream may have made one meanwhile; then this one is dropped unused.
            lent = self._lent.setdefault(access, _Lent(client=made))
        lent.streams += 1
        try:
            yield lent.client
        finally:
            lent.streams -= 1
            idle = [other for other, it in self._lent.items() if other != access and not it.streams]
            for unused in [self._lent.pop(other) for other in idle]:
                await unused.client.close()

    async def close(self) -> None:
        """Close all clients; streams that still run are cut."""
        clients = [lent.client for lent in self._lent.values()]
        self._lent.clear()
        for client in clients:
            await client.close()
