"""The poll for commits of other processes, whose notices may be lost (L9).

The database tells each change once, so there is one poll for all who need it. It lives until
``stop`` and asks the database only while somebody wants to know.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ..shared.errors import DatabaseUnreachable
from ..shared.logs import Line
from ..store.front import ChatStore

log = logging.getLogger("jupyter_chat_stream.follow")


class Comparer(Protocol):
    """Compares what it knows with the database."""

    @property
    def is_wanted(self) -> bool:
        """Whether there is somebody to compare for."""

    async def compare(self, *, is_changed: bool) -> bool:
        """Compare if it is time; False if a known change was not compared yet.

        Args:
            is_changed: whether another process may have committed since the last ``True``.
        """


class CommitPoll:
    """Asks the store every ``interval_s`` whether another process has committed."""

    def __init__(self, store: ChatStore, *, interval_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._comparers: dict[Comparer, bool] = {}  # -> whether there is a change to compare
        self._polling: asyncio.Task[None] | None = None

    def add(self, comparer: Comparer) -> None:
        """Let a comparer compare after each change, until the end."""
        self._comparers[comparer] = False

    def begin(self) -> None:
        """Poll from now on; needs a running loop."""
        if self._polling is None:
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def stop(self) -> None:
        """End the poll."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            comparers = [comparer for comparer in self._comparers if comparer.is_wanted]
            if not comparers:
                continue
            try:
                if await self._store.has_changed():
                    self._note_change()
                for comparer in comparers:
                    if await comparer.compare(is_changed=self._comparers[comparer]):
                        self._comparers[comparer] = False
            except DatabaseUnreachable:
                self._note_change()  # the store has logged the outage
            except Exception as error:  # noqa: BLE001  the poll lives as long as its owner
                self._note_change()
                code = getattr(error, "code", type(error).__name__)
                log.warning(Line("look.put_off", what="commits", code=code))

    def _note_change(self) -> None:
        for comparer in self._comparers:
            self._comparers[comparer] = True
